"""What was found on the fixed grid lies in the moving image where its transform took it from."""

from dataclasses import replace

import numpy as np
import pytest
from tests.orientations import rotation, tilted

from remodal.geometry.volume import Geometry, Volume
from remodal.registration.inverse import _along, carried_back
from remodal.registration.transforms import displacement, translation, warp_image

from .test_transforms import affine, rigid, spline

FIXED = Geometry((30, 34, 38), (3.0, 2.5, 4.0), (-50.0, -30.0, 20.0))
MOVING = tilted(Geometry((36, 40, 44), (2.7, 2.2, 3.1), (-55.0, -28.0, 22.0)), rotation(8, -5, 12))
#: By up to 3 mm, within 15 mm from one control point to the next.
GENTLE = spline(FIXED, np.random.default_rng(5).normal(0, 2.5, (3, 12, 9, 11)))
CHAINS = {
    "rigid": [rigid(FIXED)],
    "affine": [affine(FIXED)],
    "B-spline": [GENTLE],
    "rigid, then B-spline": [rigid(FIXED), GENTLE],
}


def places(grid: Geometry) -> np.ndarray:
    """Where voxels lie, (3, z, y, x) in mm."""
    k, j, i = np.indices(grid.shape)
    return np.einsum("ab,bzyx->azyx", grid.affine[:3], np.stack([i, j, k, np.ones_like(i)]))


@pytest.mark.parametrize("name", CHAINS)
def test_there_and_back_a_point_is_where_it_was(name):
    """The image's value is how far a point lies along a line, which linear interpolation keeps."""
    chain, outside = CHAINS[name], -1e6
    line = np.array([1.0, 1.3, -0.7]) / np.linalg.norm([1.0, 1.3, -0.7])
    along = np.einsum("a,azyx->zyx", line, places(FIXED)).astype(np.float32)
    back = carried_back(Volume(along, FIXED), MOVING, chain, outside)
    again = warp_image(back, FIXED, chain, outside, order=1).array
    inner = (slice(8, -8),) * 3
    known = again[inner] > -1e3
    assert known.mean() > 0.5
    assert np.abs(again - along)[inner][known].max() < 0.2  # mm
    assert np.abs(displacement(chain, FIXED)).max() > 2.5


def test_points_are_looked_up_on_a_grid_that_holds_both_images():
    flat = Geometry((4, 40, 90), (1.0, 2.0, 3.0), (-60.0, -10.0, 90.0))
    for one, other in ((FIXED, flat), (FIXED, MOVING), (MOVING, flat)):
        around = _along(one, other)
        assert around.direction == one.direction
        last = np.array(around.shape[::-1]) - 1
        for grid in (one, other):
            at = (
                np.linalg.inv(around.affine)[:3]
                @ np.r_[places(grid).reshape(3, -1), [[1] * places(grid)[0].size]]
            )
            assert (at >= 0).all()
            assert (at <= last[:, None]).all()


def test_without_a_transform_the_headers_place_the_image():
    place = places(FIXED)[1].astype(np.float32)
    found = carried_back(Volume(place, FIXED), MOVING, [], outside=np.nan).array
    inside = np.isfinite(found)
    margin = found[inside] - places(MOVING)[1][inside]
    assert 0.3 < inside.mean() < 1
    assert np.quantile(np.abs(margin), 0.9) < 1e-3


def test_what_the_fixed_grid_does_not_reach_is_outside():
    apart = Geometry((4, 4, 4), (1.0, 1.0, 1.0), (900.0, 0.0, 0.0))
    image = Volume(np.ones(FIXED.shape, np.float32), FIXED)
    for chain in ([], [rigid(FIXED)]):
        assert not carried_back(image, apart, chain, outside=0).array.any()


def test_the_outermost_voxels_of_the_fixed_grid_are_known():
    """A translation lays each voxel of the one grid on one of the other."""
    shift = (7.0, -4.0, 11.0)
    grid = replace(FIXED, origin=tuple(at + by for at, by in zip(FIXED.origin, shift)))
    image = Volume(np.random.default_rng(2).random(FIXED.shape, np.float32), FIXED)
    back = carried_back(image, grid, [translation(shift, FIXED, 0)], outside=-1.0)
    np.testing.assert_allclose(back.array, image.array, atol=1e-3)
    further = replace(grid, origin=tuple(np.array(grid.origin) - 0.6 * np.array(FIXED.spacing)))
    border = carried_back(image, further, [translation(shift, FIXED, 0)], outside=-1.0).array
    assert (border[0] == -1).all()
    assert (border[1:, 1:, 1:] >= 0).all()
    further = replace(grid, origin=tuple(np.array(grid.origin) + 0.6 * np.array(FIXED.spacing)))
    border = carried_back(image, further, [translation(shift, FIXED, 0)], outside=-1.0).array
    assert all((end == -1).all() for end in (border[-1], border[:, -1], border[:, :, -1]))
    assert (border[:-1, :-1, :-1] >= 0).all()
