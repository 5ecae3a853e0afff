"""A folder of BraTS from its files to prepared arrays: what is wrong with a case is said of it."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.geometry.volume import Geometry
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import CaseSource, cases_of
from remodal.intake.nifti import read_volume
from remodal.preprocessing import preprocess_case
from remodal.registration.case import register_case
from remodal.results.records import Record
from remodal.settings import Settings
from remodal.settings.composition import validated

SHAPE = (12, 16, 16)
WORDS = {
    "Brats18_2013_0_1": ("t1", "t1ce", "t2", "flair"),
    "BraTS-GLI-00001-000": ("t1n", "t1c", "t2w", "t2f"),
}


def study(folder: Path) -> Settings:
    sequences = ["t1", "t1ce", "t2", "flair"]
    content = {
        "study": "brats",
        "preset": "smoke",
        "title": "BraTS",
        "data": {
            "name": "brats",
            "source": "brats",
            "folder": folder,
            "modalities": sequences,
            "classes": {"necrosis": [1], "oedema": [2], "enhancing": [4]},
        },
        "registration": {"method": "none", "fixed": "t1ce", "body_threshold": None, "outside": 0},
        "preprocessing": {
            "clip": "none",
            "normalise": "case_nonzero",
            "crop": "nonzero",
            "spacing": [1, 1, 1],
        },
        "methods": {"nnunet": {"type": "nnunet", "label": "nnUNet"}},
        "scenarios": {"all": sequences},
    }
    return validated(content, "test")


def write(path: Path, array: np.ndarray, origin=(0.0, -239.0, 0.0)) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))


def label_of(enhancing: int) -> np.ndarray:
    label = np.zeros(SHAPE, np.uint8)
    label[4:9, 5:11, 5:11] = 2
    label[5:8, 6:10, 6:10] = enhancing
    label[6, 7:9, 7:9] = 1
    return label


@pytest.fixture
def brats(tmp_path, monkeypatch):
    """Writes one case and returns the folder of the data set and that of the case."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, enhancing: int) -> tuple[Path, Path]:
        around = Path("brats") / ("LGG" if name.startswith("Brats18") else "TrainingData")
        folder = around / name
        folder.mkdir(parents=True)
        separator = name[len("Brats18")] if name.startswith("Brats18") else "-"
        rng = np.random.default_rng(0)
        for word in WORDS[name]:
            image = np.zeros(SHAPE, np.int16)
            image[2:11, 3:14, 2:13] = rng.integers(100, 400, (9, 11, 11))
            write(folder / f"{name}{separator}{word}.nii.gz", image)
        write(folder / f"{name}{separator}seg.nii.gz", label_of(enhancing))
        return Path("brats"), folder

    return make


def prepared(settings: Settings, case: CaseSource) -> tuple[Record, Record]:
    """The records of a case's registration and preprocessing; a bad one is quarantined."""
    converted, registered = Path("converted"), Path("registered")
    for name, path in case.images.items():
        files = converted / f"{name}.nii.gz", converted / f"{name}.json"
        convert_image(path, *files, case=case.case, modality=name, quarantine=True)
    for name, source in case.labels.items():
        convert_label(
            source,
            converted / f"{name}.json",
            converted / f"{name}.nii.gz",
            converted / f"label-{name}.nii.gz",
            converted / f"label-{name}.json",
            case=case.case,
            drawn_on=name,
            quarantine=True,
        )
    names = list(case.images), list(case.labels)
    record = register_case(settings, case.case, converted, registered, *names, quarantine=True)
    (made,) = preprocess_case(settings, case.case, registered, [], Path("made"), quarantine=True)
    return record, made


@pytest.mark.parametrize(("name", "enhancing"), [("Brats18_2013_0_1", 4), (list(WORDS)[1], 3)])
def test_every_years_labels_become_the_same_classes(name, enhancing, brats):
    root, _ = brats(name, enhancing)
    settings = study(root)
    (case,) = cases_of(settings)
    record, made = prepared(settings, case)
    assert record.ok
    assert made.ok
    label = read_volume(Path("registered/label-t1ce.nii.gz"))
    assert np.unique(label.array).tolist() == [0, 1, 2, 4]
    assert label.geometry == Geometry(SHAPE, (1.0, 1.0, 1.0), (0.0, -239.0, 0.0))
    indices = np.load(f"made/all/{case.case}.label-t1ce.npy")
    counts = {str(value): int((label_of(4) == value).sum()) for value in (1, 2, 4)}
    assert made.details["voxels"]["t1ce"] == dict(zip("123", counts.values()))
    assert indices.shape == (9, 11, 11)  # the brain, and no more
    assert made.details["modalities"] == ["t1", "t1ce", "t2", "flair"]


def label_of_another_release(folder):
    write(folder / "Brats18_2013_0_1_seg.nii.gz", label_of(3))


def sequence_on_another_grid(folder):
    image = np.full((10, 16, 16), 100, np.int16)
    image[5] = 7
    write(folder / "Brats18_2013_0_1_t2.nii.gz", image)


def sequence_elsewhere(folder):
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "Brats18_2013_0_1_t2.nii.gz")))
    write(folder / "Brats18_2013_0_1_t2.nii.gz", image, origin=(0.0, -239.0, 1.5))


def no_sequence(folder):
    for word in WORDS[folder.name]:
        (folder / f"{folder.name}_{word}.nii.gz").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (label_of_another_release, "unknown value 3; expected 0, 1, 2, 4"),
        (sequence_on_another_grid, "t2: lies on another grid (16 x 16 x 10 voxels"),
        (sequence_elsewhere, "expected the same grid"),
        (no_sequence, "there is no such image; expected a DICOM folder or an image file"),
    ],
)
def test_a_bad_case_is_quarantined_with_one_line(spoil, said, brats):
    root, folder = brats("Brats18_2013_0_1", 4)
    spoil(folder)
    settings = study(root)
    (case,) = cases_of(settings)
    record, _ = prepared(settings, case)
    assert not record.ok
    assert said in record.reason
    assert "LGG__Brats18_2013_0_1" in record.reason
    assert "\n" not in record.reason


def test_a_case_without_a_sequence_serves_where_the_others_suffice(brats):
    root, folder = brats("Brats18_2013_0_1", 4)
    (folder / "Brats18_2013_0_1_flair.nii.gz").unlink()
    settings = study(root)
    (case,) = cases_of(settings)
    record, made = prepared(settings, case)
    assert record.ok
    assert made.details["modalities"] == ["t1", "t1ce", "t2"]
