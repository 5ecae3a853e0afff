"""A miniature of the 2018 left atrium challenge, as it is distributed."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import BadCase, UserError
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import cases_of
from remodal.intake.nifti import read_volume
from remodal.settings import Settings
from remodal.settings.composition import validated

SCANS = ("1D7CUD1955YZPGK8XHJX", "0RZDK210BSMWAA6467LU")
SHAPE = (8, 12, 10)


def write(path: Path, array: np.ndarray) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.625, 0.625, 1.25))
    image.SetOrigin((-180.0, -160.0, 20.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)


def cavity() -> np.ndarray:
    label = np.zeros(SHAPE, np.uint8)
    label[2:6, 4:9, 3:7] = 255
    return label


@pytest.fixture
def folder(tmp_path):
    """The archive's folder around the set's, beside files that are no scans."""
    for seed, name in enumerate(SCANS):
        scan = tmp_path / "Training Set" / name
        rng = np.random.default_rng(seed)
        write(scan / "lgemri.nrrd", rng.integers(0, 255, SHAPE).astype(np.uint8))
        write(scan / "laendo.nrrd", cavity())
    (tmp_path / "__MACOSX/Training Set").mkdir(parents=True)
    (tmp_path / "Training Set/.DS_Store").touch()
    return tmp_path


def study(folder: Path | None, modality: str = "mr") -> Settings:
    content = {
        "study": "atrium",
        "preset": "paper",
        "title": "Left atrium",
        "data": {
            "name": "atrium",
            "source": "left_atrium",
            "folder": folder,
            "modalities": [modality],
            "classes": {"left_atrium": [1]},
        },
        "registration": {"method": "none", "fixed": modality},
        "methods": {"vnet": {"type": "vnet"}},
        "scenarios": {"mr": {"present": [modality]}},
    }
    return validated(content, "test")


@pytest.mark.parametrize("named", [".", "Training Set"])
def test_scans_are_known_by_their_folders(folder, named):
    cases = cases_of(study(folder / named))
    assert [case.case for case in cases] == sorted(SCANS)
    assert all(case.patient == case.case for case in cases)
    scan = folder / "Training Set" / cases[0].case
    assert cases[0].images == {"mr": scan / "lgemri.nrrd"}
    assert cases[0].labels["mr"].files == (scan / "laendo.nrrd",)


def test_image_and_label_are_converted_and_255_becomes_1(folder, tmp_path):
    case, _ = cases_of(study(folder))
    image, label = tmp_path / "mr.nii.gz", tmp_path / "label.nii.gz"
    record = tmp_path / "mr.json"
    convert_image(case.images["mr"], image, record, case=case.case, modality="mr")
    files = (record, image, label, tmp_path / "label.json")
    convert_label(case.labels["mr"], *files, case=case.case, drawn_on="mr")
    found = read_volume(label)
    np.testing.assert_array_equal(found.array, cavity() // 255)
    assert found.geometry.spacing == pytest.approx((0.625, 0.625, 1.25))
    assert found.geometry.agrees_with(read_volume(image).geometry)


def test_a_label_with_other_values_is_a_bad_case(folder, tmp_path):
    case, _ = cases_of(study(folder))
    label = cavity()
    label[0, 0, 0] = 127
    write(case.labels["mr"].files[0], label)
    image, record = tmp_path / "mr.nii.gz", tmp_path / "mr.json"
    convert_image(case.images["mr"], image, record, case=case.case, modality="mr")
    files = (record, image, tmp_path / "label.nii.gz", tmp_path / "label.json")
    with pytest.raises(BadCase, match="the unknown value 127; expected 0, 255"):
        convert_label(case.labels["mr"], *files, case=case.case, drawn_on="mr")


def test_a_scan_without_a_label_is_unlabelled_and_one_without_an_image_is_quarantined(
    folder, tmp_path
):
    (folder / "Training Set" / SCANS[0] / "laendo.nrrd").unlink()
    (folder / "Training Set" / SCANS[1] / "lgemri.nrrd").unlink()
    without_image, without_label = cases_of(study(folder))
    assert without_label.labels == {}
    files = tmp_path / "mr.nii.gz", tmp_path / "mr.json"
    with pytest.raises(BadCase, match=f"{without_image.case}, mr: there is no such image"):
        convert_image(without_image.images["mr"], *files, case=without_image.case, modality="mr")


@pytest.mark.parametrize(
    ("named", "modality", "said"),
    [
        (None, "mr", "data.folder: no folder is named"),
        ("nowhere", "mr", "nowhere: there is no such folder"),
        ("__MACOSX", "mr", "holds no scan; expected folders of scans"),
        (".", "ct", "data.modalities: `ct` is no image of the left atrium challenge; expected mr$"),
    ],
)
def test_mistakes_of_the_study_are_told_in_one_line(folder, named, modality, said):
    with pytest.raises(UserError, match=said) as told:
        cases_of(study(folder / named if named else None, modality))
    assert "\n" not in str(told.value)
