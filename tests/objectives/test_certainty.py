from math import log

import pytest
import torch
from scipy import stats

from remodal.objectives.certainty import (
    certain_difference,
    entropy,
    relative_entropy,
    squared_difference,
)


def voxels(*probabilities):
    """Probabilities of the foreground as (1, 2, 1, 1, n)."""
    p = torch.tensor(probabilities)
    return torch.stack([1 - p, p])[None, :, None, None]


def test_entropy_is_scipy_s():
    p = torch.rand(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0)).softmax(1)
    expected = stats.entropy(p.double().numpy(), axis=1)
    torch.testing.assert_close(entropy(p).double(), torch.from_numpy(expected), atol=1e-5, rtol=0)


def test_entropy_is_a_share_of_the_largest_possible():
    assert relative_entropy(voxels(0.5, 0.5)).item() == pytest.approx(1, abs=1e-5)
    assert relative_entropy(voxels(0.0, 1.0)).item() == pytest.approx(0, abs=1e-5)
    uniform = torch.full((1, 4, 1, 1, 3), 0.25)
    assert relative_entropy(uniform).item() == pytest.approx(1, abs=1e-5)
    half = -(0.2 * log(0.2) + 0.8 * log(0.8)) / log(2) / 2
    assert relative_entropy(voxels(0.2, 1.0)).item() == pytest.approx(half, abs=1e-5)


def test_the_squared_difference_is_the_mean_over_voxels_and_classes():
    found = squared_difference(voxels(0.1, 0.9), voxels(0.3, 0.4))
    assert found.item() == pytest.approx((0.04 + 0.25) / 2)


def test_only_certain_voxels_count():
    first, second = voxels(0.1, 0.9, 0.5), voxels(0.3, 0.4, 0.6)
    uncertainty = torch.tensor([0.1, 0.9, 0.2])[None, None, None]
    found = certain_difference(first, second, uncertainty, 0.5)
    # Both classes of the first and the last voxel: sum(mask d) / (2 sum(mask)).
    assert found.item() == pytest.approx((2 * 0.04 + 2 * 0.01) / 4)
    every = certain_difference(first, second, uncertainty, 1.0)
    torch.testing.assert_close(every, squared_difference(first, second))
    assert certain_difference(first, second, uncertainty, 0.1).item() == 0
