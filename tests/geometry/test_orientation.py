from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.geometry.orientation import Orientation
from remodal.geometry.volume import Geometry, Volume, to_sitk

SIGNED_PERMUTATIONS = [
    np.eye(3)[list(order)] * signs
    for order in permutations(range(3))
    for signs in product([1, -1], repeat=3)
]


def volume_along(direction: np.ndarray) -> Volume:
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    direction = tuple(float(cosine) for cosine in direction.ravel())
    return Volume(array, Geometry(array.shape, (0.7, 0.9, 2.5), (3.0, -8.0, 40.0), direction))


@pytest.mark.parametrize("direction", SIGNED_PERMUTATIONS)
def test_each_orientation_is_the_one_that_itk_finds_and_is_undone_exactly(direction) -> None:
    volume = volume_along(direction)
    orientation = Orientation.of(volume.geometry)
    canonical = orientation.apply(volume.array)
    expected = sitk.DICOMOrient(to_sitk(volume), "LPS")
    np.testing.assert_array_equal(canonical, sitk.GetArrayFromImage(expected))
    assert orientation.spacing(volume.geometry) == expected.GetSpacing()[::-1]
    # World coordinates grow along every canonical axis.
    rank = np.argsort(np.abs(direction), axis=1)[:, -1]
    assert orientation.spacing(volume.geometry) == tuple(
        volume.geometry.spacing[axis] for axis in rank[::-1]
    )
    np.testing.assert_array_equal(orientation.undo(canonical), volume.array)


def test_an_oblique_grid_takes_the_closest_orientation() -> None:
    angle = np.radians(30)
    oblique = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    assert Orientation.of(volume_along(oblique).geometry) == Orientation(
        (0, 1, 2), (False, False, False)
    )
    flipped = oblique @ np.diag([-1, 1, 1])
    assert Orientation.of(volume_along(flipped).geometry) == Orientation(
        (0, 1, 2), (False, False, True)
    )


def test_a_canonical_volume_is_left_alone() -> None:
    volume = volume_along(np.eye(3))
    canonical = Orientation.of(volume.geometry).apply(volume.array)
    assert np.shares_memory(canonical, volume.array)
    np.testing.assert_array_equal(canonical, volume.array)
