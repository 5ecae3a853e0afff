import numpy as np
import pytest

from remodal.geometry.volume import Geometry
from remodal.phantom.breathing import Displacement
from remodal.phantom.canvas import Canvas
from remodal.phantom.scanner import (
    acquire,
    axes_of,
    canvas_axes,
    correlated_noise,
    noise_profile,
    plan_scan,
    scanned,
)


def _scan(settings, seed: int = 0, z_range=(-300.0, -140.0)):
    return plan_scan(settings, 350.0, (3.0, -180.0), z_range, np.random.default_rng(seed))


def _canvas(scan, function) -> Canvas:
    x, y, z = canvas_axes(scan, 25.0)
    image = function(x[None, None], y[None, :, None], z[:, None, None]).astype(np.float32)
    image = np.broadcast_to(image, (len(z), len(y), len(x))).copy()
    return Canvas(x, y, z, image, image, image, image)


def test_both_series_hold_the_liver_and_differ_in_height(settings):
    for seed in range(10):
        scan = _scan(settings, seed)
        for geometry in (scan.arterial, scan.venous):
            height = axes_of(geometry)[2]
            assert settings.slices[0] <= len(height) <= settings.slices[1]
        height = axes_of(scan.venous)[2]
        assert height[0] < -300 < -140 < height[-1]
        assert scan.arterial.origin[2] != scan.venous.origin[2]
        assert scan.arterial.spacing == scan.venous.spacing


def test_a_series_too_short_for_the_liver_shows_its_middle(settings):
    scan = _scan(settings, z_range=(-600.0, -100.0))
    height = axes_of(scan.venous)[2]
    assert (height[0] + height[-1]) / 2 == pytest.approx(-350, abs=1)


def test_the_series_show_what_is_painted_where_it_is(settings):
    scan = _scan(settings)
    canvas = _canvas(scan, lambda x, y, z: 2 * x - y + 3 * z)
    x, y, z = axes_of(scan.venous)
    expected = 2 * x[None, None] - y[None, :, None] + 3 * z[:, None, None]
    image = acquire(canvas.venous, canvas, scan.venous)
    inner = (slice(None), slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(image[inner], expected[inner], atol=0.05)


def test_a_moved_patient_is_seen_where_they_moved(settings):
    scan = _scan(settings)
    canvas = _canvas(scan, lambda x, y, z: 2 * x - y + 3 * z)
    axes = [np.array([-1000.0, 1000.0])] * 3
    # What lies at y was painted at y + v: 4 mm to the left, 2 to the front, 6 to the head.
    vectors = np.broadcast_to(np.reshape([4.0, -2.0, 6.0], (3, 1, 1, 1)), (3, 2, 2, 2))
    image = acquire(canvas.venous, canvas, scan.venous, Displacement(*axes, vectors))
    still = acquire(canvas.venous, canvas, scan.venous)
    inner = (slice(None), slice(2, -2), slice(2, -2))
    np.testing.assert_allclose((image - still)[inner], 2 * 4 + 2 + 3 * 6, atol=0.05)


def test_a_voxel_is_the_mean_over_its_extent(settings):
    scan = _scan(settings)
    height = axes_of(scan.venous)[2]
    edge = height[10] + settings.slice_spacing / 4
    canvas = _canvas(scan, lambda x, y, z: 100.0 * (z > edge) + 0 * x)
    image = acquire(canvas.venous, canvas, scan.venous)
    assert image[9].max() < 5
    assert 5 < image[10].mean() < 50
    assert image[11].min() > 80


def test_noise_has_unit_variance_and_is_correlated_along_every_axis():
    geometry = Geometry((24, 96, 96), (0.8, 0.8, 1.5))
    noise = correlated_noise(geometry, np.random.default_rng(0))
    assert noise.shape == geometry.shape
    assert noise.mean() == pytest.approx(0, abs=0.02)
    assert noise.std() == pytest.approx(1, abs=0.03)
    for axis in range(3):
        a, b = (np.take(noise, range(s, noise.shape[axis] - 1 + s), axis) for s in (0, 1))
        assert 0.05 < np.mean(a * b) < 0.9
    far = np.mean(noise[:, :, 4:] * noise[:, :, :-4])
    assert far < 0


def test_noise_is_strongest_in_the_middle_of_the_body():
    geometry = Geometry((1, 65, 65), (5.0, 5.0, 5.0), (-160.0, -160.0, 0.0))
    profile = noise_profile(geometry, (0.0, 0.0), 150.0)
    assert np.unravel_index(profile.argmax(), profile.shape) == (32, 32)
    assert 0.9 < np.median(profile) < 1.1 or profile.min() > 0.7


def test_stored_values_are_whole_and_fit_12_bits():
    geometry = Geometry((1, 1, 4), (1.0, 1.0, 1.0))
    hu = np.array([[[-3000.0, 10.4, 10.6, 9000.0]]])
    stored = scanned(hu, np.zeros_like(hu), geometry)
    np.testing.assert_array_equal(stored.array, [[[-1024, 10, 11, 3071]]])
    assert stored.array.dtype == np.int16
