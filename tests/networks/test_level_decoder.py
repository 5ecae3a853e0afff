import pytest
import torch
import torch.nn.functional as F
from torch import nn

from remodal.networks.level_decoder import AtrousPyramid, LevelDecoder
from remodal.networks.slices import resized

WIDTHS = [8, 16, 32, 64]


def levels(side=16, samples=2):
    torch.manual_seed(0)
    return [torch.randn(samples, width, side >> n, side >> n) for n, width in enumerate(WIDTHS)]


def decoder(dropout=0.0, aspp=False):
    torch.manual_seed(1)
    return LevelDecoder(WIDTHS, 4, dropout, aspp)


@pytest.mark.parametrize("aspp", [False, True])
def test_the_result_has_the_first_level_s_resolution(aspp):
    assert decoder(aspp=aspp)(levels()).shape == (2, 4, 16, 16)


def test_levels_are_convolved_up_sampled_concatenated_and_convolved_twice():
    net, parts = decoder().eval(), levels()

    def unit(module, features):
        norm = (1 + 1e-5) ** 0.5  # running statistics are still 0 and 1
        return torch.relu(F.conv2d(features, module[0].weight, padding=1) / norm)

    risen = [
        F.interpolate(unit(conv, part), (16, 16), mode="bilinear")
        for conv, part in zip(net.levels, parts)
    ]
    expected = unit(net.joined[2], unit(net.joined[0], torch.cat(risen, dim=1)))
    torch.testing.assert_close(net(parts), expected)


def test_the_second_share_of_dropout_is_a_fifth_of_the_first():
    shares = [part.p for part in decoder(dropout=0.5).joined if isinstance(part, nn.Dropout)]
    assert shares == [0.5, 0.1]


def test_the_pyramid_sees_far_around_a_pixel():
    torch.manual_seed(0)
    net = AtrousPyramid(3, 2).eval()
    image = torch.zeros(1, 3, 41, 41, requires_grad=True)
    before_relu = [branch[:2](image)[0, 0, 20, 20] for branch in net.branches]
    sum(before_relu).backward()
    reached = image.grad.abs().sum((0, 1)).nonzero()
    offsets = {tuple((place - 20).abs().tolist()) for place in reached}
    assert offsets == {(a, b) for step in (0, 6, 12, 18) for a in (0, step) for b in (0, step)}


def test_maps_of_the_right_size_are_left_alone():
    maps = torch.randn(1, 2, 3, 4)
    assert resized(maps, (3, 4)) is maps
    assert resized(maps, (6, 8)).shape == (1, 2, 6, 8)
