import pytest
import torch

from remodal.networks.residual_encoder import (
    Joined,
    PlainInstanceNorm,
    ResidualEncoder,
    SeparateDecoder,
    Unit,
    pad_by_reflection,
)
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


@pytest.mark.parametrize("first", [True, False])
def test_an_encoder_and_a_decoder_keep_to_the_layout(first):
    torch.manual_seed(0)
    encoded = ResidualEncoder(LAYOUT, first)(torch.randn(1, 1, 5, 9, 16))
    shapes = [tuple(stage.shape[1:]) for stage in encoded]
    assert shapes == [(2, 5, 9, 16), (4, 5, 5, 8), (8, 3, 3, 4)]
    assert SeparateDecoder(3, LAYOUT, first)(encoded).shape == (1, 3, 5, 9, 16)
