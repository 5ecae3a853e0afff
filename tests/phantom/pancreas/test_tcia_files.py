"""A simulated patient of Pancreas-CT as other people's software sees it, and as we convert it."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets.pancreas_ct import case_source
from remodal.intake.datasets.pancreas_phantom import PancreasPhantomOptions
from remodal.intake.nifti import read_volume
from remodal.intake.pancreas_ct import find_cases
from remodal.phantom.pancreas.tcia_files import simulate_case, simulate_image
from remodal.results.files import sha256
from remodal.results.records import read_record

OPTIONS = PancreasPhantomOptions(cases=8, matrix=48, slices=(26, 30), slice_spacing=8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Folders of two patients, by where the slices of each are numbered from."""
    root = tmp_path_factory.mktemp("tcia")
    found = {}
    for number in range(1, OPTIONS.cases + 1):
        folder = root / f"PANCREAS_{number:04d}"
        simulate_case(OPTIONS, folder.name, folder, Path("unused"))
        order = read_record(folder / "record.json").details["numbered_from"]
        found.setdefault(order, folder)
        if len(found) == 2:
            return found
    raise AssertionError("all patients are numbered from the same end")


def _convert(folder, output):
    case = case_source(*find_cases(folder))
    image, record = output / "ct.nii.gz", output / "ct.json"
    convert_image(case.images["ct"], image, record, case=case.case, modality="ct")
    convert_label(
        case.labels["ct"],
        record,
        image,
        output / "label.nii.gz",
        output / "label.json",
        case=case.case,
        drawn_on="ct",
    )
    return read_volume(image), read_volume(output / "label.nii.gz")


@pytest.mark.parametrize("numbered_from", ["head", "feet"])
def test_the_label_lands_on_the_pancreas_after_conversion(folders, numbered_from, tmp_path):
    folder = folders[numbered_from]
    image, label = _convert(folder, tmp_path)
    drawn_image, drawn, _ = simulate_image(OPTIONS, int(folder.name[-4:]))
    np.testing.assert_array_equal(image.array, drawn_image.array)
    np.testing.assert_array_equal(label.array, drawn.array)
    assert drawn.array.any()


@pytest.mark.parametrize("numbered_from", ["head", "feet"])
def test_the_label_follows_the_files_numbers_and_not_its_header(folders, numbered_from, tmp_path):
    (case,) = find_cases(folders[numbered_from])
    files = sorted(case.series.rglob("*.dcm"), key=lambda path: path.name)
    assert files[0].name == "1-001.dcm"
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    assert [int(one.InstanceNumber) for one in headers] == list(range(1, len(files) + 1))
    heights = np.array([float(one.ImagePositionPatient[2]) for one in headers])
    assert (np.diff(heights) > 0).all() == (numbered_from == "feet")
    label = sitk.ReadImage(str(case.label))
    _, converted = _convert(folders[numbered_from], tmp_path)
    by_height = sitk.GetArrayFromImage(label)[np.argsort(heights)]
    np.testing.assert_array_equal(by_height, converted.array)
    # Its header alone would flip it from left to right and from front to back.
    assert label.GetDirection() == (-1, 0, 0, 0, -1, 0, 0, 0, 1)


def test_the_same_patient_has_the_same_bytes_whatever_others_there_are(folders, tmp_path):
    folder = folders["head"]
    more = OPTIONS.model_copy(update={"cases": 82})
    simulate_case(more, folder.name, tmp_path, Path("unused"))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        assert sha256(path) == sha256(tmp_path / path.relative_to(folder))
