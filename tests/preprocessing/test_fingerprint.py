from pathlib import Path

import numpy as np
import pytest

from remodal.errors import UserError
from remodal.intake.nifti import read_volume, write_volume
from remodal.preprocessing import fingerprint, fingerprint_fold
from remodal.results.files import read_json
from remodal.results.records import Record, write_record
from remodal.settings import PreprocessingSettings

from .conftest import Study, leave_out, leave_unlabelled, write_case


def measured(registered: Path, splits: Path, study: Study | None = None) -> dict:
    output = splits.parent / "fingerprint.json"
    fingerprint_fold(study or Study(), splits, 0, registered, output)
    return read_json(output)


def tumour_voxels(registered: Path, cases: list[str], modality: str) -> np.ndarray:
    return np.concatenate(
        [
            read_volume(registered / case / f"{modality}.nii.gz").array[
                read_volume(registered / case / "label-venous.nii.gz").array == 2
            ]
            for case in cases
        ]
    )


def test_percentiles_are_those_of_the_training_cases_foreground(registered, splits) -> None:
    found = measured(registered, splits)
    assert (found["cases"], found["n"], found["fold"]) == (["a", "b"], 2, 0)
    for modality in ("arterial", "venous"):
        voxels = tumour_voxels(registered, ["a", "b"], modality)
        expected = found["foreground"][modality]
        assert [expected["lower"], expected["upper"]] == np.percentile(voxels, [0.5, 99.5]).tolist()
        assert expected["mean"] == pytest.approx(voxels.mean())
        assert expected["sd"] == pytest.approx(voxels.std())
        assert expected["voxels"] == len(voxels)


def test_spacing_and_shape_are_medians_over_the_training_cases(registered, splits) -> None:
    found = measured(registered, splits)
    # Spacings z, y, x: a (2.0, 1.0, 1.0), b (1.9, 1.0, 1.1).
    assert found["spacing"] == pytest.approx([1.95, 1.0, 1.05])
    assert found["shape"] == [20, 24, 28]


def test_the_settings_spacing_comes_first(registered, splits) -> None:
    study = Study(PreprocessingSettings(spacing=(4, 2, 2)))
    assert measured(registered, splits, study)["spacing"] == [4, 2, 2]


def test_what_made_the_training_images_comes_from_their_records(registered, splits) -> None:
    for case, lower in (("a", -1000.0), ("b", -900.0), ("c", 7.0)):
        acquired = {"venous": {"modality": "CT", "range": [lower, 500.0]}}
        details = {"modalities": ["arterial", "venous"], "labels": ["venous"], "acquired": acquired}
        record = Record(case=case, stage="register", details=details)
        write_record(registered / case / "registration.json", record)
    venous = {"modalities": ["CT"], "lower": [-1000, -900], "upper": [500, 500]}
    expected = {"arterial": {"modalities": []}, "venous": venous}
    assert measured(registered, splits)["acquired"] == expected


def test_validation_and_test_cases_change_nothing(registered, splits) -> None:
    before = measured(registered, splits)
    for case in ("c", "d"):
        write_case(registered / case, seed=99, spacing=(3.0, 3.0, 9.0))
    assert measured(registered, splits) == before
    write_case(registered / "a", seed=99, spacing=(3.0, 3.0, 9.0))
    assert measured(registered, splits) != before


def test_without_dataset_percentiles_no_intensity_is_measured(registered, splits) -> None:
    for name in ("venous", "label-venous"):
        (registered / "a" / f"{name}.nii.gz").unlink()
    study = Study(PreprocessingSettings.model_validate({"clip": "case"}))
    assert "foreground" not in measured(registered, splits, study)


def test_a_large_case_is_sampled_evenly(registered, splits, monkeypatch) -> None:
    monkeypatch.setattr(fingerprint, "_VOXELS_OF_A_CASE", 50)
    found = measured(registered, splits)
    # 120 tumour voxels a case: every third.
    assert found["foreground"]["venous"]["voxels"] == 80


def test_labels_without_the_classes_are_an_error(registered, splits) -> None:
    for case in ("a", "b"):
        path = registered / case / "label-venous.nii.gz"
        label = read_volume(path)
        write_volume(path, label.with_array(np.minimum(label.array, 1)))
    with pytest.raises(UserError, match="no voxel of any class"):
        measured(registered, splits)


def test_a_modality_is_measured_on_the_cases_that_have_it(registered, splits) -> None:
    complete = measured(registered, splits)
    leave_out(registered / "b", "arterial")
    found = measured(registered, splits)
    assert found["cases"] == ["a", "b"]
    assert found["spacing"] == complete["spacing"]
    assert found["foreground"]["venous"] == complete["foreground"]["venous"]
    voxels = tumour_voxels(registered, ["a"], "arterial")
    expected = np.percentile(voxels, [0.5, 99.5]).tolist()
    arterial = found["foreground"]["arterial"]
    assert [arterial["lower"], arterial["upper"]] == expected
    assert arterial["voxels"] == len(voxels)


def test_a_modality_that_no_training_case_has_is_an_error(registered, splits) -> None:
    for case in ("a", "b"):
        leave_out(registered / case, "arterial")
    with pytest.raises(UserError, match="no training case has the arterial image"):
        measured(registered, splits)


def test_a_case_without_a_label_counts_for_the_spacing_and_for_no_intensity(registered, splits):
    complete = measured(registered, splits)
    leave_unlabelled(registered / "b")
    found = measured(registered, splits)
    assert (found["cases"], found["spacing"]) == (complete["cases"], complete["spacing"])
    for modality in ("arterial", "venous"):
        voxels = tumour_voxels(registered, ["a"], modality)
        assert found["foreground"][modality]["voxels"] == len(voxels)
        assert found["foreground"][modality]["mean"] == pytest.approx(voxels.mean())


def test_training_cases_without_any_label_are_an_error(registered, splits):
    for case in ("a", "b"):
        leave_unlabelled(registered / case)
    with pytest.raises(UserError, match="no training case has the arterial image with a label"):
        measured(registered, splits)
