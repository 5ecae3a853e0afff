"""A mask on another grid, against SimpleITK."""

import numpy as np
import pytest
import SimpleITK as sitk
from tests.orientations import ORIENTATIONS

from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.masks.placing import on_grid

OWN = Geometry((14, 18, 16), (2.0, 2.5, 3.0), (-10.0, -20.0, 5.0))
TILTED = (0.98480775, -0.17364818, 0.0, 0.17364818, 0.98480775, 0.0, 0.0, 0.0, 1.0)
OTHER = Geometry((20, 22, 18), (2.3, 1.9, 2.6), (-14.0, -17.0, 2.0), TILTED)


def ellipsoid() -> Volume:
    z, y, x = np.indices(OWN.shape) - np.reshape([7, 9, 8], (3, 1, 1, 1))
    return Volume((z / 5) ** 2 + (y / 7) ** 2 + (x / 6) ** 2 < 1, OWN)


def test_the_nearest_voxel_is_taken_as_simpleitk_takes_it():
    mask = ellipsoid()
    image = to_sitk(Volume(mask.array.astype(np.uint8), OWN))
    grid = to_sitk(Volume(np.zeros(OTHER.shape, np.uint8), OTHER))
    identity = sitk.Transform(3, sitk.sitkIdentity)
    theirs = sitk.GetArrayFromImage(sitk.Resample(image, grid, identity, sitk.sitkNearestNeighbor))
    ours = on_grid(mask, OTHER)
    assert theirs.sum() > 300
    assert (ours != theirs.astype(bool)).mean() < 1e-3


@pytest.mark.parametrize("orientation", ORIENTATIONS[::7], ids=lambda orientation: orientation.code)
def test_another_order_of_axes_changes_no_voxel(orientation):
    mask = ellipsoid()
    np.testing.assert_array_equal(on_grid(orientation.store(mask), OWN), mask.array)
    stored = orientation.store(mask)
    np.testing.assert_array_equal(on_grid(mask, stored.geometry), stored.array)


def test_a_mask_ends_with_its_outermost_voxels_not_at_their_centres():
    whole = Volume(np.ones((2, 2, 2), bool), Geometry((2, 2, 2), (4.0, 4.0, 4.0)))
    finer = Geometry((12, 12, 12), (1.0, 1.0, 1.0), (-3.5, -3.5, -3.5))
    expected = np.zeros(finer.shape, bool)
    expected[2:10, 2:10, 2:10] = True  # from -2 to 6 mm
    np.testing.assert_array_equal(on_grid(whole, finer), expected)
