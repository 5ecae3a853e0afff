import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from remodal.errors import FaultOfOurs, UserError
from remodal.inference import fold as fold_module
from remodal.inference.fold import infer_fold
from remodal.inference.foreign import Pairing, cut_or_padded
from remodal.inference.images import RegisteredImages
from remodal.inference.sliding_window import sliding_window
from remodal.intake.nifti import read_volume
from remodal.methods.base import Method
from remodal.methods.ms_ma import MSMA
from remodal.models.model_files import load_model
from remodal.preprocessing import restore_image, restore_probabilities
from remodal.results.files import read_json, sha256, write_json
from remodal.results.records import quarantine, read_record, write_record
from remodal.settings import ScenarioSettings, Settings

from .conftest import Study


def infer(
    study: Study, method: str, scenario: str, output: Path, *, quarantine: bool = False, **changes
) -> dict:
    infer_fold(
        study.settings,
        changes.pop("model", None) or study.model(method),
        scenario,
        study.preprocessed,
        study.splits,
        0,
        output,
        quarantine=quarantine,
    )
    return read_json(output / "predictions.json")


def by_hand(study: Study, model: Path, case: str, modalities: list[str]) -> np.ndarray:
    """Mean probabilities of the windows of the given modalities, from the stored arrays."""
    method = load_model(model).method
    stored = torch.from_numpy(np.load(study.preprocessed / f"{case}.npy").astype(np.float32))
    channels = [["arterial", "venous"].index(name) for name in modalities]
    return sliding_window(
        lambda patches: method.probabilities(
            {name: patches[:, index : index + 1] for index, name in enumerate(modalities)}
        ),
        stored[channels],
        study.settings.recipe.patch.most,
        mirror=study.settings.inference.mirror,
        batch=study.settings.compute.windows,
    ).numpy()


@pytest.mark.parametrize(
    ("method", "scenario", "modalities"),
    [
        ("nnunet", "both", ["arterial", "venous"]),
        ("maml", "both", ["arterial", "venous"]),
        ("maml", "venous", ["venous"]),
        ("nnunet_arterial", "arterial", ["arterial"]),
    ],
)
def test_predictions_are_the_models_in_the_sources_geometry(
    study, tmp_path, method, scenario, modalities
) -> None:
    index = infer(study, method, scenario, tmp_path)
    assert index["method"] == method
    assert index["modalities"] == modalities
    assert sorted(index["cases"]) == ["b", "c"]
    for case, digest in index["cases"].items():
        path = tmp_path / f"{case}.nii.gz"
        assert sha256(path) == digest
        found = read_volume(path)
        label = read_volume(study.registered / case / "label-venous.nii.gz")
        assert found.geometry.agrees_with(label.geometry)
        assert found.array.dtype == np.uint8
        details = read_record(study.preprocessed / f"{case}.json").details
        probabilities = by_hand(study, study.model(method), case, modalities)
        expected = restore_probabilities(probabilities, details)
        assert expected.array.sum() > 0
        np.testing.assert_array_equal(found.array, expected.array)


def test_attention_maps_are_written_where_all_modalities_are_there(study, tmp_path) -> None:
    index = infer(study, "maml", "both", tmp_path)
    assert index["attention"] == ["arterial", "venous"]
    method = load_model(study.model("maml")).method
    stored = torch.from_numpy(np.load(study.preprocessed / "b.npy").astype(np.float32))
    expected = sliding_window(
        lambda patches: method.attention({"arterial": patches[:, :1], "venous": patches[:, 1:]})[
            "venous"
        ],
        stored,
        study.settings.recipe.patch.most,
        mirror=False,
        batch=2,
    )
    details = read_record(study.preprocessed / "b.json").details
    found = read_volume(tmp_path / "attention-venous" / "b.nii.gz")
    restored = restore_image(expected[0].numpy(), details)
    assert found.geometry.agrees_with(restored.geometry)
    np.testing.assert_allclose(found.array, restored.array, atol=1 / 512)


def test_what_was_cropped_away_is_outside_a_level_set_and_without_attention(study, tmp_path):
    """A map with values below zero is a level set."""
    details = read_record(study.preprocessed / "b.json").details
    shape = tuple(details["shape"])
    level_set = np.full(shape, 0.5, np.float32)
    level_set[1:3, 1:3, 1:3] = -0.25
    maps = {"level_set": level_set, "weight": np.full(shape, 0.5, np.float32)}
    probabilities = np.stack([np.ones(shape), np.zeros(shape)]).astype(np.float32)
    images = RegisteredImages(study.preprocessed, {"b": details}, ["venous"], [])
    fold_module._export(tmp_path, Pairing("b"), images, probabilities, maps, details)
    cropped = restore_image(np.zeros(shape, np.float32), details, outside=1.0).array == 1
    assert cropped.any()
    found = {
        name: read_volume(tmp_path / f"attention-{name}" / "b.nii.gz").array[cropped]
        for name in maps
    }
    assert set(found["level_set"]) == {0.5}
    assert set(found["weight"]) == {0.0}


def test_no_attention_maps_with_one_modality_or_of_a_method_without_them(study, tmp_path) -> None:
    assert infer(study, "maml", "venous", tmp_path / "1")["attention"] == []
    assert infer(study, "nnunet", "both", tmp_path / "2")["attention"] == []
    assert not list(tmp_path.rglob("attention-*"))


def test_the_same_inputs_give_the_same_bytes(study, tmp_path) -> None:
    for run in ("1", "2"):
        infer(study, "maml", "both", tmp_path / run)
    files = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*.*"))
    assert len(files) == 7  # predictions.json, and two cases' segmentation and two maps each
    assert [sha256(tmp_path / "1" / file) for file in files] == [
        sha256(tmp_path / "2" / file) for file in files
    ]


def test_the_missing_modality_is_not_looked_at(study, tmp_path) -> None:
    """Whatever is in the arterial channel, the venous scenario is the same."""
    changed = replace(study, folder=tmp_path / "changed")
    shutil.copytree(study.folder, changed.folder)
    for case in ("b", "c"):
        stored = np.load(changed.preprocessed / f"{case}.npy")
        stored[0] = np.nan
        np.save(changed.preprocessed / f"{case}.npy", stored)
    index = infer(study, "maml", "venous", tmp_path / "1")
    assert infer(changed, "maml", "venous", tmp_path / "2")["cases"] == index["cases"]


def test_a_case_is_segmented_in_the_scenarios_whose_images_it_has(study, tmp_path) -> None:
    changed = replace(study, folder=tmp_path / "changed")
    shutil.copytree(study.folder, changed.folder)
    stored = np.load(changed.preprocessed / "b.npy")
    np.save(changed.preprocessed / "b.npy", stored[1:])
    record = read_record(changed.preprocessed / "b.json")
    record.details["modalities"] = ["venous"]
    write_record(changed.preprocessed / "b.json", record)
    splits = read_json(changed.splits)
    splits["modalities"]["b"] = ["venous"]
    write_json(changed.splits, splits)
    complete = infer(study, "maml", "venous", tmp_path / "1")
    venous = infer(changed, "maml", "venous", tmp_path / "2")
    assert venous["cases"] == complete["cases"]
    assert venous["not_applicable"] == complete["not_applicable"] == {}
    both = infer(changed, "maml", "both", tmp_path / "3")
    assert list(both["cases"]) == ["c"]
    assert both["not_applicable"] == {"b": ["arterial"]}
    assert both["quarantined"] == {}
    assert not (tmp_path / "3" / "b.nii.gz").exists()


def test_quarantined_cases_are_left_out_and_listed(study, tmp_path) -> None:
    changed = replace(study, folder=tmp_path / "changed")
    shutil.copytree(study.folder, changed.folder)
    path = changed.preprocessed / "b.json"
    record = read_record(path).model_copy(update={"reason": "no body found"})
    quarantine(path, record, [changed.preprocessed / "b.npy"])
    index = infer(changed, "nnunet", "both", tmp_path / "out")
    assert list(index["cases"]) == ["c"]
    assert index["quarantined"] == {"b": "no body found"}


@pytest.mark.parametrize(
    ("place", "broken"), [(RegisteredImages, "prepared"), (fold_module, "_export")]
)
def test_a_fault_of_ours_in_a_case_leaves_the_others_and_the_reason(
    study, tmp_path, monkeypatch, capsys, place, broken
) -> None:
    works = getattr(place, broken)

    def breaks(first, *others):
        done = works(first, *others)
        if others[0].case == "b":
            raise ZeroDivisionError("secret")
        return done

    monkeypatch.setattr(place, broken, breaks)
    with pytest.raises(ZeroDivisionError):
        infer(study, "maml", "both", tmp_path / "by hand")
    index = infer(study, "maml", "both", tmp_path / "out", quarantine=True)
    assert list(index["cases"]) == ["c"]
    assert list(index["failed"]) == ["b"]
    assert index["failed"]["b"].startswith("a fault of ours (ZeroDivisionError)")
    assert "secret" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("b.nii.gz"))
    assert len(list((tmp_path / "out").rglob("c.nii.gz"))) == 3


def test_a_fault_in_every_case_or_of_the_machine_fails_the_job(
    study, tmp_path, monkeypatch
) -> None:
    for error, raised in (
        (ValueError("odd"), FaultOfOurs),
        (RuntimeError("CUDA out of memory"), RuntimeError),
    ):

        def breaks(*_arguments, error=error):
            raise error

        monkeypatch.setattr(RegisteredImages, "prepared", breaks)
        with pytest.raises(raised):
            infer(study, "maml", "both", tmp_path, quarantine=True)
        assert not (tmp_path / "predictions.json").exists()


def test_a_model_that_saw_a_test_case_is_refused(study, tmp_path) -> None:
    fingerprint = read_json(study.fingerprint) | {"cases": ["c"]}
    model = study.model("nnunet", fold=1, fingerprint=fingerprint)
    with pytest.raises(UserError, match="trained on the test case `c`"):
        infer(study, "nnunet", "both", tmp_path, model=model)


@pytest.mark.parametrize(
    ("method", "scenario", "message"),
    [
        ("nnunet", "venous", "cannot predict from venous"),
        ("nnunet", "delayed", "unknown scenario `delayed`"),
    ],
)
def test_an_impossible_scenario_is_an_error(study, tmp_path, method, scenario, message) -> None:
    with pytest.raises(UserError, match=message):
        infer(study, method, scenario, tmp_path)


def test_a_case_that_is_not_preprocessed_is_an_error(study, tmp_path) -> None:
    splits = json.loads(study.splits.read_text())
    splits["folds"][0]["test"] = ["z"]
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    with pytest.raises(UserError, match="run `remodal preprocess` first"):
        infer_fold(
            study.settings,
            study.model("nnunet"),
            "both",
            study.preprocessed,
            tmp_path / "splits.json",
            0,
            tmp_path,
        )


def per_image(study, scenarios) -> Settings:
    """The study, changed so that each image has its own truth, with these scenarios."""
    content = study.settings.model_dump()
    content["data"]["truth"] = "image"
    methods = {"maml": content["methods"]["maml"] | {"scenarios": list(scenarios)}}
    content |= {"scenarios": scenarios, "methods": methods, "tables": {}, "claims": []}
    content["compute"]["first"] = []
    return Settings.model_validate(content)


def infer_in(settings, study, scenario, output):
    arguments = study.preprocessed, study.splits, 0, output
    infer_fold(settings, study.model("maml"), scenario, *arguments)
    return read_json(output / "predictions.json")


def test_the_method_is_told_which_image_to_segment(study, tmp_path, monkeypatch) -> None:
    told = []

    def probabilities_of(method, images, target):
        told.append(target)
        return method.probabilities(images)

    monkeypatch.setattr(Method, "probabilities_of", probabilities_of)
    # MAML, which segments any image alike, has a shorter way of its own.
    monkeypatch.setattr(MSMA, "with_attention", Method.with_attention)
    both = ["arterial", "venous"]
    settings = per_image(study, {"a": {"present": both, "target": "arterial"}, "v": ["venous"]})
    splits = read_json(study.splits)
    splits["labels"] = dict.fromkeys(splits["labels"], both)
    changed = replace(study, folder=tmp_path / "changed")
    shutil.copytree(study.folder, changed.folder)
    write_json(changed.splits, splits)
    assert infer_in(settings, changed, "a", tmp_path / "a")["target"] == "arterial"
    assert infer_in(settings, changed, "v", tmp_path / "v")["target"] == "venous"
    assert set(told) == {"arterial", "venous"}
    assert infer(study, "maml", "both", tmp_path / "shared")["target"] == ""


def test_a_case_without_the_target_s_label_is_left_out_and_said(study, tmp_path) -> None:
    both = ["arterial", "venous"]
    settings = per_image(study, {"a": {"present": both, "target": "arterial"}})
    index = infer_in(settings, study, "a", tmp_path)
    assert index["cases"] == {}
    assert index["not_applicable"] == {case: ["the label of arterial"] for case in "bc"}


def test_foreign_images_are_those_of_every_other_patient_s_test_case(study, tmp_path) -> None:
    """Cases b and c are of the test set, a is of the training set."""
    scenario = {"present": ["arterial", "venous"], "foreign": ["arterial"]}
    settings = study.settings.model_copy(
        update={"scenarios": {"mixed": ScenarioSettings.model_validate(scenario)}}
    )
    index = infer_in(settings, study, "mixed", tmp_path / "1")
    assert index["cases"] == {}
    pairs = [(case, other) for case, others in index["pairs"].items() for other in others]
    assert pairs == [("b", "c"), ("c", "b")]
    # The same as if the other case's arterial image lay in this one's file.
    swapped = replace(study, folder=tmp_path / "swapped")
    shutil.copytree(study.folder, swapped.folder)
    b, c = (np.load(study.preprocessed / f"{case}.npy") for case in "bc")
    np.save(swapped.preprocessed / "b.npy", np.stack([cut_or_padded(c[0], b[0].shape), b[1]]))
    expected = infer(swapped, "maml", "both", tmp_path / "2")["cases"]["b"]
    assert index["pairs"]["b"]["c"] == expected == sha256(tmp_path / "1/foreign-c/b.nii.gz")


def test_no_foreign_image_is_of_the_same_patient(study, tmp_path) -> None:
    scenario = {"present": ["arterial", "venous"], "foreign": ["arterial"]}
    settings = study.settings.model_copy(
        update={"scenarios": {"mixed": ScenarioSettings.model_validate(scenario)}}
    )
    changed = replace(study, folder=tmp_path / "changed")
    shutil.copytree(study.folder, changed.folder)
    splits = read_json(changed.splits)
    write_json(changed.splits, splits | {"patients": dict.fromkeys("abc", "one")})
    index = infer_in(settings, changed, "mixed", tmp_path / "out")
    assert index["pairs"] == {}
    assert index["not_applicable"] == {case: ["arterial of another patient"] for case in "bc"}


def test_another_image_is_cut_or_padded_about_its_centre() -> None:
    image = np.arange(24).reshape(2, 3, 4)
    assert cut_or_padded(image, (2, 3, 4)).tolist() == image.tolist()
    assert cut_or_padded(image, (2, 3, 2)).tolist() == image[:, :, 1:3].tolist()
    padded = cut_or_padded(image, (4, 3, 4))
    assert padded[1:3].tolist() == image.tolist()
    assert (padded[[0, 3]] == 0).all()  # the least value
