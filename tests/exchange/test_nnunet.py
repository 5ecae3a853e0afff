"""nnU-Net's raw format: what is written, and what comes back."""

import json
import os
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk
from tests.exchange import registered_study
from tests.exchange.own_environment import environment
from tests.exchange.registered_study import CLASSES, REGIONS, label
from tests.workspace import ROOT

from remodal.errors import UserError
from remodal.exchange import nnunet_export
from remodal.exchange.nnunet_export import export_nnunet
from remodal.exchange.nnunet_import import import_nnunet
from remodal.exchange.nnunet_labels import described_labels
from remodal.exchange.nnunet_splits import raw_split
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import cases_of
from remodal.intake.nifti import read_volume
from remodal.results.files import read_json, write_json
from remodal.settings.composition import compose, read_settings
from remodal.splits.imported import imported

HELD_OUT = {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}


@pytest.fixture
def study(tmp_path):
    return registered_study.make(tmp_path, [HELD_OUT])


def array_of(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def listed(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_files_are_where_nnunet_looks_for_them(study, tmp_path):
    told = export_nnunet(study, tmp_path / "out", 7)
    folder = tmp_path / "out/nnUNet_raw/Dataset007_brains"
    training = [f"imagesTr/{case}_{channel:04}.nii.gz" for case in "abc" for channel in (0, 1)]
    assert listed(folder) == [
        "dataset.json",
        *training,
        *(f"imagesTs/d_{channel:04}.nii.gz" for channel in (0, 1)),
        *(f"labelsTr/{case}.nii.gz" for case in "abc"),
        "labelsTs/d.nii.gz",
    ]
    splits = tmp_path / "out/nnUNet_preprocessed/Dataset007_brains/splits_final.json"
    assert json.loads(splits.read_text()) == [{"train": ["a", "b"], "val": ["c"]}]
    assert told == [
        f"{folder}: 3 cases for training, 1 for testing",
        f"{splits}: 1 fold",
    ]


def test_the_listing_says_what_nnunet_asks_for(study, tmp_path):
    export_nnunet(study, tmp_path, 7)
    listing = read_json(tmp_path / "nnUNet_raw/Dataset007_brains/dataset.json")
    assert listing["channel_names"] == {"0": "t1", "1": "t2"}
    assert listing["labels"] == {"background": 0, "necrosis": 1, "oedema": 2, "enhancing": 3}
    assert (listing["numTraining"], listing["file_ending"]) == (3, ".nii.gz")


@pytest.mark.parametrize(
    ("modality", "lowest", "called"),
    [("CT", -200.0, "CT"), ("MR", -900.0, "t2"), ("", -900.0, "CT"), ("", 0.0, "t2")],
)
def test_a_channel_is_ct_if_its_files_say_so_or_else_if_it_shows_air(
    study, tmp_path, modality, lowest, called
):
    for path in tmp_path.glob("results/data/brains/registered/*/registration.json"):
        record = read_json(path)
        record["details"]["acquired"]["t2"] = {"modality": modality, "range": [lowest, 300.0]}
        write_json(path, record)
    export_nnunet(study, tmp_path, 7)
    listing = read_json(tmp_path / "nnUNet_raw/Dataset007_brains/dataset.json")
    assert listing["channel_names"] == {"0": "t1", "1": called}


def test_an_export_that_was_interrupted_leaves_nothing_and_may_be_given_again(
    study, tmp_path, monkeypatch
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(nnunet_export, "class_indices", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_nnunet(study, tmp_path / "out", 7)
    monkeypatch.undo()
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    export_nnunet(study, tmp_path / "out", 7)


def test_a_channel_is_called_as_most_of_its_images_are(study, tmp_path):
    path = tmp_path / "results/data/brains/registered/a/registration.json"
    record = read_json(path)
    record["details"]["acquired"]["t2"] = {"modality": "CT", "range": [-1000.0, 300.0]}
    write_json(path, record)
    export_nnunet(study, tmp_path, 7)
    listing = read_json(tmp_path / "nnUNet_raw/Dataset007_brains/dataset.json")
    assert listing["channel_names"] == {"0": "t1", "1": "t2"}  # three others are MR


def test_a_fold_without_validation_cases_is_validated_on_its_training_cases():
    """nnU-Net has no fold without `val`."""
    split = raw_split([{"train": ["a", "b"], "validation": [], "test": ["c"]}], ["a", "b", "c"])
    assert split.folds == [{"train": ["a", "b"], "val": ["a", "b"]}]
    assert (split.training, split.test, split.notes) == (["a", "b"], ["c"], [])


def test_images_are_the_registered_ones_and_labels_class_indices(study, tmp_path):
    export_nnunet(study, tmp_path, 7)
    folder = tmp_path / "nnUNet_raw/Dataset007_brains"
    registered = tmp_path / "results/data/brains/registered/a"
    assert (folder / "imagesTr/a_0001.nii.gz").samefile(registered / "t2.nii.gz")
    expected = np.select([label() == value for value in (1, 2, 4)], [1, 2, 3], 0)
    np.testing.assert_array_equal(array_of(folder / "labelsTr/a.nii.gz"), expected)
    image, mask = (
        sitk.ReadImage(str(folder / name))
        for name in ("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    )
    assert image.GetSpacing() == mask.GetSpacing()
    assert image.GetOrigin() == mask.GetOrigin()


def test_images_may_be_copied_and_channels_chosen(study, tmp_path):
    export_nnunet(study, tmp_path, 7, modalities=["t1"], copy=True, name="One")
    folder = tmp_path / "nnUNet_raw/Dataset007_One"
    source = tmp_path / "results/data/brains/registered/a/t1.nii.gz"
    made = folder / "imagesTr/a_0000.nii.gz"
    assert not made.samefile(source)
    assert made.read_bytes() == source.read_bytes()
    assert not (folder / "imagesTr/a_0001.nii.gz").exists()


def test_regions_paint_over_one_another_to_the_classes(study):
    described = described_labels(read_settings(study / "settings.yaml"), regions=True)
    assert described == {
        "labels": {
            "background": 0,
            "whole_tumour": [1, 2, 3],
            "tumour_core": [1, 3],
            "enhancing_tumour": 3,
        },
        "regions_class_order": [2, 1, 3],
    }


def test_regions_that_overlap_otherwise_are_refused(study):
    settings = read_settings(study / "settings.yaml")
    odd = {"one": ["necrosis", "oedema"], "two": ["oedema", "enhancing"]}
    data = settings.data.model_copy(update={"regions": odd})
    with pytest.raises(UserError, match="`one` and `two` overlap, and neither contains the other"):
        described_labels(settings.model_copy(update={"data": data}), regions=True)


def test_in_a_cross_validation_the_tested_cases_of_a_fold_are_its_val():
    folds = [
        {"train": ["b"], "validation": ["c"], "test": ["a"]},
        {"train": ["a"], "validation": [], "test": ["b", "c"]},
    ]
    split = raw_split(folds, "abc")
    assert (split.training, split.test) == (["a", "b", "c"], [])
    assert split.folds == [{"train": ["b"], "val": ["a"]}, {"train": ["a"], "val": ["b", "c"]}]
    assert split.notes == ["1 validation case left out of train and val of the fold"]


def test_a_case_that_lacks_a_channel_is_left_out_and_named(tmp_path):
    study = registered_study.make(tmp_path, [HELD_OUT], lacking={"b": "t1"})
    told = export_nnunet(study, tmp_path, 7)
    assert told[1] == "left out, as they lack an image or the label: b"
    assert export_nnunet(study, tmp_path, 8, modalities=["t2"])[0].endswith(
        "3 cases for training, 1 for testing"
    )


def test_mistakes_are_told_in_one_line(study, tmp_path):
    export_nnunet(study, tmp_path, 7)
    for arguments, said in (
        ((study, tmp_path, 7), "Dataset007_brains: is there already; .* another --number"),
        ((tmp_path, tmp_path, 8), "is no folder of a study; expected results/studies/"),
    ):
        with pytest.raises(UserError, match=said):
            export_nnunet(*arguments)
    with pytest.raises(UserError, match="--modalities: `ct` is not one of t1, t2"):
        export_nnunet(study, tmp_path, 8, modalities=["ct"])


def imported_study(folder, tmp_path):
    """The study that `import nnunet` writes, composed as the workflow does."""
    config = tmp_path / "config"
    (config / "studies").mkdir(parents=True)
    for part in ("presets", "config.yaml"):
        (config / part).symlink_to(ROOT / "config" / part)
    import_nnunet(folder, config / "studies/back.yaml")
    return compose({"study": "back", "preset": "smoke"}, config)


@pytest.mark.parametrize("regions", [False, True])
def test_what_was_exported_comes_back_equal(study, tmp_path, regions):
    export_nnunet(study, tmp_path, 7, regions=regions)
    back = imported_study(tmp_path / "nnUNet_raw/Dataset007_brains", tmp_path)
    assert back.data.modalities == ["t1", "t2"]
    paper = compose({"study": "back", "preset": "paper"}, tmp_path / "config")
    assert paper.network.plan == "auto"
    assert list(back.data.classes) == list(CLASSES)
    assert back.data.regions == (REGIONS if regions else {name: [name] for name in CLASSES})
    cases = cases_of(back)
    assert [(c.case, c.patient, c.group) for c in cases] == [(c, f"p-{c}", "hgg") for c in "abcd"]
    patients = {case.case: case.patient for case in cases}
    assert imported(patients, {}, back.splits)[0] == [HELD_OUT]
    source = tmp_path / "results/data/brains/registered/d"
    made = tmp_path / "made"
    made.mkdir()
    for name, path in cases[3].images.items():
        files = made / f"{name}.nii.gz", made / f"{name}.json"
        convert_image(path, *files, case="d", modality=name)
        ours, theirs = (read_volume(folder / f"{name}.nii.gz") for folder in (made, source))
        np.testing.assert_array_equal(ours.array, theirs.array)
        assert ours.geometry.agrees_with(theirs.geometry)
    ((drawn_on, labelled),) = cases[3].labels.items()
    image = made / f"{drawn_on}.json", made / f"{drawn_on}.nii.gz"
    output = made / "label.nii.gz", made / "label.json"
    convert_label(labelled, *image, *output, case="d", drawn_on=drawn_on)
    expected = np.select([label() == value for value in (1, 2, 4)], [1, 2, 3], 0)
    np.testing.assert_array_equal(read_volume(output[0]).array, expected)


def write_raw(folder, listing, cases="ab", tests="", channels=1, ending=".nii.gz"):
    rng = np.random.default_rng(0)
    for part, names in (("Tr", cases), ("Ts", tests)):
        for name in names:
            for channel in range(channels):
                path = folder / f"images{part}/{name}_{channel:04}{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                image = sitk.GetImageFromArray(rng.normal(size=(4, 5, 6)).astype(np.float32))
                sitk.WriteImage(image, str(path))
            if part == "Tr":
                path = folder / f"labelsTr/{name}{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                sitk.WriteImage(sitk.GetImageFromArray(np.ones((4, 5, 6), np.uint8)), str(path))
    (folder / "dataset.json").write_text(json.dumps(listing))
    return folder


def test_a_task_of_version_1_is_read(tmp_path):
    listing = {
        "modality": {"0": "CT", "1": "CT"},
        "labels": {"0": "background", "1": "Liver", "2": "liver tumour"},
        "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
    }
    raw = write_raw(tmp_path / "Task017_Liver", listing, tests="t", channels=2)
    study = imported_study(raw, tmp_path)
    assert study.data.modalities == ["ct_0", "ct_1"]
    assert study.data.classes == {"liver": [1], "liver_tumour": [2]}
    assert (study.splits.scheme, study.splits.order, study.splits.folds) == (
        *("kfold", "scikit-learn"),
        5,
    )
    assert [case.case for case in cases_of(study)] == ["a", "b"]
    assert study.registration.body_threshold is not None
    assert study.preprocessing.normalise == "dataset_foreground"


def test_a_listing_that_names_each_file_is_read(tmp_path):
    raw = write_raw(
        tmp_path / "Dataset009_Listed",
        {
            "channel_names": {"0": "T2"},
            "labels": {"background": 0, "prostate": 1},
            "file_ending": ".nrrd",
            "numTraining": 1,
            "dataset": {"x": {"images": ["imagesTr/a_0000.nrrd"], "label": "labelsTr/a.nrrd"}},
        },
        ending=".nrrd",
    )
    study = imported_study(raw, tmp_path)
    assert study.registration.body_threshold is None
    assert study.preprocessing.normalise == "crop"
    (case,) = cases_of(study)
    assert case.images == {"t2": raw / "imagesTr/a_0000.nrrd"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"file_ending": ".png"}, "`file_ending` is `.png`; expected .*no voxel size"),
        ({"labels": {"background": 0, "x": 1, "ignore": 2}}, "have parts to be ignored"),
        ({"labels": None}, "is no listing of nnU-Net; expected `channel_names`"),
        ({"dataset": "prostate"}, "is no listing of nnU-Net; .* a label and an image of each"),
        ({"dataset": {"x": {"label": "x.nii.gz"}}}, "is no listing of nnU-Net"),
        ({"dataset": {"x": {"images": [], "label": "x.nii.gz"}}}, "is no listing of nnU-Net"),
    ],
)
def test_a_data_set_that_no_study_can_use_is_told_in_one_line(tmp_path, changes, said):
    listing = {"channel_names": {"0": "T2"}, "labels": {"background": 0, "x": 1}}
    raw = write_raw(tmp_path / "Dataset009_Odd", listing | changes)
    with pytest.raises(UserError, match=said) as told:
        import_nnunet(raw, tmp_path / "study.yaml")
    assert "\n" not in str(told.value)


#: What its check imports.
NNUNET = (
    *("nnunetv2==2.8.1", "acvl-utils", "batchgenerators", "batchgeneratorsv2", "blosc2"),
    *("connected-components-3d", "dynamic-network-architectures", "einops", "httpx"),
    *("fft-conv-pytorch", "imagecodecs", "msgpack", "ndindex", "nibabel", "numexpr", "seaborn"),
    "tifffile",
)
_VERIFY = """
import sys
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from nnunetv2.utilities.label_handling.label_handling import LabelManager
if __name__ == "__main__":
    verify_dataset_integrity(sys.argv[1], 1)
"""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("regions", [False, True])
def test_nnunet_s_own_check_passes(study, tmp_path, regions):
    export_nnunet(study, tmp_path, 7, regions=regions)
    python = os.environ.get("NNUNET_PYTHON") or environment(tmp_path / "venv", NNUNET) / "python"
    (tmp_path / "verify.py").write_text(_VERIFY)
    done = subprocess.run(
        [python, tmp_path / "verify.py", tmp_path / "nnUNet_raw/Dataset007_brains"],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert "verify_dataset_integrity Done" in done.stdout
    assert "Error" not in done.stdout
    assert "Warning" not in done.stdout
