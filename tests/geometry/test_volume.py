import numpy as np
import pytest
import SimpleITK as sitk

from remodal.geometry.volume import Geometry, Volume, from_sitk, geometry_of, to_sitk

DIRECTION = (0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
GEOMETRY = Geometry((2, 3, 4), (0.5, 0.7, 2.5), (-10.0, 20.0, 30.5), DIRECTION)


def test_the_affine_puts_voxels_where_simpleitk_does():
    image = to_sitk(Volume(np.zeros((2, 3, 4), np.int16), GEOMETRY))
    for index in ((0, 0, 0), (3, 0, 0), (0, 2, 0), (0, 0, 1), (3, 2, 1)):
        expected = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((GEOMETRY.affine @ [*index, 1])[:3], expected)


def test_a_volume_goes_to_simpleitk_and_back():
    volume = Volume(np.arange(24, dtype=np.int16).reshape(2, 3, 4), GEOMETRY)
    image = to_sitk(volume)
    assert image.GetSize() == (4, 3, 2)
    assert image[3, 2, 1] == 23
    again = from_sitk(image)
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.geometry == geometry_of(image) == GEOMETRY


def test_spacing_in_the_order_of_arrays():
    assert GEOMETRY.spacing_zyx == (2.5, 0.7, 0.5)


def test_an_array_must_fit_its_grid():
    with pytest.raises(ValueError, match="on a grid of"):
        Volume(np.zeros((4, 3, 2)), GEOMETRY)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (GEOMETRY, True),
        (Geometry((2, 3, 4), (0.5, 0.7, 2.5), (-10.0, 20.0, 30.5002), DIRECTION), True),
        # A thousandth of a voxel's shortest side is 0.0005 mm.
        (Geometry((2, 3, 4), (0.5, 0.7, 2.5), (-10.0, 20.0, 30.5004), DIRECTION), True),
        (Geometry((2, 3, 4), (0.5, 0.7, 2.5), (-10.0, 20.0, 30.5007), DIRECTION), False),
        (Geometry((2, 3, 4), (0.5003, 0.7, 2.5), (-10.0, 20.0, 30.5), DIRECTION), False),
        (Geometry((2, 3, 4), (0.5, 0.7003, 2.5), (-10.0, 20.0, 30.5), DIRECTION), False),
        (Geometry((2, 3, 4), (0.5, 0.7, 2.5004), (-10.0, 20.0, 30.5), DIRECTION), True),
        (Geometry((2, 3, 4), (0.5, 0.7, 2.5), (-10.0, 20.0, 30.502), DIRECTION), False),
        (Geometry((2, 3, 4), (0.5, 0.7, 2.51), (-10.0, 20.0, 30.5), DIRECTION), False),
        (Geometry((2, 3, 5), (0.5, 0.7, 2.5), (-10.0, 20.0, 30.5), DIRECTION), False),
        (Geometry((2, 3, 4), (0.5, 0.7, 2.5), (-10.0, 20.0, 30.5)), False),
    ],
)
def test_grids_are_compared_at_their_corners(other, same):
    assert GEOMETRY.agrees_with(other) is same


def test_with_array_keeps_the_place():
    volume = Volume(np.zeros((2, 3, 4)), GEOMETRY)
    assert volume.with_array(np.ones((2, 3, 4))).geometry is GEOMETRY


def test_geometry_of_a_resampled_image_is_its_own():
    image = sitk.Image([4, 3, 2], sitk.sitkInt16)
    image.SetSpacing((0.5, 0.7, 2.5))
    assert geometry_of(image).shape == (2, 3, 4)
    assert geometry_of(image).direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
