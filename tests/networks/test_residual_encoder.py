from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from remodal.networks.hemis import UHemis
from remodal.networks.hved import UHved, reconstructors
from remodal.networks.mmformer import MMFormer
from remodal.networks.residual_encoder import (
    Joined,
    PlainInstanceNorm,
    ResidualEncoder,
    SeparateDecoder,
    Unit,
    pad_by_reflection,
)
from remodal.networks.rfnet import RFNet
from remodal.networks.unet import plan_layout

LAYOUT = plan_layout(2, 8, [(1, 2, 2), (2, 2, 2)])


def features(count=3, width=4):
    generator = torch.Generator().manual_seed(0)
    return list(torch.randn(count, 2, width, 4, 6, 6, generator=generator))


def test_a_norm_has_no_parameters_and_no_state():
    norm = PlainInstanceNorm(4)
    assert not list(norm.parameters())
    assert not norm.state_dict()
    (image, *_) = features()
    torch.testing.assert_close(norm(image), torch.nn.functional.instance_norm(image))


@pytest.mark.parametrize("first", [True, False])
def test_a_unit_normalises_before_or_after_its_convolution(first):
    torch.manual_seed(0)
    unit = Unit(4, 4, normalise_first=first)
    (image, *_) = features()

    def active(x):
        return torch.nn.functional.leaky_relu(torch.nn.functional.instance_norm(x), 0.2)

    def convolved(x):
        padded = torch.nn.functional.pad(x, [1] * 6, mode="reflect")
        return torch.nn.functional.conv3d(padded, unit.conv.weight, unit.conv.bias)

    expected = convolved(active(image)) if first else active(convolved(image))
    torch.testing.assert_close(unit(image), expected, atol=1e-5, rtol=1e-5)


def test_a_single_voxel_of_an_axis_is_repeated():
    image = torch.arange(6.0).view(1, 1, 1, 2, 3)
    padded = pad_by_reflection(image, (1, 1, 1))
    assert padded.shape == (1, 1, 3, 4, 5)
    assert torch.equal(padded[:, :, 0], padded[:, :, 2])


@pytest.mark.parametrize("first", [True, False])
def test_missing_features_are_joined_as_zeros(first):
    torch.manual_seed(0)
    join = Joined(3, 4, 5, normalise_first=first)
    one, two, three = features()
    zeros = [one, torch.zeros_like(two), three]
    torch.testing.assert_close(join([one, None, three]), join(zeros), atol=1e-5, rtol=1e-5)


def test_the_way_down_and_the_way_up_written_out():
    torch.manual_seed(0)
    encoder, decoder = ResidualEncoder(LAYOUT), SeparateDecoder(3, LAYOUT)
    image = torch.randn(2, 1, 4, 8, 8)
    expected, flow = [], image
    for into, residual in zip(encoder.into, encoder.residual, strict=True):
        entered = into(flow)
        flow = entered + residual[1](residual[0](entered))
        expected.append(flow)
    features = encoder(image)
    for found, wished in zip(features, expected, strict=True):
        torch.testing.assert_close(found, wished)

    def risen(step, below, skip):
        size = skip.shape[2:]
        higher = F.interpolate(below, size, mode="trilinear", align_corners=True)
        return step.join(torch.cat([skip, step.rise(higher)], 1))

    upper, lower = decoder.steps
    flow = risen(upper, risen(lower, features[2], features[1]), features[0])
    torch.testing.assert_close(decoder(features), decoder.head(flow))


WIDE = plan_layout(16, 32, [(2, 2, 2)])
OF_RELU, OF_LEAKY_RELU = sqrt(2), sqrt(2 / (1 + 0.01**2))


@pytest.mark.parametrize(
    ("build", "gain"),
    [
        (lambda: RFNet(2, 3, WIDE), OF_RELU),
        (lambda: MMFormer(2, 3, WIDE, 0.1), OF_RELU),
        (lambda: UHemis(2, 3, WIDE), OF_LEAKY_RELU),
        (lambda: UHved(2, 3, WIDE), OF_LEAKY_RELU),
        (lambda: reconstructors(2, WIDE), OF_LEAKY_RELU),
    ],
    ids=["rfnet", "mmformer", "hemis", "uhved", "reconstructors"],
)
def test_convolutions_start_he_normal(build, gain):
    torch.manual_seed(0)
    weights = [part.weight for part in build().modules() if isinstance(part, nn.Conv3d)]
    large = [weight for weight in weights if weight.numel() > 5000]
    assert large
    for weight in large:
        expected = gain / sqrt(weight[0].numel())
        assert weight.std().item() == pytest.approx(expected, rel=4 / sqrt(weight.numel()))


@pytest.mark.parametrize("first", [True, False])
def test_an_encoder_and_a_decoder_keep_to_the_layout(first):
    torch.manual_seed(0)
    encoded = ResidualEncoder(LAYOUT, first)(torch.randn(1, 1, 5, 9, 16))
    shapes = [tuple(stage.shape[1:]) for stage in encoded]
    assert shapes == [(2, 5, 9, 16), (4, 5, 5, 8), (8, 3, 3, 4)]
    assert SeparateDecoder(3, LAYOUT, first)(encoded).shape == (1, 3, 5, 9, 16)
