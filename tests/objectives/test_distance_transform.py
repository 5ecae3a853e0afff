import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from remodal.objectives import distance_transform
from remodal.objectives.distance_transform import by_lines, squared_distance

SHAPE = (9, 14, 23)


def masks():
    """A blob, scattered voxels, one voxel in a corner, all voxels."""
    generator = torch.Generator().manual_seed(0)
    z, y, x = (torch.arange(size).float() for size in SHAPE)
    blob = ((z - 3)[:, None, None] ** 2 + (y - 5)[:, None] ** 2 + (x - 20) ** 2) < 20
    corner = torch.zeros(SHAPE, dtype=torch.bool)
    corner[0, 0, -1] = True
    full = torch.ones(SHAPE, dtype=torch.bool)
    return [blob, torch.rand(SHAPE, generator=generator) > 0.97, corner, full]


@pytest.mark.parametrize("way", [squared_distance, by_lines])
@pytest.mark.parametrize("mask", masks(), ids=["blob", "scattered", "corner", "full"])
def test_every_distance_is_scipy_s(way, mask):
    expected = np.rint(distance_transform_edt(~mask.numpy()) ** 2)
    found = way(mask)
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy(), expected)


def test_a_mask_that_is_a_view_is_read_in_its_own_order():
    mask = masks()[1].transpose(0, 2)[1:, ::2]
    expected = np.rint(distance_transform_edt(~mask.numpy()) ** 2)
    assert np.array_equal(squared_distance(mask).numpy(), expected)
    assert np.array_equal(by_lines(mask).numpy(), expected)


def test_lines_may_be_taken_in_parts(monkeypatch):
    mask = masks()[1]
    monkeypatch.setattr(distance_transform, "AT_ONCE", 1000)
    assert torch.equal(by_lines(mask), squared_distance(mask))


def test_the_longest_distance_in_a_large_array_is_exact():
    mask = torch.zeros(2, 3, 1500, dtype=torch.bool)
    mask[0, 0, 0] = True
    assert squared_distance(mask)[-1, -1, -1] == by_lines(mask)[-1, -1, -1] == 1 + 4 + 1499**2
