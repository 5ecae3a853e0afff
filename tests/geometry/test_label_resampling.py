"""A label on another grid, against linear interpolation written out."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter
from tests.orientations import rotation

from remodal.errors import BadCase
from remodal.geometry.label_resampling import has_same_voxels, reaches_outside, resampled_label
from remodal.geometry.volume import Geometry, Volume, to_sitk

#: A label of 2 mm voxels that is cropped to what was drawn: voxels of [9, 17) mm along each axis.
OWN = Geometry((4, 4, 4), (2.0, 2.0, 2.0), (10.0, 10.0, 10.0))
GRID = Geometry((24, 24, 24), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))


def centres(grid):
    """Where voxels lie along x; here the same along y and z."""
    return grid.origin[0] + grid.spacing[0] * np.arange(grid.shape[2])


def test_a_label_that_is_cropped_to_its_structure_does_not_grow():
    """The share of a label of ones is the product of a tent's ends along the axes."""
    at = (centres(GRID) - OWN.origin[0]) / OWN.spacing[0]
    along = np.clip(np.minimum(at + 1, 4 - at), 0, 1)
    share = along[:, None, None] * along[:, None] * along
    found = resampled_label(np.ones(OWN.shape, np.uint8), OWN, GRID)
    np.testing.assert_array_equal(found, share >= 0.5)


@pytest.mark.parametrize(("values", "expected"), [((1, 2), 2), ((2, 1), 2), ((0, 1), 1)])
def test_where_two_classes_are_equally_strong_the_higher_one_wins(values, expected):
    own = Geometry((1, 1, 4), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    grid = Geometry((1, 1, 7), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    first, second = values
    label = np.array([[[first, first, second, second]]], np.uint8)
    found = resampled_label(label, own, grid)[0, 0].tolist()
    assert found == [*[first] * 3, expected, *[second] * 3]


@pytest.mark.parametrize(("apart", "refused"), [(0.45, False), (0.65, True)])
def test_a_label_beyond_the_images_border_is_refused(apart, refused):
    """Half a voxel is the border of the outermost voxels; a tenth more is rounding."""
    own = Geometry((1, 1, 1), (1.0, 1.0, 1.0), (GRID.origin[0] - apart, 5.5, 5.5))
    label = np.ones((1, 1, 1), np.uint8)
    if refused:
        with pytest.raises(BadCase, match="1 of the label's 1 voxels lie outside the image"):
            resampled_label(label, own, GRID)
    else:
        assert resampled_label(label, own, GRID).sum() == 1


@pytest.mark.parametrize(("first", "outside"), [(-2.9, False), (-3.1, True)])
def test_a_grid_reaches_outside_if_it_does_so_by_a_voxel_of_each(first, outside):
    """Its first voxel's centre lies that far before the image's: 3 mm are one voxel of each."""
    own = Geometry((4, 4, 4), (2.0, 2.0, 2.0), (GRID.origin[0] + first, 5.0, 5.0))
    assert reaches_outside(own, GRID) == outside
    last = GRID.origin[0] + 23 - 6 - first
    assert reaches_outside(Geometry((4, 4, 4), (2.0, 2.0, 2.0), (5.0, 5.0, last)), GRID) == outside


def test_sides_of_other_lengths_lie_along_their_own_axes():
    """Eight voxels along x, two along z: turned round they would reach out of the image."""
    grid = Geometry((4, 8, 16), (1.0, 1.0, 1.0))
    assert not reaches_outside(Geometry((2, 4, 12), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)), grid)
    assert reaches_outside(Geometry((12, 4, 2), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)), grid)


def test_on_an_oblique_grid_it_is_simpleitks_linear_interpolation_of_each_class():
    turned = tuple(rotation(20, -10, 35).ravel().tolist())
    own = Geometry((9, 12, 15), (1.1, 1.6, 2.4), (4.0, 6.0, 8.0), turned)
    grid = Geometry((26, 34, 30), (1.5, 1.3, 1.7), (-20.0, -8.0, -4.0))
    noise = np.random.default_rng(0).normal(size=(3, *own.shape))
    label = np.argmax([gaussian_filter(one, 1) for one in noise], axis=0).astype(np.uint8)
    label[[0, -1]] = label[:, [0, -1]] = label[:, :, [0, -1]] = 0
    shares = []
    for value in range(3):
        one = to_sitk(Volume((label == value).astype(np.float32), own))
        onto = to_sitk(Volume(np.zeros(grid.shape, np.float32), grid))
        moved = sitk.Resample(one, onto, sitk.Transform(), sitk.sitkLinear, float(value == 0))
        shares.append(sitk.GetArrayFromImage(moved))
    _, middle, highest = np.sort(shares, axis=0)
    clear = highest - middle > 1e-4
    found = resampled_label(label, own, grid)
    assert np.bincount(found.ravel()).min() > 100
    np.testing.assert_array_equal(found[clear], np.argmax(shares, axis=0)[clear])


@pytest.mark.parametrize(
    ("spacing", "direction", "same"),
    [
        ((1.0, 2.0, 3.0), np.eye(3), True),
        ((3.0, 1.0, 2.0), np.eye(3)[[2, 0, 1]].T * [-1, 1, -1], True),
        ((2.0, 1.0, 3.0), np.eye(3), False),
        ((1.0, 2.0, 3.01), np.eye(3), False),
        ((1.0, 2.0, 3.0), rotation(1, 0, 0), False),
    ],
)
def test_voxels_are_the_same_whatever_the_order_and_the_sense_of_their_axes(
    spacing, direction, same
):
    grid = Geometry((4, 5, 6), (1.0, 2.0, 3.0), (7.0, 8.0, 9.0))
    own = Geometry((9, 9, 9), spacing, (0.3, 0.4, 0.5), tuple(np.ravel(direction).tolist()))
    assert has_same_voxels(own, grid) is same
