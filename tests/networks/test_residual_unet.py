import pytest
import torch
import torch.nn.functional as F
from torch import nn

from remodal.networks.residual_unet import ResidualBlock, ResidualStages, ResidualUNet
from remodal.networks.unet import plan_layout

HALVINGS = [(2, 2, 2)] * 5
FLAT = [(1, 2, 2), (1, 2, 2), *HALVINGS[2:]]


@pytest.mark.parametrize(
    ("strides", "base", "counted"),
    [(HALVINGS, 32, 102_349_770), (HALVINGS, 16, 64_931_690), (FLAT, 32, 101_681_546)],
)
def test_it_has_the_parameters_of_nnunet_v2(strides, base, counted):
    """Counted in dynamic-network-architectures 0.4.4, ResidualEncoderUNet, one image, two classes.

    With the same weights it gave the same logits (to 4e-6) at all levels.
    """
    layout = plan_layout(base, 320, strides, anisotropic=True, version="v2")
    with torch.device("meta"):
        unet = ResidualUNet(1, 2, layout)
    assert sum(parameter.numel() for parameter in unet.parameters()) == counted


def test_stages_have_1_3_4_and_then_6_blocks():
    layout = plan_layout(2, 4, HALVINGS)
    assert [len(stage) for stage in ResidualStages(1, layout).stages] == [1, 3, 4, 6, 6, 6]


def by_hand(block, features, stride):
    """Two convolutions, normalised, and what is pooled and projected beside them."""

    def normed(flow, norm):
        return F.instance_norm(flow, weight=norm.weight, bias=norm.bias)

    first = block.first
    flow = F.conv3d(features, first.conv.weight, first.conv.bias, stride, padding=1)
    flow = F.leaky_relu(normed(flow, first.norm), 0.01)
    flow = normed(F.conv3d(flow, block.conv.weight, block.conv.bias, padding=1), block.norm)
    kept = F.avg_pool3d(features, stride)
    if len(block.shortcut):
        convolve, norm = block.shortcut
        assert convolve.bias is None
        kept = normed(F.conv3d(kept, convolve.weight), norm)
    return F.leaky_relu(flow + kept, 0.01)


@pytest.mark.parametrize("outputs", [3, 5])
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
def test_a_block_by_hand(outputs, stride):
    torch.manual_seed(0)
    block = ResidualBlock(3, outputs, (3, 3, 3), stride)
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    features = torch.randn(2, 3, 4, 6, 8)
    torch.testing.assert_close(
        block(features), by_hand(block, features, stride), atol=1e-4, rtol=1e-4
    )


def test_each_level_has_logits_and_every_weight_a_gradient():
    torch.manual_seed(0)
    unet = ResidualUNet(2, 3, plan_layout(2, 8, [(1, 2, 2), (2, 2, 2)]))
    found = unet(torch.randn(2, 2, 4, 16, 16), 2)
    assert [tuple(each.shape) for each in found] == [(2, 3, 4, 16, 16), (2, 3, 4, 8, 8)]
    sum(each.square().mean() for each in found).backward()
    assert all(weight.grad is not None for weight in unet.parameters())
