import numpy as np
import pytest

from remodal.phantom.shapes import (
    Waves,
    capsule,
    ellipsoid,
    oval,
    smooth_max,
    smooth_min,
    smooth_step,
    turned_ellipsoid,
)

POINTS = np.random.default_rng(0).uniform(-30, 30, (3, 200))


def test_the_distance_to_a_sphere_is_exact_at_its_surface_and_right_in_sign():
    x, y, z = POINTS
    expected = np.linalg.norm(POINTS - [[1], [2], [3]], axis=0) - 12
    distance = ellipsoid(x, y, z, (1, 2, 3), (12, 12, 12))
    near = np.abs(expected) < 1
    np.testing.assert_allclose(distance[near], expected[near], atol=0.15)
    assert np.array_equal(distance < 0, expected < 0)


def test_a_turned_ellipsoid_is_the_straight_one_in_turned_coordinates():
    quarter = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], float)
    x, y, z = POINTS
    turned = turned_ellipsoid(x, y, z, (0, 0, 0), (20, 8, 5), quarter)
    np.testing.assert_allclose(turned, ellipsoid(y, -x, z, (0, 0, 0), (20, 8, 5)))


def test_the_distance_to_a_tube_is_that_to_its_axis_less_the_radius():
    x, y, z = POINTS
    distance = capsule(x, y, z, (0, 0, -10), (0, 0, 10), 3, 3)
    along = np.clip(z, -10, 10)
    np.testing.assert_allclose(distance, np.sqrt(x**2 + y**2 + (z - along) ** 2) - 3)


def test_an_oval_passes_through_its_half_axes():
    assert oval(np.array([30.0]), np.array([0.0]), 30, 10) == pytest.approx(0, abs=1e-5)
    assert oval(np.array([0.0]), np.array([12.0]), 30, 10) == pytest.approx(2, abs=1e-5)
    assert oval(np.array([0.0]), np.array([0.0]), 30, 10) <= 0


def test_joined_shapes_equal_the_sharp_joint_away_from_the_seam():
    first, second = np.array([-5.0, 0.0, 8.0]), np.array([5.0, 0.0, -8.0])
    np.testing.assert_allclose(smooth_max(first, second, 4), [5, 1, 8])
    np.testing.assert_allclose(smooth_min(first, second, 4), [-5, -1, -8])


def test_a_smooth_step_goes_from_0_to_1():
    np.testing.assert_allclose(smooth_step(np.array([0.0, 2, 3, 4, 9]), 2, 4), [0, 0, 0.5, 1, 1])


def test_waves_are_the_same_on_a_grid_and_at_points():
    waves = Waves.drawn(np.random.default_rng(1), 20, 60)
    x, y, z = np.arange(-30.0, 30, 7), np.arange(0.0, 40, 9), np.arange(-9.0, 50, 11)
    grid = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)
    expected = waves.at(grid.reshape(-1, 3)).reshape(grid.shape[:-1])
    np.testing.assert_allclose(waves.on(x, y, z), expected, atol=1e-5)


def test_waves_have_no_mean_and_unit_variance_over_many_fields():
    rng = np.random.default_rng(2)
    values = [Waves.drawn(rng, 20, 60).at(np.zeros((1, 3)))[0] for _ in range(2000)]
    assert np.mean(values) == pytest.approx(0, abs=0.1)
    assert np.var(values) == pytest.approx(1, abs=0.12)
