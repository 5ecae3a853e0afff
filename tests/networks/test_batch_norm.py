"""BatchNorm beside PyTorch's in float64."""

import pytest
import torch
from torch import nn

from remodal.networks.batch_norm import BatchNorm, BatchNorm2d
from remodal.networks.slab_norm import CHANNELS_LAST, SLAB

MANY, FEW = (2, 3, 17, 33, 29), (2, 3, 3, 5, 5)
MANY_2D, FEW_2D = (2, 3, 17 * 33, 29), (2, 3, 15, 5)


def test_the_shapes_have_many_slabs_and_less_than_one():
    assert torch.empty(MANY)[:, 0].numel() > 3 * SLAB > torch.empty(FEW)[:, 0].numel()


def norms(shape):
    """Ours for features of this shape, and PyTorch's in float64 with the same weights."""
    torch.manual_seed(0)
    kinds = {4: (BatchNorm2d, nn.BatchNorm2d), 5: (BatchNorm, nn.BatchNorm3d)}
    ours, precise = (kind(shape[1]) for kind in kinds[len(shape)])
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    precise.load_state_dict(ours.state_dict())
    return ours, precise.double()


@pytest.mark.parametrize("shape", [MANY, FEW, MANY_2D, FEW_2D])
@pytest.mark.parametrize("last", [False, True])
def test_values_gradient_and_running_statistics(shape, last):
    ours, precise = norms(shape)
    format = CHANNELS_LAST[len(shape)] if last else torch.contiguous_format
    features = (torch.randn(shape) * 3 + 2).contiguous(memory_format=format).requires_grad_()
    twin = features.detach().double().requires_grad_()
    above = torch.randn(shape)
    for _ in range(2):
        found, expected = ours(features), precise(twin)
    assert found.is_contiguous(memory_format=format)
    torch.testing.assert_close(found.double(), expected, atol=5e-6, rtol=0)
    for value, wished in zip(ours.state_dict().values(), precise.state_dict().values()):
        torch.testing.assert_close(value.double(), wished.double(), atol=5e-6, rtol=0)
    gradients = torch.autograd.grad(found, [features, *ours.parameters()], above)
    of_torch = torch.autograd.grad(expected, [twin, *precise.parameters()], above.double())
    for gradient, wished in zip(gradients, of_torch):
        largest = wished.abs().max().item()
        torch.testing.assert_close(gradient.double(), wished, atol=2e-4 * largest, rtol=0)


def test_evaluation_uses_the_running_statistics_and_leaves_them():
    ours, precise = norms(MANY)
    features = torch.randn(MANY).contiguous(memory_format=torch.channels_last_3d)
    for norm in (ours, precise):
        norm.train()
    ours(features), precise(features.double())
    before = {key: value.clone() for key, value in ours.state_dict().items()}
    found, expected = ours.eval()(features), precise.eval()(features.double())
    torch.testing.assert_close(found.double(), expected, atol=5e-6, rtol=0)
    assert all(torch.equal(value, before[key]) for key, value in ours.state_dict().items())
