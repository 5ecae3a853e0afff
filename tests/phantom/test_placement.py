import numpy as np
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.phantom.placement import draw_placement

GRID = Geometry((4, 5, 6), (1.0, 2.0, 3.0), (-3.0, 7.0, 400.0))


def test_a_patient_who_lies_straight_is_not_turned():
    placement = draw_placement(False, np.random.default_rng(0))
    assert placement.grid(GRID) == GRID


@pytest.mark.parametrize("axes", ["LPS", "RAS", "LAS", "LIP", "PIR"])
def test_every_voxel_goes_where_its_place_in_the_body_goes(axes):
    placement = draw_placement(True, np.random.default_rng(1))
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(GRID.shape)
    stored = placement.stored(Volume(array, GRID), axes)
    for z, y, x in np.ndindex(*stored.array.shape):
        value = int(stored.array[z, y, x])
        k, j, i = np.unravel_index(value, GRID.shape)
        body = GRID.affine @ [i, j, k, 1]
        np.testing.assert_allclose(
            stored.geometry.affine @ [x, y, z, 1], [*placement.points(body[:3]), 1], atol=1e-9
        )


def test_askew_is_visible_and_less_than_half_a_right_angle():
    for seed in range(20):
        turn = draw_placement(True, np.random.default_rng(seed)).turn
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) > 0
        assert 0.9 < np.abs(np.diag(turn)).min() < 0.995
