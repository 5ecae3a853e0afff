"""A data set in BIDS: what is written, and what our own reader finds in it."""

import json
import subprocess

import numpy as np
import pytest
import yaml
from tests.exchange import registered_study
from tests.exchange.own_environment import environment
from tests.exchange.registered_study import CLASSES, label
from tests.miniature import study as study_of

from remodal.errors import UserError
from remodal.exchange import bids_export
from remodal.exchange.bids_export import export_bids
from remodal.exchange.bids_images import image_names
from remodal.intake.datasets import cases_of
from remodal.intake.nifti import read_volume
from remodal.results.files import read_json, write_json
from remodal.settings import ScenarioSettings
from remodal.settings.composition import read_settings, write_settings

HELD_OUT = {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}


@pytest.fixture
def study(tmp_path):
    made = registered_study.make(tmp_path, [HELD_OUT])
    registered_study.write_converted(made)
    return made


def listed(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_images_masks_and_predictions_are_where_bids_has_them(study, tmp_path):
    export_bids(study, tmp_path / "out", predictions=["nnunet"])
    found = listed(tmp_path / "out")
    masks, predicted = "derivatives/masks", "derivatives/nnunet-fold0-seed0-both"
    assert found == {
        *("README", "dataset_description.json", "participants.tsv"),
        *(f"sub-p{c}/anat/sub-p{c}_{suffix}.nii.gz" for c in "abcd" for suffix in ("T1w", "T2w")),
        *(f"{masks}/dataset_description.json", f"{masks}/desc-manual_dseg.tsv"),
        *(f"{masks}/sub-p{c}/anat/sub-p{c}_space-T2w_desc-manual_dseg.nii.gz" for c in "abcd"),
        *(f"{predicted}/dataset_description.json", f"{predicted}/desc-prediction_dseg.tsv"),
        f"{predicted}/sub-pd/anat/sub-pd_space-T2w_desc-prediction_dseg.nii.gz",
    }
    described = json.loads((tmp_path / "out" / masks / "dataset_description.json").read_text())
    assert (described["DatasetType"], described["GeneratedBy"][0]["Name"]) == (
        *("derivative",),
        "remodal",
    )
    table = (tmp_path / "out" / masks / "desc-manual_dseg.tsv").read_text().splitlines()
    assert table == ["index\tname", "1\tnecrosis", "2\toedema", "4\tenhancing"]
    people = (tmp_path / "out/participants.tsv").read_text().splitlines()
    assert people == ["participant_id\tgroup", *(f"sub-p{c}\thgg" for c in "abcd")]


@pytest.mark.parametrize("several", [False, True])
def test_our_reader_finds_what_was_exported(study, tmp_path, several):
    if several:
        registered_study.write_converted(study, {"a": "p-1", "b": "p-1", "c": "p-2", "d": "p-3"})
    said = export_bids(study, tmp_path / "out", predictions=["nnunet"])
    told = yaml.safe_load("\n".join(said[said.index("to read it back:") + 1 :]))["data"]
    del told["folder"]
    back = study_of(tmp_path / "out", tmp_path / "config", classes=CLASSES, **told)
    cases = cases_of(back)
    names = ["sub-p1_ses-a", "sub-p1_ses-b", "sub-p2_ses-c", "sub-p3_ses-d"]
    assert [case.case for case in cases] == (names if several else [f"sub-p{c}" for c in "abcd"])
    assert [case.group for case in cases] == ["hgg"] * 4
    converted = tmp_path / "results/data/brains/converted"
    for case, own in zip(cases, "abcd"):
        assert (list(case.images), list(case.labels)) == (["t1", "t2"], ["t2"])
        for name, path in case.images.items():
            ours = read_volume(converted / own / f"{name}.nii.gz")
            np.testing.assert_array_equal(read_volume(path).array, ours.array)
            assert read_volume(path).geometry.agrees_with(ours.geometry)
        (file,) = case.labels["t2"].files
        np.testing.assert_array_equal(read_volume(file).array, label())


@pytest.mark.parametrize(
    ("modalities", "ct", "names"),
    [
        (["t1", "t1ce", "t2", "flair"], False, "acq-t1_T1w ce-gadolinium_T1w T2w FLAIR"),
        (["arterial", "venous-late"], True, "acq-arterial_ct acq-venouslate_ct"),
    ],
)
def test_modalities_are_called_as_bids_calls_them_and_none_fits_another(
    study, modalities, ct, names
):
    settings = read_settings(study / "settings.yaml")
    data = settings.data.model_copy(update={"modalities": modalities})
    changed = settings.model_copy(update={"data": data})
    kinds = dict.fromkeys(modalities, "CT" if ct else "MR")
    assert " ".join(map(str, image_names(changed, {}, kinds).values())) == names


def test_copies_are_not_exported_and_what_was_predicted_of_them_lies_on_their_originals(
    study, tmp_path
):
    path = study / "settings.yaml"
    settings = read_settings(path)
    copied = {"modalities": ["t1", "t2", "t2_again"], "copies": {"t2_again": "t2"}}
    data = settings.data.model_copy(update=copied | {"truth": "image"})
    chosen = {"both": ScenarioSettings(present=["t1", "t2_again"], target="t2_again")}
    methods = {"nnunet": settings.methods["nnunet"].model_copy(update={"scenarios": ["both"]})}
    changes = {"data": data, "scenarios": chosen, "methods": methods}
    write_settings(path, settings.model_copy(update=changes))
    splits = read_json(study / "splits.json")
    for case in splits["patients"]:
        splits["modalities"][case] = ["t1", "t2", "t2_again"]
        splits["labels"][case] = ["t2", "t2_again"]
    write_json(study / "splits.json", splits)
    export_bids(study, tmp_path / "out", predictions=["nnunet"])
    assert sorted(path.name for path in (tmp_path / "out").rglob("sub-pd*.nii.gz")) == [
        *("sub-pd_T1w.nii.gz", "sub-pd_T2w.nii.gz"),
        *(f"sub-pd_space-T2w_desc-{made}_dseg.nii.gz" for made in ("manual", "prediction")),
    ]


def test_a_prediction_lies_on_the_image_that_its_case_has(study, tmp_path):
    splits = read_json(study / "splits.json")
    splits["modalities"]["d"], splits["labels"]["d"] = ["t1"], []
    write_json(study / "splits.json", splits)
    export_bids(study, tmp_path / "out", predictions=["nnunet"])
    [found] = (tmp_path / "out/derivatives").rglob("*desc-prediction_dseg.nii.gz")
    assert found.name == "sub-pd_space-T1w_desc-prediction_dseg.nii.gz"


def test_an_export_that_was_interrupted_leaves_no_folder_and_may_be_given_again(
    study, tmp_path, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bids_export, "link_or_copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_bids(study, tmp_path / "out")
    monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    export_bids(study, tmp_path / "out")


def test_mistakes_are_told_in_one_line(study, tmp_path):
    settings = read_settings(study / "settings.yaml")
    odd = settings.data.model_copy(update={"modalities": ["t1", "spir"]})
    with pytest.raises(UserError, match="`spir` are called is not said; expected `--image spir="):
        image_names(settings.model_copy(update={"data": odd}), {}, {"t1": "MR", "spir": "MR"})
    for options, said in (
        ({"images": {"t3": "T1w"}}, "--image: no modality `t3`; expected t1, t2"),
        ({"images": {"t1": "T1 w"}}, "--image t1: `T1 w` is not a name in BIDS"),
        ({"predictions": ["maml"]}, "--predictions: no method `maml`; expected nnunet"),
    ):
        with pytest.raises(UserError, match=said):
            export_bids(study, tmp_path / "out", **options)
    registered_study.write_converted(study, {"a": "p-1", "b": "p1", "c": "p-2", "d": "p-3"})
    with pytest.raises(UserError, match="2 patients would be called `p1`"):
        export_bids(study, tmp_path / "out")
    with pytest.raises(UserError, match="is not empty; expected a new folder"):
        export_bids(study, tmp_path)


@pytest.mark.slow
@pytest.mark.network
def test_the_validator_of_bids_finds_no_error(study, tmp_path):
    """bids-validator as PyPI has it, with its own deno."""
    export_bids(study, tmp_path / "out", predictions=["nnunet"])
    programs = environment(tmp_path / "venv", ["bids-validator-deno==3.0.2", "deno"])
    command = [programs / "bids-validator-deno", "--json", "--recursive", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    report = json.loads(done.stdout)
    assert sorted(report["summary"]["subjects"]) == [f"p{case}" for case in "abcd"]
    issues = report["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
