"""Masks from labels and from another study: the right one, or one clear line."""

import numpy as np
import pytest
from pydantic import ValidationError
from tests.first_study import GRID

from remodal.errors import UserError
from remodal.geometry.volume import Volume
from remodal.intake.nifti import write_volume
from remodal.masks.reading import read_mask
from remodal.results.files import read_json, write_json
from remodal.settings import MaskSettings


@pytest.mark.parametrize(("classes", "values"), [([], [1, 2]), (["organ"], [2]), (["tumour"], [1])])
def test_a_mask_is_predicted_by_the_model_that_did_not_train_on_the_case(first, classes, values):
    for fold, case in enumerate("ab"):
        expected = np.isin(first.predict(case, fold), values)
        found = read_mask(first.mask(classes=classes), case, "venous", None, first.studies)
        np.testing.assert_array_equal(found.volume.array, expected)
        assert found.volume.geometry.agrees_with(GRID)
        assert (found.origin["fold"], found.origin["weights"]) == (fold, f"weights {fold}")
        assert "uses_label" not in found.origin


def test_a_label_is_a_mask_by_its_values_and_says_so(first, tmp_path):
    label = np.arange(480, dtype=np.uint8).reshape(GRID.shape) % 4
    write_volume(tmp_path / "label.nii.gz", Volume(label, GRID))
    mask = MaskSettings(label=[1, 3])
    found = read_mask(mask, "a", "venous", tmp_path / "label.nii.gz", first.studies)
    np.testing.assert_array_equal(found.volume.array, label % 2 == 1)
    assert found.origin == {"uses_label": True, "values": [1, 3]}
    assert read_mask(mask, "a", "venous", None, first.studies).volume is None


def refused(first, said: str, case: str = "a", modality: str = "venous", **changes) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read_mask(first.mask(**changes), case, modality, None, first.studies)
    assert "\n" not in str(caught.value)


def test_a_case_that_every_model_may_have_trained_on_has_no_mask(first):
    first.splits({"train": ["a"], "test": ["b"]})
    refused(first, "all models of the study may have trained on this case.*`kfold`")
    first.splits({"validation": ["a"], "test": ["b"]})
    refused(first, "all models of the study may have trained on this case")


def test_a_fold_that_trains_on_another_case_of_the_patient_is_refused(first):
    patients = {"a": "one", "b": "two", "c": "one"}
    first.splits({"train": ["b", "c"], "test": ["a"]}, patients=patients)
    refused(first, "fold 0 tests this case and trains on `c` of the same patient")


def test_what_the_other_study_lacks_is_one_clear_line(first):
    refused(first, "has no method `vnet`; expected one of", method="vnet")
    refused(first, "has no scenario `arterial`", scenario="arterial")
    refused(first, "has no class `liver`; expected one of tumour, organ", classes=["liver"])
    refused(first, "has no seed `7`", seed=7)
    refused(first, "the study has no such case", case="z")
    refused(
        first,
        "is missing: study liver_region-paper makes.*snakemake --config study=liver_region "
        "preset=paper",
        study="liver_region-paper",
    )
    (first.folder / "predictions/nnunet/fold0-seed0/both/predictions.json").unlink()
    refused(first, "predictions.json: is missing")


def test_a_changed_prediction_is_refused(first):
    path = first.folder / "predictions/nnunet/fold0-seed0/both/a.nii.gz"
    write_volume(path, Volume(np.ones(GRID.shape, np.uint8), GRID))
    refused(first, "is missing, or not what predictions.json says")


def test_a_case_that_was_not_predicted_has_no_mask_and_the_reason(first):
    path = first.folder / "predictions/nnunet/fold0-seed0/both/predictions.json"
    content = read_json(path) | {"cases": {}, "quarantined": {"a": "slice 7 is missing"}}
    write_json(path, content)
    found = read_mask(first.mask(), "a", "venous", None, first.studies)
    assert found.volume is None
    assert "slice 7 is missing" in found.origin["missing"]


def test_a_prediction_on_another_images_grid_is_refused(first):
    first.registered("a", arterial={"transforms": ["transform-arterial-0.txt"]})
    refused(
        first,
        "moved the arterial image onto the venous image's grid.*`none` or `header`",
        modality="arterial",
    )
    read_mask(first.mask(), "a", "venous", None, first.studies)
    first.registered("a", arterial={"transforms": []})
    read_mask(first.mask(), "a", "arterial", None, first.studies)


def test_the_modality_stands_in_the_names(first):
    mask = first.mask(study="{modality}_region-smoke", method="net_{modality}").of("t1")
    assert (mask.study, mask.method, mask.scenario) == ("t1_region-smoke", "net_t1", "both")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "a mask is either"),
        ({"label": [1], "study": "a-b", "method": "m", "scenario": "s"}, "a mask is either"),
        ({"study": "region-smoke"}, "needs `method` and `scenario`"),
        ({"study": "../x", "method": "m", "scenario": "s"}, "match pattern"),
    ],
)
def test_half_a_mask_is_an_error(content, said):
    with pytest.raises(ValidationError, match=said):
        MaskSettings.model_validate(content)
