"""Miniatures of the Medical Segmentation Decathlon's tasks, as they are distributed."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from tests import miniature

from remodal.errors import BadCase, UserError
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import CaseSource, cases_of
from remodal.intake.nifti import read_volume
from remodal.run.check import check_study
from remodal.settings import Settings
from remodal.settings.composition import validated

SHAPE = (6, 9, 8)
SEQUENCES = ("FLAIR", "T1w", "t1gd", "T2w")


def write(path: Path, *arrays: np.ndarray) -> None:
    images = [sitk.GetImageFromArray(array) for array in arrays]
    for image in images:
        image.SetSpacing((0.8, 0.8, 2.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(images[0] if len(images) == 1 else sitk.JoinSeries(images), str(path))


def label(*values: int) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    for place, value in enumerate(values, start=1):
        array[place, 2:5, 3:6] = value
    return array


def write_task(folder: Path, word: str, modalities: tuple[str, ...], labels: list[str]) -> None:
    """Two cases for training and one for testing, with a Mac's shadow of a file."""
    for seed, part in ((1, "Tr"), (2, "Tr"), (3, "Ts")):
        rng = np.random.default_rng(seed)
        arrays = [rng.normal(100, 50, SHAPE).astype(np.float32) for _ in modalities]
        write(folder / f"images{part}/{word}_{seed:03}.nii.gz", *arrays)
        if part == "Tr":
            write(folder / f"labelsTr/{word}_{seed:03}.nii.gz", label(1, 2))
    (folder / f"imagesTr/._{word}_001.nii.gz").write_bytes(b"shadow")
    listing = {
        "name": word,
        "modality": {str(number): name for number, name in enumerate(modalities)},
        "labels": {str(number): name for number, name in enumerate(labels)},
        "numTraining": 2,
        "numTest": 1,
        "training": [
            {part: f"./{part}sTr/{word}_{number:03}.nii.gz" for part in ("image", "label")}
            for number in (2, 1)
        ],
        "test": [f"./imagesTs/{word}_003.nii.gz"],
    }
    (folder / "dataset.json").write_text(json.dumps(listing))


@pytest.fixture
def root(tmp_path):
    write_task(
        tmp_path / "Task07_Pancreas", "pancreas", ("CT",), ["background", "pancreas", "cancer"]
    )
    write_task(tmp_path / "Task03_Liver", "liver", ("CT",), ["background", "liver", "cancer"])
    write_task(
        *(tmp_path / "Task08_HepaticVessel", "hepaticvessel", ("CT",)),
        ["background", "Vessel", "Tumour"],
    )
    regions = ["background", "edema", "non-enhancing tumor", "enhancing tumour"]
    write_task(tmp_path / "Task01_BrainTumour", "BRATS", SEQUENCES, regions)
    return tmp_path


def study(folder: Path | None, *modalities: str, **changes) -> Settings:
    pools = [{"cases": "labelled", "samples": 1}, {"cases": "unlabelled", "samples": 1}]
    classes = {"pancreas": [1], "tumour": [2]}
    content = {
        "study": "decathlon",
        "preset": "paper",
        "title": "Decathlon",
        "data": {
            **{"name": "msd", "source": "msd", "folder": folder, "classes": classes},
            **{"modalities": list(modalities)},
            **changes,
        },
        "registration": {"method": "none", "fixed": modalities[0]},
        "methods": {"mt": {"type": "mean_teacher", "recipe": {"pools": pools}}},
        "scenarios": {"all": {"present": list(modalities)}},
    }
    return validated(content, "test")


def converted(case: CaseSource, folder: Path) -> dict[str, np.ndarray]:
    """The images of a case and its label."""
    for name, source in case.images.items():
        files = folder / f"{name}.nii.gz", folder / f"{name}.json"
        convert_image(source, *files, case=case.case, modality=name)
    ((drawn_on, source),) = case.labels.items()
    files = folder / f"{drawn_on}.json", folder / f"{drawn_on}.nii.gz"
    made = folder / "label.nii.gz", folder / "label.json"
    convert_label(source, *files, *made, case=case.case, drawn_on=drawn_on)
    return {path.name[:-7]: read_volume(path).array for path in folder.glob("*.nii.gz")}


def test_the_training_cases_of_the_listing_are_read(root, tmp_path):
    folder = root / "Task07_Pancreas"
    first, second = cases_of(study(folder, "ct"))
    assert (first.case, first.patient, second.case) == (
        "pancreas_001",
        *["pancreas_001"],
        "pancreas_002",
    )
    assert first.images == {"ct": folder / "imagesTr/pancreas_001.nii.gz"}
    (tmp_path / "made").mkdir()
    found = converted(first, tmp_path / "made")
    np.testing.assert_array_equal(found["label"], label(1, 2))


@pytest.mark.parametrize(
    ("task", "classes"),
    [
        ("Task03_Liver", {"liver": [1], "tumour": [2]}),
        ("Task08_HepaticVessel", {"vessel": [1], "tumour": [2]}),
    ],
)
def test_a_study_of_a_few_lines_reaches_its_checked_cases(root, tmp_path, task, classes):
    data = {"source": "msd", "modalities": ["ct"], "classes": classes}
    settings = miniature.study(root / task, tmp_path / "config", **data)
    word = task.partition("_")[2].lower()
    assert [case.case for case in cases_of(settings)] == [f"{word}_001", f"{word}_002"]
    assert check_study(settings) == "2 cases of 2 patients, 1 method: ok"


def test_images_for_testing_are_unlabelled_cases_where_such_cases_train(root):
    folder = root / "Task07_Pancreas"
    names = [
        (case.case, bool(case.labels)) for case in cases_of(study(folder, "ct", unlabelled="train"))
    ]
    assert names == [("pancreas_001", True), ("pancreas_002", True), ("pancreas_003", False)]


def test_several_modalities_in_one_file_are_read_one_by_one(root, tmp_path):
    """Those that the study wants, in its order, beside SimpleITK."""
    folder = root / "Task01_BrainTumour"
    case, _ = cases_of(study(folder, "t2w", "t1gd"))
    assert list(case.images) == ["t2w", "t1gd"]
    (tmp_path / "made").mkdir()
    found = converted(case, tmp_path / "made")
    whole = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "imagesTr/BRATS_001.nii.gz")))
    np.testing.assert_array_equal(found["t2w"], whole[3])
    np.testing.assert_array_equal(found["t1gd"], whole[2])


def test_a_missing_label_makes_a_case_unlabelled_and_a_missing_image_a_bad_one(root, tmp_path):
    folder = root / "Task07_Pancreas"
    (folder / "labelsTr/pancreas_001.nii.gz").unlink()
    (folder / "imagesTr/pancreas_002.nii.gz").unlink()
    without_label, without_image = cases_of(study(folder, "ct"))
    assert without_label.labels == {}
    files = tmp_path / "ct.nii.gz", tmp_path / "ct.json"
    with pytest.raises(BadCase, match="pancreas_002, ct: there is no such image"):
        convert_image(without_image.images["ct"], *files, case="pancreas_002", modality="ct")


def test_a_value_that_the_listing_does_not_know_is_a_bad_case(root, tmp_path):
    folder = root / "Task07_Pancreas"
    write(folder / "labelsTr/pancreas_001.nii.gz", label(1, 3))
    case, _ = cases_of(study(folder, "ct"))
    with pytest.raises(BadCase, match="the unknown value 3; expected 0, 1, 2"):
        converted(case, tmp_path)


@pytest.mark.parametrize(
    ("named", "modality", "changes", "said"),
    [
        (None, "ct", {}, "data.folder: no folder is named"),
        ("Task09_Spleen", "ct", {}, "Task09_Spleen: there is no such folder"),
        (
            ".",
            "ct",
            {},
            "has no dataset.json.*one of the folders in it: Task01_BrainTumour, .*Task07_Pancreas",
        ),
        (
            "Task07_Pancreas/imagesTr",
            "ct",
            {},
            "has no dataset.json; expected the folder",
        ),
        (
            "Task07_Pancreas",
            "mr",
            {},
            "`mr` is no image of Task07_Pancreas; expected ct$",
        ),
        (
            "Task01_BrainTumour",
            "t1",
            {},
            "`t1` is no image of Task01_BrainTumour; expected one of flair, t1w, t1gd, t2w",
        ),
        (
            "Task07_Pancreas",
            "ct",
            {"classes": {"cyst": [3]}},
            "data.classes: `cyst` is 3, which no label of Task07_Pancreas holds; expected .* 1, 2",
        ),
    ],
)
def test_mistakes_of_the_study_are_told_in_one_line(root, named, modality, changes, said):
    with pytest.raises(UserError, match=said) as told:
        cases_of(study(root / named if named else None, modality, **changes))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", ["{", "[]", '{"channel_names": {"0": "CT"}}'])
def test_another_listing_is_told_in_one_line(root, content):
    (root / "Task07_Pancreas/dataset.json").write_text(content)
    said = "dataset.json: is no listing of the Decathlon; expected `modality`"
    with pytest.raises(UserError, match=said) as told:
        cases_of(study(root / "Task07_Pancreas", "ct"))
    assert "\n" not in str(told.value)
