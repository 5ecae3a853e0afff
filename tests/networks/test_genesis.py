import pytest
import torch
from torch import nn

from remodal.networks.genesis import GenesisUNet, from_released, is_released
from remodal.networks.unet import plan_layout

RELEASED = plan_layout(32, 320, [(2, 2, 2)] * 3)
SMALL = plan_layout(2, 8, [(1, 2, 2), (2, 2, 2)])


def block(inputs, outputs):
    """Weights of a convolution of 3 x 3 x 3 with bias, and of its norm."""
    return 27 * inputs * outputs + outputs + 2 * outputs


def widened(width):
    """Weights of a transposed convolution of 2 x 2 x 2 with bias, which keeps the width."""
    return 8 * width * width + width


@pytest.mark.parametrize(
    ("inputs", "outputs", "count"), [(1, 1, 19_073_665), (2, 1, 19_074_529), (2, 2, 19_074_594)]
)
def test_the_number_of_parameters_is_that_of_the_released_network(inputs, outputs, count):
    with torch.device("meta"):
        net = GenesisUNet(inputs, outputs, RELEASED)
    by_hand = [
        *(block(inputs, 32), block(32, 64)),
        *(block(64, 64), block(64, 128)),
        *(block(128, 128), block(128, 256)),
        *(block(256, 256), block(256, 512)),
        *(widened(512), block(512 + 256, 256), block(256, 256)),
        *(widened(256), block(256 + 128, 128), block(128, 128)),
        *(widened(128), block(128 + 64, 64), block(64, 64)),
        64 * outputs + outputs,
    ]
    assert sum(parameter.numel() for parameter in net.parameters()) == sum(by_hand) == count


def test_depth_and_width_follow_the_layout():
    net = GenesisUNet(1, 1, SMALL)
    widths = [(stage.first.conv.out_channels, stage.second.conv.out_channels) for stage in net.down]
    assert widths == [(2, 4), (4, 8), (8, 16)]
    features = net.encode(torch.zeros(1, 1, 4, 8, 8))
    assert [tuple(each.shape[1:]) for each in features] == [
        (4, 4, 8, 8),
        (8, 4, 4, 4),
        (16, 2, 2, 2),
    ]


def test_each_mask_has_the_image_s_size():
    torch.manual_seed(0)
    found = GenesisUNet(2, 3, SMALL)(torch.randn(2, 2, 4, 8, 12))
    assert found.shape == (2, 3, 4, 8, 12)


def test_every_sample_is_normalised_by_itself():
    torch.manual_seed(0)
    net, images = GenesisUNet(1, 1, SMALL), torch.randn(2, 1, 4, 8, 8)
    alone = torch.cat([net(image) for image in images.split(1)])
    torch.testing.assert_close(net(images), alone)


class Released(nn.Module):
    """The released network's parts, by their names, with the forward pass of its description."""

    def __init__(self):
        super().__init__()
        down = {64: (1, 32), 128: (64, 64), 256: (128, 128), 512: (256, 256)}
        for width, (inputs, between) in down.items():
            self.add_module(f"down_tr{width}", stage(inputs, between, width))
        for width in (256, 128, 64):
            part = stage(3 * width, width, width)
            part.add_module("up_conv", nn.ConvTranspose3d(2 * width, 2 * width, 2, 2))
            self.add_module(f"up_tr{width}", part)

    def forward(self, image):
        skips = []
        for width in (64, 128, 256, 512):
            if skips:
                image = nn.functional.max_pool3d(image, 2)
            image = through(getattr(self, f"down_tr{width}"), image)
            skips.append(image)
        for width, skip in zip((256, 128, 64), skips[-2::-1]):
            part = getattr(self, f"up_tr{width}")
            image = through(part, torch.cat([part.up_conv(image), skip], dim=1))
        return image


def stage(inputs, between, outputs):
    part = nn.Module()
    part.ops = nn.Sequential(layers(inputs, between), layers(between, outputs))
    return part


def layers(inputs, outputs):
    part = nn.Module()
    part.conv1 = nn.Conv3d(inputs, outputs, 3, padding=1)
    part.bn1 = nn.BatchNorm3d(outputs)
    return part


def through(part, image):
    for each in part.ops:
        image = each.bn1(each.conv1(image)).relu()
    return image


def test_released_weights_give_the_released_network_s_features():
    torch.manual_seed(0)
    theirs, ours = Released().train(), GenesisUNet(1, 1, RELEASED)
    for parameter in theirs.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    weights = {f"module.{name}": weight for name, weight in theirs.state_dict().items()}
    assert is_released(weights)
    assert not is_released(ours.state_dict())
    missing, unexpected = ours.load_state_dict(from_released(weights), strict=False)
    assert (missing, unexpected) == (["head.weight", "head.bias"], [])
    seen = []
    ours.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = torch.randn(1, 1, 16, 16, 16)
    ours(image)
    torch.testing.assert_close(seen[0], theirs(image), rtol=1e-3, atol=1e-3)
