import pytest
import torch
from torch import nn

from remodal.networks.unet import plan_layout
from remodal.networks.vnet import Decoder, VNet

PUBLISHED = plan_layout(16, 256, [(2, 2, 2)] * 4)
SMALL = plan_layout(2, 8, [(1, 2, 2), (2, 2, 2)])


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("heads", "count"), [([1], 9_448_849), ([2], 9_448_866), ([1, 1], 9_448_866)]
)
def test_the_number_of_parameters_is_the_published_one(heads, count):
    with torch.device("meta"):
        net = VNet(1, heads, PUBLISHED)
    assert parameters(net) == count
    assert parameters(net.encoder) == 7_376_896
    assert parameters(net.decoder) - parameters(net.decoder.heads) == 2_071_936


def test_three_more_decoders_make_the_published_number_of_cct():
    with torch.device("meta"):
        net = VNet(1, [2], PUBLISHED)
        more = [Decoder([2], PUBLISHED, 0.5) for _ in range(3)]
    assert parameters(net) + sum(map(parameters, more)) == 15_664_776


def test_stages_have_one_two_and_then_three_convolutions():
    def counts(part):
        return [
            sum(isinstance(layer, nn.Conv3d) for layer in stage.modules()) for stage in part.stages
        ]

    net = VNet(1, [2], PUBLISHED)
    assert counts(net.encoder) == [1, 2, 3, 3, 3]
    assert counts(net.decoder) == [1, 2, 3, 3]
    assert counts(VNet(1, [2], SMALL).encoder) == [1, 2, 3]


def test_each_head_gives_a_map_of_the_image_s_size():
    torch.manual_seed(0)
    found = VNet(2, [1, 3], SMALL)(torch.randn(2, 2, 4, 8, 12))
    assert [tuple(each.shape) for each in found] == [(2, 1, 4, 8, 12), (2, 3, 4, 8, 12)]


def test_the_skips_are_added():
    """With a decoder that passes its input on, the last stage sees the sum."""
    torch.manual_seed(0)
    net = VNet(1, [1], SMALL, dropout=0.0).eval()
    features = net.encoder(torch.randn(1, 1, 4, 8, 8))
    decoder = net.decoder
    seen = []
    decoder.stages[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    risen = []
    decoder.up[0].register_forward_hook(lambda *parts: risen.append(parts[-1]))
    decoder(features)
    torch.testing.assert_close(seen[0], features[0] + risen[0])


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_whole_channels_are_dropped_in_training_only(part):
    torch.manual_seed(0)
    net = VNet(1, [2], plan_layout(8, 32, [(2, 2, 2)] * 2))
    seen = []
    getattr(net, part).dropout.register_forward_hook(
        lambda _, inputs, output: seen.append((inputs[0], output))
    )
    image = torch.randn(2, 1, 8, 16, 16)
    net(image)
    ((given, kept),) = seen
    dropped = (kept == 0).all(dim=(2, 3, 4), keepdim=True)
    assert 0.2 < dropped.float().mean() < 0.8
    torch.testing.assert_close(kept, torch.where(dropped, 0, 2 * given))
    net.eval()
    net(image)
    assert torch.equal(*seen[1])
