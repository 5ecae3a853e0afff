import numpy as np
import pytest

from remodal.phantom.brain.mr_scanner import Acquisition, acquire, draw_acquisition
from remodal.phantom.shapes import Waves

AXES = (np.arange(40.0), np.arange(40.0), np.arange(30.0))
SHAPE = (30, 40, 40)
INSIDE = np.ones(SHAPE, bool)


def scanner(**changes) -> Acquisition:
    coil = Waves.drawn(np.random.default_rng(0), 220, 420)
    plain = {"thickness": 1.0, "noise": 0.0, "bias": 0.0, "coil": coil, "gain": 1000.0}
    return Acquisition(**plain | changes)


def scan(signal, acquisition, seed=0):
    return acquire(signal, INSIDE, AXES, acquisition, np.random.default_rng(seed)).astype(float)


def test_without_noise_bias_and_thick_slices_the_image_is_the_signal():
    signal = np.random.default_rng(0).uniform(0.2, 2, SHAPE).astype(np.float32)
    np.testing.assert_allclose(scan(signal, scanner()), 1000 * signal, atol=1)


def test_noise_is_rician():
    """Where there is no signal its mean is sqrt(pi / 2) sigma, and far above noise it is normal."""
    dark = scan(np.zeros(SHAPE, np.float32), scanner(noise=0.05))
    assert dark.mean() == pytest.approx(1000 * 0.05 * np.sqrt(np.pi / 2), rel=0.02)
    assert dark.std() == pytest.approx(1000 * 0.05 * np.sqrt(2 - np.pi / 2), rel=0.02)
    bright = scan(np.ones(SHAPE, np.float32), scanner(noise=0.05))
    assert bright.mean() == pytest.approx(1000 * (1 + 0.05**2 / 2), rel=0.002)
    assert bright.std() == pytest.approx(50, rel=0.02)


def test_thick_slices_blur_along_z_only_and_keep_the_mean():
    signal = np.ones(SHAPE, np.float32)
    signal[15:, :, :] = 2
    signal[:, :, 20:] += 1
    thick = scan(signal, scanner(thickness=5.0))
    profile = thick[:, 0, 0]
    assert np.all(np.diff(profile) >= 0)
    assert np.count_nonzero((profile > 1050) & (profile < 1950)) >= 4
    np.testing.assert_allclose(thick[:, :, 20:] - thick[:, :, :20], 1000, atol=1)
    assert thick.mean() == pytest.approx(1000 * signal.mean(), rel=0.01)


def test_slices_are_no_thinner_than_the_grid():
    signal = np.random.default_rng(0).uniform(0.2, 2, SHAPE).astype(np.float32)
    np.testing.assert_allclose(scan(signal, scanner(thickness=0.2)), 1000 * signal, atol=1)


def test_the_bias_field_is_smooth_and_as_strong_as_drawn():
    axes = tuple(5 * axis for axis in AXES)
    ones = np.ones(SHAPE, np.float32)
    fields = []
    for seed in range(12):
        coil = Waves.drawn(np.random.default_rng(seed), 220, 420)
        image = acquire(ones, INSIDE, axes, scanner(bias=0.1, coil=coil), np.random.default_rng(0))
        fields.append(np.log(image / 1000))
        assert max(np.abs(step).max() for step in np.gradient(fields[-1])) < 0.03
    assert np.std(fields) == pytest.approx(0.1, rel=0.35)


def test_outside_the_brain_there_is_nothing_and_inside_something():
    inside = INSIDE.copy()
    inside[:10] = False
    image = acquire(
        np.zeros(SHAPE, np.float32), inside, AXES, scanner(noise=0.01), np.random.default_rng(0)
    )
    assert image.dtype == np.int16
    assert not image[:10].any()
    assert image[10:].min() >= 1


def test_what_is_drawn_lies_within_its_ranges():
    drawn = [
        draw_acquisition((1, 5), (0.02, 0.06), (0.04, 0.12), np.random.default_rng(seed))
        for seed in range(50)
    ]
    for name, least, most in (
        ("thickness", 1, 5),
        ("noise", 0.02, 0.06),
        ("bias", 0.04, 0.12),
        ("gain", 200, 1200),
    ):
        values = [getattr(one, name) for one in drawn]
        assert least <= min(values) < max(values) <= most
