"""The pancreas study on TCIA's files: planned with all names, one case prepared."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from remodal.errors import UserError
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import cases_of
from remodal.intake.datasets.pancreas_phantom import PancreasPhantomOptions
from remodal.intake.pancreas_ct import SAME_PATIENT, label_file, series_folder
from remodal.phantom.pancreas.tcia_files import simulate_case
from remodal.preprocessing import preprocess_case
from remodal.registration.case import register_case
from remodal.settings import Settings
from remodal.splits.completeness import require_enough_patients
from remodal.splits.study import require_possible_recipes
from tests.workflow.studies_of_folders import study_of_folder

CASE, NUMBER = "PANCREAS_0057", 57


def study(folder: Path, **change) -> Settings:
    return study_of_folder("pancreas_nih", folder, **change)


@pytest.fixture
def folder(tmp_path):
    """The 80 cases that TCIA distributes, without slices, and its 82 labels, empty."""
    for number in range(1, 83):
        label = label_file(tmp_path, number)
        label.parent.mkdir(exist_ok=True)
        label.touch()
        series = series_folder(tmp_path, number)
        if series.name not in SAME_PATIENT:
            (series / "study/series").mkdir(parents=True)
    return tmp_path


def test_the_study_has_the_cases_that_its_methods_want(folder):
    settings = study(folder)
    cases = cases_of(settings)
    assert len(cases) == 80
    require_enough_patients(settings, cases)
    require_possible_recipes(settings, cases)


def test_more_labels_than_the_split_trains_on_are_told_before_anything_runs(folder):
    settings = study(folder, methods={"dtc": {"recipe": {"labelled": 61}}})
    with pytest.raises(UserError, match=r"methods\.dtc, .*61 labelled cases wanted, 60 there"):
        require_possible_recipes(settings, cases_of(settings))


@pytest.fixture
def stored(folder, tmp_path, monkeypatch):
    """The study of the folder with a simulated case in it, at a coarse spacing."""
    monkeypatch.chdir(tmp_path)
    options = PancreasPhantomOptions(cases=82, matrix=64, slices=(36, 36), slice_spacing=6)
    shutil.rmtree(series_folder(folder, NUMBER))
    simulate_case(options, CASE, folder, Path("unused"))
    return study(folder, preprocessing={"spacing": [6, 6, 6]})


def test_a_case_is_cropped_around_a_label_that_lies_on_the_pancreas(stored):
    case = next(one for one in cases_of(stored) if one.case == CASE)
    image, record = Path("converted/ct.nii.gz"), Path("converted/ct.json")
    convert_image(case.images["ct"], image, record, case=CASE, modality="ct")
    made = Path("converted/label-ct.nii.gz"), Path("converted/label-ct.json")
    convert_label(case.labels["ct"], record, image, *made, case=CASE, drawn_on="ct")
    register_case(stored, CASE, Path("converted"), Path("registered"), ["ct"], ["ct"])
    (prepared,) = preprocess_case(stored, CASE, Path("registered"), [], Path("made"))
    assert prepared.ok
    cropped, drawn = np.load(f"made/all/{CASE}.npy")[0], np.load(f"made/all/{CASE}.label-ct.npy")
    assert (drawn == 1).sum() > 100
    # Fat, the darkest of what the window holds, is most of what surrounds the gland.
    assert np.percentile(cropped[drawn == 1], 10) > np.median(cropped)
