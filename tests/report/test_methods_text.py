"""The methods paragraph says what was done, and nothing that was not."""

import pytest

from remodal.report.methods_text import methods_text
from remodal.report.page import _environment as templates
from remodal.report.page import versions

PHASES = ["arterial", "venous"]
SPLITS = {
    "patients": {"a": "a", "b": "b"},
    "modalities": {"a": PHASES, "b": PHASES},
    "folds": [{"test": ["b"]}],
    "quarantined": {},
}


@pytest.fixture
def text_of(make_settings):
    def write(**overrides):
        return methods_text(templates(), make_settings(**overrides), SPLITS, versions())

    return write


def test_statistics_are_of_the_voxels_inside_the_clip_range(text_of):
    text = text_of()
    assert "clipped to the 0.5 and 99.5 percentiles of the training cases' foreground" in text
    assert "mean and standard deviation of voxels inside these limits of each case" in text
    text = text_of(preprocessing={"clip": "none", "normalise": "case_nonzero"})
    assert "not clipped and normalised by the mean and standard deviation of the non-zero" in text
    assert "these limits" not in text


def test_just_the_augmentation_that_was_on_is_named(text_of):
    text = text_of()
    assert "rotated (0.2), scaled (0.2), deformed (0.2), mirrored (0.5) and gamma-corrected" in text
    assert "blurred" not in text
    off = dict.fromkeys(("rotation", "scale", "elastic", "mirror", "gamma"), 0)
    nothing = {f"{name}_probability": chance for name, chance in off.items()}
    assert "not augmented" in text_of(training={"augmentation": nothing})
    alone = {**nothing, "blur_probability": 0.25}
    assert "Patches were blurred (0.25) at random" in text_of(training={"augmentation": alone})


def test_the_interval_is_said_to_be_of_what_stands_behind_it(text_of):
    assert "which is about these trainings only" in text_of()
    assert "over the trainings of each method" in text_of(seeds=[0, 1, 2])
    assert "interval of the mean difference over folds" in text_of(
        splits={"scheme": "kfold", "folds": 5}
    )
