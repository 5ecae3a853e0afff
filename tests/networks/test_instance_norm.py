"""InstanceNorm beside its formula in float64."""

import pytest
import torch
from torch import nn

from remodal.networks.instance_norm import InstanceNorm
from remodal.networks.slab_norm import SLAB

FORMATS = [torch.contiguous_format, torch.channels_last_3d]


def formula(norm, features):
    """The paper's definition, in the number format of its arguments."""
    variance, mean = torch.var_mean(features, (2, 3, 4), correction=0, keepdim=True)
    weight, bias = (p.to(features.dtype).view(-1, 1, 1, 1) for p in (norm.weight, norm.bias))
    return weight * (features - mean) / (variance + norm.eps).sqrt() + bias


def drawn(channels, *shape):
    """Parameters and features far from zero mean and unit variance."""
    torch.manual_seed(0)
    norm = InstanceNorm(channels)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return norm, torch.randn(*shape) * 3 + 2


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("format_above", FORMATS)
def test_values_and_gradient_in_either_memory_format(samples, format, format_above):
    norm, features = drawn(4, samples, 4, 3, 5, 5)
    norm, features = norm.double(), features.double().contiguous(memory_format=format)
    features.requires_grad_()
    expected, ours = formula(norm, features), norm(features)
    torch.testing.assert_close(ours, expected)
    assert ours.is_contiguous(memory_format=format)
    above = torch.randn(ours.shape).double().contiguous(memory_format=format_above)
    wanted = [features, *norm.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(ours, wanted, above), torch.autograd.grad(expected, wanted, above)
    )


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("format_above", FORMATS)
def test_many_voxels_keep_their_precision(samples, format, format_above):
    """Several slabs, the last one not full; the gradient too."""
    norm, features = drawn(3, samples, 3, 17, 33, 29)
    assert features[0, 0].numel() > 3 * SLAB
    features = features.contiguous(memory_format=format).requires_grad_()
    above = torch.randn(features.shape).contiguous(memory_format=format_above)
    wanted = [features, *norm.parameters()]
    ours = norm(features)
    assert ours.is_contiguous(memory_format=format)
    precise = features.detach().double().requires_grad_()
    expected = formula(norm, precise)
    torch.testing.assert_close(ours.double(), expected, atol=5e-6, rtol=0)
    found = torch.autograd.grad(ours, wanted, above)
    of_formula = torch.autograd.grad(expected, [precise, *norm.parameters()], above.double())
    for gradient, wished in zip(found, of_formula):
        largest = wished.abs().max().item()
        torch.testing.assert_close(gradient.double(), wished.double(), atol=2e-4 * largest, rtol=0)


def test_a_patch_of_128_cubed_is_off_by_no_more_than_float32_must():
    """Batch norm over all voxels at once is off by 4e-3 here."""
    norm, features = drawn(2, 1, 2, 128, 128, 128)
    with torch.no_grad():
        ours = norm(features.contiguous(memory_format=torch.channels_last_3d))
        expected = formula(norm, features.double())
    assert (ours.double() - expected).abs().max() < 1e-5
