"""Which voxels a page keeps, counted by hand."""

import numpy as np
import pytest

from remodal.geometry.volume import Geometry
from remodal.viewer.cut import Cut, cut_of

GRID = Geometry((20, 40, 60), (0.5, 1.0, 2.5))


@pytest.mark.parametrize(
    ("finest", "step"),
    [
        (0.4, (1, 1, 1)),
        (1.0, (1, 1, 2)),
        (1.9, (1, 1, 3)),  # 2 along y and 4 along x would be further apart than 1.9 mm
        (5.0, (2, 5, 10)),
    ],
)
def test_voxels_are_skipped_as_long_as_those_left_are_no_further_apart(finest, step):
    assert cut_of(GRID, finest=finest) == Cut((0, 0, 0), GRID.shape, step)


def test_a_margin_is_in_mm_along_each_axis_and_ends_with_the_image():
    mask = np.zeros(GRID.shape, np.uint8)
    mask[3:5, 20:22, 30] = 1
    assert cut_of(GRID, [mask], margin=10) == Cut((0, 10, 10), (9, 32, 51))


def test_a_box_holds_all_masks_and_the_whole_image_if_they_are_empty():
    one, other = np.zeros((2, *GRID.shape), np.uint8)
    assert cut_of(GRID, [one, other]).is_whole(GRID)
    one[2, 3, 4] = other[12, 13, 14] = 1
    assert cut_of(GRID, [one, other]) == Cut((2, 3, 4), (13, 14, 15))
