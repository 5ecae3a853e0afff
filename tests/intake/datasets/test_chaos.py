"""A miniature of CHAOS's MR, as it is distributed: written by pydicom and Pillow."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import cases_of
from remodal.intake.inspection import inspect_sources
from remodal.intake.nifti import read_volume
from remodal.settings import Settings
from remodal.settings.composition import validated

T1 = Geometry((5, 12, 14), (1.8, 1.8, 5.5), (-12.0, -9.0, 100.0))
T2 = Geometry((4, 10, 9), (1.6, 1.6, 8.0), (-11.0, -8.0, 97.0))
#: Grey values as distributed, one for each organ, and their values here.
GREY = {63: 1, 126: 2, 189: 3, 252: 4}


def image_of(geometry: Geometry, base: int) -> Volume:
    """An image whose slices, rows and columns all differ."""
    z, y, x = np.indices(geometry.shape)
    return Volume((base + 100 * z + 5 * y + x).astype(np.int16), geometry)


def organs(geometry: Geometry) -> np.ndarray:
    """Grey values of a label: an organ in each corner of all slices but the last, liver there."""
    array = np.zeros(geometry.shape, np.uint8)
    for place, grey in enumerate(GREY):
        array[place % (len(array) - 1), 1 + 2 * place : 3 + 2 * place, 2:5] = grey
    array[-1, 1:3, 1:7] = 63
    return array


def write_pictures(folder: Path, array: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for index, plane in enumerate(array):
        Image.fromarray(plane).save(folder / f"IMG-0004-{index + 1:05d}.png")


@pytest.fixture
def folder(tmp_path, write_series):
    """Three patients, one without labels, as in the folder for tests; and CT beside them."""
    for number in ("1", "2", "10"):
        patient = tmp_path / "Train_Sets/MR" / number
        for phase, base in (("InPhase", 0), ("OutPhase", 500)):
            write_series(patient / "T1DUAL/DICOM_anon" / phase, image_of(T1, base))
        write_series(patient / "T2SPIR/DICOM_anon", image_of(T2, 200))
        if number != "2":
            write_pictures(patient / "T1DUAL/Ground", organs(T1))
            write_pictures(patient / "T2SPIR/Ground", organs(T2))
        else:
            (patient / "T1DUAL/Ground").mkdir()
    (tmp_path / "Train_Sets/CT/1/DICOM_anon").mkdir(parents=True)
    return tmp_path


def study(folder: Path, *modalities: str, **changes) -> Settings:
    names = list(modalities) or ["t1", "t2"]
    content = {
        "study": "chaos",
        "preset": "paper",
        "title": "CHAOS",
        "data": {
            **{"name": "chaos", "source": "chaos", "folder": folder, "modalities": names},
            **{"truth": "image", "classes": {"liver": [1]}, **changes},
        },
        "registration": {"method": "header", "fixed": names[-1]},
        "methods": {"nnunet": {"type": "nnunet", "label": "nnUNet", "modalities": [names[0]]}},
        "scenarios": {"one": {"present": [names[0]]}},
    }
    return validated(content, "test")


@pytest.mark.parametrize("named", [".", "Train_Sets", "Train_Sets/MR"])
def test_patients_are_found_with_the_label_of_each_image(folder, named):
    found = cases_of(study(folder / named))
    assert [case.case for case in found] == ["MR_1", "MR_2", "MR_10"]
    assert [list(case.labels) for case in found] == [["t1", "t2"], [], ["t1", "t2"]]
    assert found[0].images["t1"].parts[-3:] == ("T1DUAL", "DICOM_anon", "InPhase")
    assert found[0].patient == "MR_1"


def test_the_image_out_of_phase_has_the_label_of_the_one_in_phase(folder):
    (case, *_) = cases_of(study(folder, "t1_out", "t2"))
    assert case.images["t1_out"].name == "OutPhase"
    assert case.labels["t1_out"].files[0].parts[-2:] == ("T1DUAL", "Ground")


def converted(case, modality: str, folder: Path) -> tuple[Volume, Volume]:
    """An image and its label, as converted."""
    image, record = folder / "image.nii.gz", folder / "image.json"
    label, told = folder / "label.nii.gz", folder / "label.json"
    convert_image(case.images[modality], image, record, case=case.case, modality=modality)
    source = case.labels[modality]
    convert_label(source, record, image, label, told, case=case.case, drawn_on=modality)
    return read_volume(image), read_volume(label)


@pytest.mark.parametrize("modality", ["t1", "t2"])
def test_a_picture_lies_on_its_slice_along_the_series_normal(folder, modality, tmp_path):
    (case, *_) = cases_of(study(folder))
    geometry = {"t1": T1, "t2": T2}[modality]
    image, label = converted(case, modality, tmp_path)
    assert label.geometry.agrees_with(geometry)
    for grey, value in GREY.items():
        np.testing.assert_array_equal(label.array == value, organs(geometry) == grey)
    # The grey values of the image say which slice they are of.
    truth = image_of(geometry, {"t1": 0, "t2": 200}[modality]).array
    np.testing.assert_array_equal(image.array[label.array == 1], truth[organs(geometry) == 63])


def test_values_about_those_of_the_liver_are_the_liver_and_others_are_refused(folder, tmp_path):
    (case, *_) = cases_of(study(folder))
    first = sorted((folder / "Train_Sets/MR/1/T2SPIR/Ground").iterdir())[0]
    for grey in (55, 70):
        Image.fromarray(np.full(T2.shape[1:], grey, np.uint8)).save(first)
        assert (converted(case, "t2", tmp_path)[1].array[0] == 1).all()
    Image.fromarray(np.full(T2.shape[1:], 71, np.uint8)).save(first)
    with pytest.raises(BadCase, match="90 voxels of the label have the unknown value 71"):
        converted(case, "t2", tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.unlink(), "3 pictures of 10 x 9 pixels; expected 4 of 10 x 9"),
        (lambda file: Image.new("L", (9, 9)).save(file), "4 pictures of 9 x 9 and 10 x 9 pixels"),
        (lambda file: Image.new("RGB", (9, 10)).save(file), "the label's pictures are in colour"),
        (
            lambda file: file.write_bytes(file.read_bytes()[:60]),
            "a picture of the label is damaged",
        ),
    ],
    ids=["a slice less", "another size", "colour", "cut short"],
)
def test_pictures_that_are_not_the_images_slices_are_a_bad_case(folder, tmp_path, change, said):
    (case, *_) = cases_of(study(folder))
    change(sorted((folder / "Train_Sets/MR/1/T2SPIR/Ground").iterdir())[1])
    with pytest.raises(BadCase, match=said):
        converted(case, "t2", tmp_path)


def test_pictures_are_looked_at_before_a_run(folder):
    said = {(f.case, f.name): f.said for f in inspect_sources(cases_of(study(folder)), {})}
    assert said["MR_1", "label-t1"] == "5 pictures"
    assert said["MR_1", "t2"].startswith("DICOM series, 9 x 10 x 4 voxels")


def test_a_patient_may_lack_an_image(folder):
    for path in (folder / "Train_Sets/MR/10/T1DUAL").rglob("*"):
        path.rename(path.with_name("elsewhere")) if path.name == "InPhase" else None
    *_, last = cases_of(study(folder))
    assert (list(last.images), list(last.labels)) == (["t2"], ["t2"])


def test_another_folder_another_image_and_a_patient_twice_are_one_clear_line(folder, tmp_path):
    with pytest.raises(UserError, match="`t1ce` is no image of CHAOS; expected one of t1, t1_out"):
        cases_of(study(folder, "t1ce"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: holds no patient of CHAOS; expected CHAOS's MR/1"):
        cases_of(study(tmp_path / "empty"))
    (folder / "Test_Sets/MR/1/T1DUAL").mkdir(parents=True)
    with pytest.raises(UserError, match="the patient is there twice; expected once"):
        cases_of(study(folder))
