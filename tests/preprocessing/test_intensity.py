import numpy as np
import pytest
from pydantic import ValidationError

from remodal.errors import BadCase
from remodal.preprocessing.intensity import normalise
from remodal.settings import PreprocessingSettings

BOUNDS = {"lower": 0.0, "upper": 100.0}


def settings_of(**changes) -> PreprocessingSettings:
    return PreprocessingSettings.model_validate(changes)


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
    settings = settings_of(clip={"by": "case", "percentiles": (1, 99)})
    result, done = normalise(image, settings, None)
    assert (done.lower, done.upper) == (10, 990)
    assert result.min() == pytest.approx((10 - done.mean) / done.sd)
    assert (done.mean, done.sd) == pytest.approx((500, np.arange(11, 990).std()))


def test_no_clip_gives_zero_mean_and_unit_variance() -> None:
    image = np.random.default_rng(0).normal(300, 40, (6, 7, 8))
    result, done = normalise(image, settings_of(clip="none"), None)
    assert (done.lower, done.upper) == (None, None)
    assert (result.mean(), result.std()) == pytest.approx((0, 1), abs=1e-5)


def test_what_lies_outside_a_mask_counts_nowhere_and_becomes_zero() -> None:
    image = np.random.default_rng(0).normal(300, 40, (6, 7, 8))
    mask = np.zeros(image.shape, bool)
    mask[3:] = True
    settings = settings_of(clip="none", normalise="case_nonzero")
    result, done = normalise(image, settings, None, mask)
    assert not result[:3].any()
    assert (done.mean, done.sd) == pytest.approx((image[3:].mean(), image[3:].std()))
    np.testing.assert_allclose(result[3:], (image[3:] - done.mean) / done.sd, atol=1e-4)


@pytest.mark.parametrize("clip", [{"by": "case", "percentiles": (10, 90)}, "dataset_foreground"])
def test_inside_a_mask_an_image_is_clipped_by_what_lies_inside(clip) -> None:
    image = np.random.default_rng(0).normal(50, 40, (6, 7, 8)).astype(np.float32)
    mask = np.zeros(image.shape, bool)
    mask[3:] = True
    image[:3] += 1000
    settings = settings_of(clip=clip, normalise="case_nonzero")
    result, done = normalise(image, settings, BOUNDS, mask)
    inside = image[mask].astype(float)
    lower, upper = (0, 100) if isinstance(clip, str) else np.percentile(inside, (10, 90))
    assert (done.lower, done.upper) == pytest.approx((lower, upper))
    counted = inside[(inside > lower) & (inside < upper)]
    assert (done.mean, done.sd) == pytest.approx((counted.mean(), counted.std()))
    expected = (np.clip(inside, lower, upper) - counted.mean()) / counted.std()
    np.testing.assert_allclose(result[mask], expected, atol=1e-4)
    assert not result[:3].any()


def test_a_mask_of_nothing_is_a_bad_case() -> None:
    image, mask = np.ones((3, 4, 5)), np.zeros((3, 4, 5), bool)
    with pytest.raises(BadCase, match="no voxel lies inside"):
        normalise(image, settings_of(clip="case", normalise="case_nonzero"), None, mask)


@pytest.mark.parametrize("clip", ["case", "none"])
def test_a_constant_image_becomes_zero(clip: str) -> None:
    image = np.full((3, 4, 5), 7, np.int16)
    result, done = normalise(image, settings_of(clip=clip), None)
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


def test_a_given_range_is_the_same_for_every_case() -> None:
    """As the pancreas papers: [-125, 275] HU, then the mean and deviation of the whole crop."""
    image = np.array([[[-1000, -125, 0, 75, 275, 3000]]], np.int16)
    result, done = normalise(
        image, settings_of(clip={"range": [-125, 275]}, normalise="crop"), None
    )
    clipped = np.array([-125, -125, 0, 75, 275, 275])
    assert (done.lower, done.upper) == (-125, 275)
    assert (done.mean, done.sd) == pytest.approx((clipped.mean(), clipped.std()))
    np.testing.assert_allclose(
        result.ravel(), (clipped - clipped.mean()) / clipped.std(), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("normalised", "expected"),
    [
        ("unit", [0, 0, 0.28, 1, 1]),
        ("symmetric", [-1, -1, -0.44, 1, 1]),
        ("none", [-70, -70, 0, 180, 180]),
    ],
)
def test_a_range_is_scaled_by_its_limits(normalised: str, expected: list[float]) -> None:
    image = np.array([[[-1000, -70, 0, 180, 3000]]], np.int16)
    settings = settings_of(clip={"range": [-70, 180]}, normalise=normalised)
    result, done = normalise(image, settings, None)
    np.testing.assert_allclose(result.ravel(), expected, atol=1e-6)
    np.testing.assert_allclose((np.clip(image, -70, 180) - done.mean) / done.sd, result, atol=1e-6)


def test_without_clipping_an_image_is_scaled_by_its_own_ends() -> None:
    image = np.array([[[10.0, 20.0, 50.0]]])
    result, done = normalise(image, settings_of(clip="none", normalise="unit"), None)
    np.testing.assert_allclose(result.ravel(), [0, 0.25, 1], atol=1e-6)
    assert (done.lower, done.upper) == (None, None)
    constant, _ = normalise(np.full((1, 1, 3), 7), settings_of(clip="none", normalise="unit"), None)
    assert not constant.any()


def test_the_training_cases_mean_and_sd_may_normalise_every_case() -> None:
    measured = {"lower": 0.0, "upper": 100.0, "mean": 60.0, "sd": 20.0}
    image = np.array([[[-50, 60, 80, 500]]], np.int16)
    result, _ = normalise(image, settings_of(normalise="dataset_foreground"), measured)
    np.testing.assert_allclose(result.ravel(), [-3, 0, 1, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"clip": {"range": [180, -70]}}, "the lower limit of .* is not below the upper"),
        ({"clip": {"by": "case", "range": [0, 1]}}, "`range` and `by: range` belong together"),
        ({"clip": "range"}, "`range` and `by: range` belong together"),
        ({"clip": "percentile"}, "clip.by"),
        (
            {"normalise": "image"},
            "clip `dataset_foreground` after it; set clip to none or to a range",
        ),
        ({"crop": "mask"}, "`mask` and `by: mask` belong together"),
        ({"crop": {"by": "body", "mask": {"label": [1]}}}, "`mask` and `by: mask` belong"),
        ({"crop": {"mask": {"label": [1]}, "margin": -1}}, "margin: -1.0 is negative"),
    ],
)
def test_settings_that_contradict_themselves_are_an_error(content, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings_of(**content)


@pytest.mark.parametrize(
    ("content", "of_fold"),
    [
        ({}, True),
        ({"clip": "case"}, True),
        ({"spacing": [1, 1, 1]}, True),
        ({"spacing": [1, 1, 1], "clip": "case"}, False),
        ({"spacing": [1, 1, 1], "clip": "none", "normalise": "unit"}, False),
        ({"spacing": [1, 1, 1], "clip": {"range": [-70, 180]}}, False),
        ({"spacing": [1, 1, 1], "clip": "none", "normalise": "dataset_foreground"}, True),
    ],
)
def test_what_is_measured_on_training_cases_depends_on_the_fold(content, of_fold: bool) -> None:
    assert settings_of(**content).depends_on_fold is of_fold
