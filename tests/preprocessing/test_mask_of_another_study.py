"""A first study feeds a second: cases cropped by what its models predict."""

import numpy as np
import pytest
from tests.first_study import STUDY, made

from remodal.errors import UserError
from remodal.geometry.volume import Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.preprocessing import fingerprint_fold, preprocess_case
from remodal.settings import PreprocessingSettings

from .conftest import Study

CROP = {"mask": {"study": STUDY, "method": "nnunet", "scenario": "both", "classes": ["organ"]}}


def study_with(mask=CROP["mask"], **crop) -> Study:
    content = {"clip": "none", "normalise": "none", "crop": {"mask": mask, **crop}}
    return Study(PreprocessingSettings.model_validate(content | {"storage": "float32"}))


@pytest.fixture
def first(registered, tmp_path):
    """A first study that has predicted `a` on the grid of its registered images."""
    study = made(tmp_path)
    study.predict("a", 0, read_volume(registered / "a" / "venous.nii.gz").geometry)
    return study


@pytest.fixture
def preprocessed(registered, splits, first, tmp_path):
    def run(study: Study, case: str = "a"):
        fingerprint = tmp_path / "fold0.fingerprint.json"
        fingerprint_fold(study, splits, 0, registered, fingerprint)
        folder = registered / case
        output = tmp_path / "preprocessed"
        return preprocess_case(study, case, folder, [fingerprint], output, first.studies)[0]

    return run


def test_a_case_is_cropped_to_what_the_first_study_predicted(preprocessed, first) -> None:
    record = preprocessed(study_with(margin=2, unit="voxel"))
    # The organ lies in [1:5, 2:7, 3:9], its corner beyond the tumour's.
    assert record.details["box"] == [[0, 7], [0, 9], [1, 11]]
    assert record.details["cropped_by"] == "mask"
    origin = record.details["mask"]
    assert (origin["study"], origin["fold"], origin["weights"]) == (STUDY, 0, "weights 0")
    assert record.warnings[-1].endswith("lie outside the crop")


def test_a_case_without_a_prediction_keeps_its_body_and_says_why(preprocessed, first) -> None:
    first.splits({"test": ["a"]}, quarantined={"c": "slice 7 is missing"})
    record = preprocessed(study_with(), "c")
    assert record.details["cropped_by"] == "body"
    assert record.warnings[0] == (
        "cropped to the body, since there is no mask: quarantined in study region-smoke"
    )


def test_a_case_that_the_first_study_trained_on_stops_the_run(preprocessed, first) -> None:
    first.splits({"train": ["a"], "test": ["b"]})
    with pytest.raises(UserError, match="all models of the study may have trained on this case"):
        preprocessed(study_with())


def test_a_case_is_cropped_to_its_own_label_and_the_record_says_so(preprocessed) -> None:
    record = preprocessed(study_with({"label": [1, 2]}))
    assert record.details["box"] == [[6, 16], [6, 18], [6, 20]]
    assert record.details["mask"] == {"uses_label": True, "values": [1, 2]}


def test_a_label_that_is_empty_there_keeps_the_body(preprocessed, registered) -> None:
    path = registered / "a" / "label-venous.nii.gz"
    label = read_volume(path)
    write_volume(path, Volume(np.minimum(label.array, 1), label.geometry))
    record = preprocessed(study_with({"label": [2]}))
    assert record.warnings[0] == "cropped to the body, since there is no mask: it is empty"


def test_a_case_in_which_the_first_study_found_nothing_keeps_its_body(
    preprocessed, first, registered, tmp_path
) -> None:
    """All of it: nothing is blanked as being outside a structure that was not found."""
    image = read_volume(registered / "a" / "venous.nii.gz")
    first.predict("a", 0, image.geometry, found=False)
    record = preprocessed(study_with(outside=-70, margin=0))
    assert record.details["cropped_by"] == "body"
    assert record.warnings == ["cropped to the body, since there is no mask: it is empty"]
    stored = np.load(next((tmp_path / "preprocessed").glob("*/a.npy")))
    assert stored.min() < -900
