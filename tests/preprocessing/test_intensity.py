import numpy as np
import pytest

from remodal.errors import BadCase
from remodal.preprocessing.intensity import normalise
from remodal.settings import PreprocessingSettings

BOUNDS = {"lower": 0.0, "upper": 100.0}


def test_dataset_clip_takes_mean_and_sd_strictly_inside_the_bounds() -> None:
    image = np.array([[[-500, 0, 20, 40, 60, 100, 900]]], np.int16)
    result, done = normalise(image, PreprocessingSettings(), BOUNDS)
    # Inside: 20, 40, 60; mean 40, variance 800/3.
    assert (done.lower, done.upper, done.mean) == (0, 100, 40)
    assert done.sd == pytest.approx(np.sqrt(800 / 3))
    expected = (np.array([0, 0, 20, 40, 60, 100, 100]) - 40) / np.sqrt(800 / 3)
    np.testing.assert_allclose(result.ravel(), expected, rtol=1e-6)
    assert result.dtype == np.float32


def test_case_clip_takes_the_cases_own_percentiles() -> None:
    image = np.arange(1001, dtype=np.float32).reshape(1, 7, 143)
    settings = PreprocessingSettings(clip="case", percentiles=(1, 99))
    result, done = normalise(image, settings, None)
    assert (done.lower, done.upper) == (10, 990)
    assert result.min() == pytest.approx((10 - done.mean) / done.sd)
    assert (done.mean, done.sd) == pytest.approx((500, np.arange(11, 990).std()))


def test_no_clip_gives_zero_mean_and_unit_variance() -> None:
    image = np.random.default_rng(0).normal(300, 40, (6, 7, 8))
    result, done = normalise(image, PreprocessingSettings(clip="none"), None)
    assert (done.lower, done.upper) == (None, None)
    assert (result.mean(), result.std()) == pytest.approx((0, 1), abs=1e-5)


def test_zero_voxels_of_a_masked_image_count_nowhere_and_stay_zero() -> None:
    image = np.random.default_rng(0).normal(300, 40, (6, 7, 8))
    image[:3] = 0
    settings = PreprocessingSettings(clip="none", normalise="case_nonzero")
    result, _ = normalise(image, settings, None)
    assert not result[:3].any()
    assert (result[3:].mean(), result[3:].std()) == pytest.approx((0, 1), abs=1e-5)


@pytest.mark.parametrize("clip", ["case", "none"])
def test_a_constant_image_becomes_zero(clip: str) -> None:
    image = np.full((3, 4, 5), 7, np.int16)
    result, done = normalise(image, PreprocessingSettings(clip=clip), None)
    assert not result.any()
    assert done.sd == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_a_bad_case(value: float) -> None:
    image = np.ones((3, 4, 5), np.float32)
    image[1, 2, 3] = value
    with pytest.raises(BadCase, match="NaN or infinite"):
        normalise(image, PreprocessingSettings(), BOUNDS)


def test_intensities_of_another_kind_than_in_training_are_a_bad_case() -> None:
    with pytest.raises(BadCase, match="no voxel lies inside the clipping range of 0 to 100"):
        normalise(np.full((3, 4, 5), 4000.0), PreprocessingSettings(), BOUNDS)


def test_the_source_is_not_changed() -> None:
    image = np.random.default_rng(0).normal(50, 40, (3, 4, 5)).astype(np.float32)
    before = image.copy()
    normalise(image, PreprocessingSettings(), BOUNDS)
    np.testing.assert_array_equal(image, before)
