import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.preprocessing import fingerprint_fold, labels, preprocess_case, source
from remodal.results.files import read_json, sha256, write_json
from remodal.results.records import Record, quarantine, read_record
from remodal.settings import PreprocessingSettings

from .conftest import Study, leave_out, leave_unlabelled


@pytest.fixture
def fold(registered: Path, splits: Path) -> Path:
    """Folder of the fold, beside its fingerprint."""
    fingerprint_fold(Study(), splits, 0, registered, splits.parent / "fold0.fingerprint.json")
    return splits.parent / "fold0"


def preprocessed(
    registered: Path,
    fold: Path,
    case: str = "d",
    study: Study | None = None,
    quarantine: bool = True,
):
    (record,) = preprocess_case(
        study or Study(),
        case,
        registered / case,
        [fold.with_suffix(".fingerprint.json")],
        fold.parent,
        quarantine=quarantine,
    )
    return record


def test_arrays_are_mapped_and_lie_on_one_grid(registered, fold) -> None:
    record = preprocessed(registered, fold)
    assert record == read_record(fold / "d.json")
    assert record.ok
    image = np.load(fold / "d.npy", mmap_mode="r")
    label = np.load(fold / "d.label-venous.npy", mmap_mode="r")
    assert (image.dtype, label.dtype) == (np.float16, np.uint8)
    assert image.shape == (2, *record.details["shape"])
    assert label.shape == image.shape[1:]
    assert image.flags.c_contiguous
    # Test case d has spacing (1.7, 1.0, 1.3); the training cases' median is (1.95, 1.0, 1.05).
    assert record.details["spacing"] == pytest.approx([1.95, 1.0, 1.05], rel=0.05)
    assert set(np.unique(label)) == {0, 1}


def test_the_record_names_the_content_of_the_arrays(registered, fold) -> None:
    record = preprocessed(registered, fold)
    assert record.details["sha256"] == {
        "image": sha256(fold / "d.npy"),
        "label-venous": sha256(fold / "d.label-venous.npy"),
    }


def test_storage_may_be_float32(registered, fold) -> None:
    study = Study(PreprocessingSettings(storage="float32"))
    preprocessed(registered, fold, study=study)
    exact = np.load(fold / "d.npy")
    assert exact.dtype == np.float32
    preprocessed(registered, fold)
    np.testing.assert_allclose(np.load(fold / "d.npy"), exact, rtol=1e-3, atol=1e-3)


def test_listed_foreground_voxels_are_those_of_the_class(registered, fold, monkeypatch) -> None:
    record = preprocessed(registered, fold)
    label = np.load(fold / "d.label-venous.npy")
    listed = record.details["foreground"]["venous"]["1"]
    np.testing.assert_array_equal(listed, np.argwhere(label == 1))
    assert record.details["voxels"] == {"venous": {"1": int((label == 1).sum())}}

    monkeypatch.setattr(labels, "_LISTED_VOXELS", 20)
    record = preprocessed(registered, fold)
    some = record.details["foreground"]["venous"]["1"]
    assert len({tuple(voxel) for voxel in some}) == 20
    assert {tuple(voxel) for voxel in some} < {tuple(voxel) for voxel in listed}


def test_the_same_input_gives_the_same_bytes(registered, fold, monkeypatch) -> None:
    monkeypatch.setattr(labels, "_LISTED_VOXELS", 20)
    digests = []
    for _ in range(2):
        preprocessed(registered, fold)
        digests.append([sha256(fold / f"d{end}") for end in (".npy", ".label-venous.npy", ".json")])
    assert digests[0] == digests[1]


def test_a_quarantine_is_passed_on_with_its_reason(registered, fold) -> None:
    reason = "d, series 2: 1 slice"
    quarantine(
        registered / "d" / "registration.json", Record(case="d", stage="convert", reason=reason)
    )
    record = preprocessed(registered, fold)
    assert (record.status, record.reason) == ("quarantined", reason)
    assert (fold / "d.npy").stat().st_size == (fold / "d.label-venous.npy").stat().st_size == 0
    with pytest.raises(BadCase, match="1 slice"):
        preprocessed(registered, fold, quarantine=False)


def test_a_bad_image_is_quarantined(registered, fold) -> None:
    path = registered / "d" / "venous.nii.gz"
    image = read_volume(path)
    write_volume(path, image.with_array(np.full_like(image.array, -1000)))
    write_volume(
        registered / "d" / "arterial.nii.gz", image.with_array(np.full_like(image.array, -1000))
    )
    record = preprocessed(registered, fold)
    assert not record.ok
    assert "no body found" in record.reason


def test_a_label_on_another_grid_is_quarantined(registered, fold) -> None:
    path = registered / "d" / "label-venous.nii.gz"
    label = read_volume(path)
    write_volume(path, Volume(label.array, Geometry(label.array.shape, label.geometry.spacing)))
    assert "another grid" in preprocessed(registered, fold).reason


def test_what_a_label_loses_is_said(registered, fold) -> None:
    study = Study(PreprocessingSettings.model_validate({"crop": "nonzero", "clip": "none"}))
    image = read_volume(registered / "d" / "venous.nii.gz")
    image = image.with_array(np.where(image.array == -1000, 0, np.abs(image.array) + 1))
    for modality in ("arterial", "venous"):
        write_volume(registered / "d" / f"{modality}.nii.gz", image)
    label = image.with_array(np.zeros(image.array.shape, np.uint8))
    label.array[8:12, 8:12, 8:12] = 2
    assert warnings_of(registered, fold, study, label) == []
    label.array[0, 0, 0] = 2
    assert warnings_of(registered, fold, study, label) == [
        "label-venous: 1 of 65 voxels of `tumour` lie outside the crop"
    ]
    label.array[:] = 0
    label.array[10, 12, 13] = 2
    coarse = Study(study.preprocessing.model_copy(update={"spacing": (6, 6, 6)}))
    fingerprint_fold(
        coarse, fold.parent / "splits.json", 0, registered, fold.with_suffix(".fingerprint.json")
    )
    assert warnings_of(registered, fold, coarse, label) == [
        "label-venous: all 1 voxels of `tumour` vanish at the target spacing"
    ]


def warnings_of(registered: Path, fold: Path, study: Study, label: Volume) -> list[str]:
    write_volume(registered / "d" / "label-venous.nii.gz", label)
    return preprocessed(registered, fold, study=study).warnings


def test_a_missing_fingerprint_is_an_error(registered, fold) -> None:
    fold.with_suffix(".fingerprint.json").unlink()
    with pytest.raises(UserError, match="remodal fingerprint"):
        preprocessed(registered, fold)


def test_no_torch_is_imported() -> None:
    program = "import sys, remodal.preprocessing; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_arrays_hold_the_modalities_that_the_case_has_and_no_others(registered, fold) -> None:
    preprocessed(registered, fold)
    complete = np.load(fold / "d.npy")
    leave_out(registered / "d", "arterial")
    record = preprocessed(registered, fold)
    assert record.ok
    assert record.details["modalities"] == list(record.details["intensities"]) == ["venous"]
    # Both images have the same body, so that the crop is the same.
    np.testing.assert_array_equal(np.load(fold / "d.npy"), complete[1:])


def test_a_case_without_a_label_has_its_images_and_no_label(registered, fold) -> None:
    labelled = preprocessed(registered, fold)
    image = (fold / "d.npy").read_bytes()
    leave_unlabelled(registered / "d")
    record = preprocessed(registered, fold)
    assert record.ok
    assert (fold / "d.npy").read_bytes() == image
    assert (fold / "d.label-venous.npy").stat().st_size == 0
    assert labelled.details["labels"] == ["venous"]
    assert record.details["labels"] == []
    assert record.details["foreground"] == record.details["voxels"] == {}
    assert set(record.details["sha256"]) == {"image"}


@pytest.fixture
def two_folds(registered, splits, monkeypatch):
    """Preprocess `d` for two folds; what is read and resampled meanwhile is counted."""
    content = read_json(splits)
    content["folds"].append({"train": ["c", "d"], "validation": [], "test": ["a", "b"]})
    write_json(splits, content)
    counted = Counter()

    def counting(module, name: str) -> None:
        original = getattr(module, name)

        def counted_call(*arguments):
            counted[name] += 1
            return original(*arguments)

        monkeypatch.setattr(module, name, counted_call)

    counting(source, "read_volume")
    counting(labels, "resample_labels")

    def run(**preprocessing) -> tuple[list[Record], Counter]:
        study = Study(PreprocessingSettings.model_validate(preprocessing))
        files = [splits.parent / f"fold{fold}.fingerprint.json" for fold in range(2)]
        for fold, file in enumerate(files):
            fingerprint_fold(study, splits, fold, registered, file)
        counted.clear()
        output = splits.parent / "preprocessed"
        return preprocess_case(study, "d", registered / "d", files, output), counted

    return run


def folders(splits: Path) -> list[str]:
    return sorted(path.name for path in (splits.parent / "preprocessed").iterdir())


def test_folds_that_do_not_differ_share_what_is_stored(two_folds, splits) -> None:
    records, _ = two_folds(clip={"range": [-100, 200]}, spacing=[1.5, 1, 1])
    assert len(records) == 1
    assert folders(splits) == ["all"]
    names = {path.name for path in (splits.parent / "preprocessed/all").iterdir()}
    assert names == {"d.npy", "d.label-venous.npy", "d.json"}


@pytest.mark.parametrize(
    ("preprocessing", "resampled"), [({"spacing": [1.5, 1, 1]}, 1), ({"clip": "case"}, 2)]
)
def test_what_folds_have_in_common_is_made_once(two_folds, splits, preprocessing, resampled):
    records, counted = two_folds(**preprocessing)
    assert folders(splits) == ["fold0", "fold1"]
    assert counted == {"read_volume": 3, "resample_labels": resampled}
    assert len(records) == 2
    first, second = (record.details["intensities"]["venous"]["lower"] for record in records)
    assert (first != second) is ("clip" not in preprocessing)


def test_folds_that_differ_need_their_fingerprints(registered, tmp_path) -> None:
    with pytest.raises(UserError, match="expected --fingerprint of each fold"):
        preprocess_case(Study(), "d", registered / "d", [], tmp_path)
    shared = Study(PreprocessingSettings.model_validate({"clip": "none", "spacing": [1, 1, 1]}))
    (record,) = preprocess_case(shared, "d", registered / "d", [], tmp_path)
    assert record == read_record(tmp_path / "all/d.json")
