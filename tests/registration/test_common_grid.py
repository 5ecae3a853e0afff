"""The grid of a case: by hand, and what is kept of images that reach over the fixed one."""

import numpy as np
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.registration.common_grid import common_grid, on_grid, within
from remodal.settings import GridSettings, RegistrationSettings

FIXED = Geometry((10, 20, 30), (1.0, 2.0, 4.0), (5.0, 6.0, 7.0))
ALL = GridSettings(extent="all")
TURNED = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)


def test_by_default_the_grid_is_the_fixed_images():
    far = Geometry((9, 9, 9), (9.0, 9.0, 9.0))
    assert common_grid(FIXED, [far], GridSettings()) is FIXED
    assert common_grid(FIXED, [FIXED], ALL) is FIXED


def test_an_image_that_reaches_further_adds_whole_voxels_where_it_does():
    # Three and a half voxels of 2 mm further along y at the end, one slice of 4 mm at the start.
    other = Geometry((11, 47, 30), (1.0, 1.0, 4.0), (5.0, 5.5, 3.0))
    grid = common_grid(FIXED, [other], ALL)
    assert grid.shape == (11, 24, 30)
    assert grid.spacing == FIXED.spacing
    assert grid.origin == pytest.approx((5.0, 6.0, 3.0))


def test_an_image_apart_from_the_fixed_one_adds_nothing():
    apart = Geometry((10, 20, 30), (1.0, 2.0, 4.0), (500.0, 6.0, 7.0))
    assert common_grid(FIXED, [apart], ALL) is FIXED


def test_an_image_that_only_touches_another_adds_nothing_whatever_their_order():
    beside = Geometry((10, 20, 30), (1.0, 2.0, 4.0), (25.0, 6.0, 7.0))
    beyond = Geometry((10, 20, 30), (1.0, 2.0, 4.0), (45.0, 6.0, 7.0))
    found = [common_grid(FIXED, others, ALL) for others in ([beside, beyond], [beyond, beside])]
    assert found[0] == found[1] == common_grid(FIXED, [beside], ALL)


def test_what_was_padded_is_not_within_the_image():
    other = Geometry((12, 20, 30), (1.0, 2.0, 4.0), (5.0, 6.0, 3.0))
    shown = within(FIXED, common_grid(FIXED, [other], ALL))
    assert shown.shape == (12, 20, 30)
    assert shown[1:11].all()
    assert not shown[[0, 11]].any()


def test_another_spacing_covers_the_same_space_about_the_same_centre():
    grid = common_grid(FIXED, [], GridSettings(spacing=(3.0, 1.5, 1.5)))
    assert grid.spacing == (1.5, 1.5, 3.0)
    assert grid.shape == (14, 27, 20)  # 40, 40 and 30 mm, rounded up
    centres = [one.affine @ [*(np.array(one.shape[::-1]) - 1) / 2, 1] for one in (FIXED, grid)]
    np.testing.assert_allclose(*centres, atol=1e-9)


def test_another_spacing_covers_all_images_about_their_common_centre():
    """30 x 47 x 44 mm, rounded up to whole voxels."""
    other = Geometry((11, 47, 30), (1.0, 1.0, 4.0), (5.0, 5.5, 3.0))
    wanted = GridSettings(extent="all", spacing=(3.0, 1.5, 1.5))
    grid = common_grid(FIXED, [other], wanted)
    assert grid.shape == (15, 32, 20)
    centre = grid.affine @ [*(np.array(grid.shape[::-1]) - 1) / 2, 1]
    np.testing.assert_allclose(centre[:3], (19.5, 28.5, 23.0), atol=1e-9)


@pytest.mark.parametrize("spacing", [None, (3.0, 1.5, 1.5)])
def test_every_voxel_of_a_turned_image_is_inside(spacing):
    turned = Geometry((12, 15, 18), (2.0, 3.0, 2.5), (0.0, 10.0, 2.0), TURNED)
    grid = common_grid(FIXED, [turned], GridSettings(extent="all", spacing=spacing))
    z, y, x = np.indices(turned.shape).reshape(3, -1)
    points = turned.affine @ np.stack([x, y, z, np.ones_like(x)])
    index = np.linalg.inv(grid.affine) @ points
    last = np.array(grid.shape[::-1])[:, None] - 1
    assert np.all(index[:3] >= -0.5)
    assert np.all(index[:3] <= last + 0.5)


def test_the_fixed_image_is_padded_and_its_voxels_stay():
    rng = np.random.default_rng(0)
    image = Volume(rng.integers(-500, 500, FIXED.shape).astype(np.int16), FIXED)
    other = Geometry((11, 20, 30), (1.0, 2.0, 4.0), (5.0, 6.0, 3.0))
    found = on_grid(image, common_grid(FIXED, [other], ALL), -1024)
    np.testing.assert_array_equal(found.array[1:], image.array)
    assert np.all(found.array[0] == -1024)


def test_images_that_share_a_grid_cannot_get_another():
    with pytest.raises(ValueError, match="use `header`"):
        RegistrationSettings(method="none", fixed="a", grid=ALL)
