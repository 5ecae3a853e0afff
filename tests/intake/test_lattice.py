from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import BadCase
from remodal.geometry.lattice import brought_onto, differences, ordered, place, window
from remodal.geometry.volume import Geometry, Volume, from_sitk, to_sitk

OBLIQUE = (0.96, -0.224, 0.168, 0.28, 0.768, -0.576, 0.0, 0.6, 0.8)
GRID = Geometry((3, 4, 5), (0.7, 0.8, 2.5), (-100.0, 20.0, 30.0), OBLIQUE)
ARRAY = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("flips", list(product((False, True), repeat=3)))
def test_turned_and_flipped_labels_come_back_voxel_by_voxel(order, flips):
    image = sitk.Flip(sitk.PermuteAxes(to_sitk(Volume(ARRAY, GRID)), order), flips, False)
    turned = from_sitk(image)
    array, shift = brought_onto(turned.array, turned.geometry, GRID)
    np.testing.assert_array_equal(array, ARRAY)
    assert shift < 1e-9


def _moved(**changes) -> Geometry:
    fields = {"shape": GRID.shape, "spacing": GRID.spacing, "origin": GRID.origin}
    return Geometry(**{**fields, "direction": GRID.direction, **changes})


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (_moved(shape=(3, 4, 6)), r"3 x 4 x 6 voxels \(z, y, x\) against 3 x 4 x 5"),
        (_moved(spacing=(0.7, 0.8, 5.0)), r"spacing 0.7 x 0.8 x 5 mm .* against 0.7 x 0.8 x 2.5"),
        (_moved(origin=(-100.0, 20.0, 32.5)), "first voxels 2.5 mm apart"),
        (_moved(direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)), "another orientation"),
        (_moved(origin=(-100.0, 20.0, 30.2)), "first voxels 0.2 mm apart"),
    ],
)
def test_another_grid_is_refused_with_what_differs(own, reason):
    with pytest.raises(BadCase, match=reason):
        brought_onto(np.zeros(own.shape, np.uint8), own, GRID)


def test_a_label_of_a_part_of_the_image_is_put_in_its_place():
    first = (GRID.affine @ [1, 2, 1, 1])[:3]
    part = Geometry((2, 2, 3), GRID.spacing, tuple(first), GRID.direction)
    block = np.arange(1, 13, dtype=np.uint8).reshape(2, 2, 3)
    flipped = from_sitk(sitk.Flip(to_sitk(Volume(block, part)), (True, False, True), False))
    for own in (Volume(block, part), flipped):
        array, _ = brought_onto(own.array, own.geometry, GRID)
        np.testing.assert_array_equal(array[1:, 2:, 1:4], block)
        assert array.sum() == block.sum()
    beyond = Geometry((2, 2, 5), GRID.spacing, tuple(first), GRID.direction)
    with pytest.raises(BadCase, match="on another grid"):
        brought_onto(np.ones(beyond.shape, np.uint8), beyond, GRID)
    between = Geometry((2, 2, 3), GRID.spacing, tuple(first + 0.3), GRID.direction)
    with pytest.raises(BadCase, match="on another grid"):
        brought_onto(block, between, GRID)


def test_rounding_of_a_label_file_is_tolerated_and_measured():
    array, shift = brought_onto(ARRAY, _moved(origin=(-100.03, 20.0, 30.0)), GRID)
    np.testing.assert_array_equal(array, ARRAY)
    assert 0.03 < shift < 0.05


def test_differences_of_small_turns():
    turned = _moved(direction=tuple(np.array(OBLIQUE) + 1e-4))
    assert differences(turned, GRID) == "corners more than a tenth of a voxel apart"


def test_a_block_within_the_grid_and_one_that_reaches_outside():
    position = (GRID.affine @ [1, 2, 1, 1])[:3]
    block = Geometry((1, 2, 3), GRID.spacing, tuple(position), GRID.direction)
    placement = place(block, GRID)
    part = window(ordered(ARRAY[:1, :2, :3], placement), placement, GRID)
    assert part == (slice(1, 2), slice(2, 4), slice(1, 4))
    assert window(np.zeros((1, 3, 3)), placement, GRID) is None
