import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import BadCase, EnvironmentProblem, UserError
from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.label_source import LabelSource
from remodal.intake.nifti import read_geometry, read_volume, write_volume
from remodal.intake.source_index import read_index, source_state, update_index
from remodal.results.files import sha256
from remodal.results.records import read_record


@pytest.fixture
def convert(tmp_path):
    def run(source, **options):
        output, record = tmp_path / "out" / "venous.nii.gz", tmp_path / "out" / "venous.json"
        options = {"case": "c1", "modality": "venous", "quarantine": True} | options
        return convert_image(source, output, record, **options)

    return run


@pytest.fixture
def convert_drawn(tmp_path):
    def run(source, **options):
        folder = tmp_path / "out"
        return convert_label(
            source if isinstance(source, LabelSource) else LabelSource((source,)),
            folder / "venous.json",
            folder / "venous.nii.gz",
            folder / "label-venous.nii.gz",
            folder / "label-venous.json",
            **({"case": "c1", "drawn_on": "venous", "quarantine": True} | options),
        )

    return run


def test_a_series_becomes_nifti_and_a_record(image, write_series, convert, tmp_path):
    write_series(tmp_path / "series", image)
    record = convert(tmp_path / "series")
    assert record == read_record(tmp_path / "out" / "venous.json")
    assert record.ok
    assert (record.case, record.stage, record.modality) == ("c1", "convert", "venous")
    found = read_volume(tmp_path / "out" / "venous.nii.gz")
    np.testing.assert_array_equal(found.array, image.array)
    assert found.geometry.agrees_with(image.geometry)
    details = record.details
    assert details["shape"] == [6, 32, 34]
    assert details["spacing"] == [0.7, 0.8, 2.5]
    assert details["origin"] == [-101.5, 20.25, -333.0]
    assert details["direction"] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert (details["dtype"], details["format"]) == ("int16", "DICOM series")
    assert details["tags"]["Manufacturer"] == "ACME"
    assert details["range"] == np.percentile(image.array, [0.5, 99.5]).tolist()


def test_nothing_of_the_patient_is_in_the_outputs(image, write_series, convert, secrets, tmp_path):
    slices = write_series(tmp_path / "Doe_Jane" / "series", image)
    convert(tmp_path / "Doe_Jane")
    uids = [str(slices[0][name].value) for name in ("SeriesInstanceUID", "StudyInstanceUID")]
    header = sitk.ReadImage(str(tmp_path / "out" / "venous.nii.gz"))
    told = (tmp_path / "out" / "venous.json").read_text()
    told += " ".join(header.GetMetaData(key) for key in header.GetMetaDataKeys())
    for secret in (*secrets, *uids, "Doe", "066Y", str(tmp_path)):
        assert secret not in told


def test_equal_input_gives_equal_bytes(image, write_series, convert, tmp_path):
    write_series(tmp_path / "series", image)
    convert(tmp_path / "series")
    before = [sha256(tmp_path / "out" / name) for name in ("venous.nii.gz", "venous.json")]
    convert(tmp_path / "series")
    assert before == [sha256(tmp_path / "out" / name) for name in ("venous.nii.gz", "venous.json")]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("kind", ["int32", "float64", "uint8"])
def test_image_files_are_converted(suffix, kind, image, convert, tmp_path):
    source = tmp_path / f"image{suffix}"
    array = np.abs(image.array % 200).astype(kind)
    sitk.WriteImage(to_sitk(image.with_array(array)), str(source))
    record = convert(source)
    found = read_volume(tmp_path / "out" / "venous.nii.gz")
    np.testing.assert_array_equal(found.array, array)
    assert found.array.dtype == np.int16
    assert found.geometry.agrees_with(image.geometry)
    assert record.details["sha256"] == sha256(source)


def test_fractions_and_large_values_are_kept_as_float32(image, convert, tmp_path):
    write_volume(tmp_path / "v.nii.gz", image.with_array(image.array / np.float64(4)))
    convert(tmp_path / "v.nii.gz")
    found = read_volume(tmp_path / "out" / "venous.nii.gz").array
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, image.array / 4)
    write_volume(tmp_path / "v.nii.gz", image.with_array(image.array.astype(np.int32) * 100))
    convert(tmp_path / "v.nii.gz")
    found = read_volume(tmp_path / "out" / "venous.nii.gz").array
    np.testing.assert_array_equal(found, image.array.astype(int) * 100)


def _spoilt(image, what):
    array = image.array.astype(np.float32)
    if what == "nan":
        array[1, 2, 3] = np.nan
    elif what == "infinite":
        array[1, 2, 3] = np.inf
    elif what == "constant":
        array[:] = -1000
    return image.with_array(array)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("nan", "1 voxels are NaN or infinite"),
        ("infinite", "1 voxels are NaN or infinite"),
        ("constant", "every voxel is -1000"),
    ],
)
def test_bad_images_are_quarantined(what, reason, image, convert, tmp_path):
    write_volume(tmp_path / "Doe.nii.gz", _spoilt(image, what))
    record = convert(tmp_path / "Doe.nii.gz")
    assert not record.ok
    assert reason in record.reason
    assert record.reason.startswith("c1, venous: ")
    assert "Doe" not in record.reason
    assert record == read_record(tmp_path / "out" / "venous.json")
    assert (tmp_path / "out" / "venous.nii.gz").read_bytes() == b""


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "there is no such image"),
        (lambda path: path.mkdir(), "the folder is empty"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("hello"), "cannot be read as an image"),
    ],
)
def test_what_is_no_image_is_quarantined(make, reason, convert, tmp_path):
    make(tmp_path / "Doe")
    record = convert(tmp_path / "Doe")
    assert reason in record.reason
    assert "Doe" not in record.reason


def test_a_single_slice_image_is_quarantined(convert, tmp_path):
    geometry = Geometry((1, 4, 4), (1.0, 1.0, 1.0))
    write_volume(tmp_path / "v.nii.gz", Volume(np.arange(16.0).reshape(1, 4, 4), geometry))
    assert "1 slice" in convert(tmp_path / "v.nii.gz").reason


def test_numbers_that_32_bits_do_not_hold_are_quarantined(image, convert, tmp_path):
    array = image.array.astype(np.float64)
    array[2, 3, 4] = 1e300
    write_volume(tmp_path / "v.nii.gz", image.with_array(array))
    assert "1 voxels are NaN or infinite in 32-bit floats" in convert(tmp_path / "v.nii.gz").reason


def test_what_an_image_file_leaves_open_is_in_the_record(image, convert, tmp_path):
    write_volume(tmp_path / "v.nii", image)
    raw = bytearray((tmp_path / "v.nii").read_bytes())
    raw[252:256] = bytes(4)  # qform_code and sform_code
    (tmp_path / "v.nii").write_bytes(raw)
    record = convert(tmp_path / "v.nii")
    assert record.ok
    assert "neither sform nor qform is set" in record.warnings[0]


def test_a_series_in_a_linked_sub_folder_is_read(image, write_series, convert, tmp_path):
    write_series(tmp_path / "elsewhere", image)
    (tmp_path / "series").mkdir()
    (tmp_path / "series/export").symlink_to(tmp_path / "elsewhere")
    assert convert(tmp_path / "series").ok


def test_without_quarantine_a_bad_image_raises_and_leaves_nothing(convert, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadCase, match="c1, venous: the folder is empty"):
        convert(tmp_path / "empty", quarantine=False)
    assert not (tmp_path / "out").exists()


def test_a_file_that_may_not_be_read_is_the_machines_fault(image, convert, tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    write_volume(tmp_path / "v.nii.gz", image)
    monkeypatch.setattr("remodal.intake.convert.read_image", refused)
    with pytest.raises(EnvironmentProblem, match="no permission to read"):
        convert(tmp_path / "v.nii.gz")
    assert not (tmp_path / "out").exists()


def test_a_label_lands_on_its_image(image, write_series, convert, convert_drawn, tmp_path):
    write_series(tmp_path / "series", image)
    convert(tmp_path / "series")
    array = np.zeros(image.array.shape, np.uint8)
    array[2:4, 8:12, 8:12] = 2
    turned = sitk.DICOMOrient(to_sitk(image.with_array(array)), "RAS")
    sitk.WriteImage(turned, str(tmp_path / "label.nrrd"))
    record = convert_drawn(tmp_path / "label.nrrd")
    assert record.ok
    assert (record.stage, record.modality) == ("convert-label", "venous")
    assert record.details["values"] == {"2": 32}
    found = read_volume(tmp_path / "out" / "label-venous.nii.gz")
    np.testing.assert_array_equal(found.array, array)
    assert found.geometry == read_geometry(tmp_path / "out" / "venous.nii.gz")


def test_an_empty_label_is_told(image, convert, convert_drawn, tmp_path):
    write_volume(tmp_path / "v.nii.gz", image)
    convert(tmp_path / "v.nii.gz")
    write_volume(tmp_path / "label.nii.gz", image.with_array(np.zeros((6, 32, 34), np.uint8)))
    record = convert_drawn(tmp_path / "label.nii.gz")
    assert record.ok
    assert record.warnings == ["the label is empty"]
    assert record.details["values"] == {}


def test_a_label_of_several_files_is_known_by_all(image, convert, convert_drawn, tmp_path):
    write_volume(tmp_path / "v.nii.gz", image)
    convert(tmp_path / "v.nii.gz")
    files = tuple(tmp_path / f"{name}.nii.gz" for name in ("liver", "tumour"))
    for rows, file in zip((20, 10), files):
        mask = np.zeros(image.array.shape, np.uint8)
        mask[2, 5:rows] = 1
        write_volume(file, image.with_array(mask))
    label = LabelSource(files, (1, 2))
    update_index(tmp_path / "samples.tsv", list(files))
    indexed = source_state(files, read_index(tmp_path / "samples.tsv"))
    record = convert_drawn(label, indexed=indexed)
    assert record.details["values"] == {"1": 10 * 34, "2": 5 * 34}
    assert record.details["sha256"] == indexed
    with pytest.raises(UserError, match="not what the sheet's index says"):
        convert_drawn(LabelSource(files[::-1], (1, 2)), indexed=indexed)


def test_a_bad_label_is_quarantined(image, convert, convert_drawn, tmp_path):
    write_volume(tmp_path / "v.nii.gz", image)
    convert(tmp_path / "v.nii.gz")
    write_volume(tmp_path / "label.nii.gz", image.with_array(image.array / np.float32(7)))
    record = convert_drawn(tmp_path / "label.nii.gz")
    assert record.reason.startswith("c1, label-venous: ")
    assert "not whole numbers" in record.reason
    assert (tmp_path / "out" / "label-venous.nii.gz").read_bytes() == b""
    with pytest.raises(BadCase, match="not whole numbers"):
        convert_drawn(tmp_path / "label.nii.gz", quarantine=False)
    assert "no such label" in convert_drawn(tmp_path / "nowhere.dcm").reason


def test_the_image_s_quarantine_is_passed_on(convert, convert_drawn, tmp_path):
    (tmp_path / "empty").mkdir()
    image_record = convert(tmp_path / "empty")
    record = convert_drawn(tmp_path / "label.nii.gz")
    assert (record.status, record.stage) == ("quarantined", "convert")
    assert record.reason == image_record.reason
    assert (
        json.loads((tmp_path / "out" / "label-venous.json").read_text())["reason"] == record.reason
    )
    assert (tmp_path / "out" / "label-venous.nii.gz").read_bytes() == b""


def test_converting_a_plain_series_imports_nothing_slow(image, write_series, tmp_path):
    write_series(tmp_path / "series", image)
    code = (
        "import sys; from pathlib import Path; from remodal.intake.convert import convert_image;"
        "convert_image(Path('series'), Path('o.nii.gz'), Path('o.json'), case='c', modality='m');"
        "slow = {'torch', 'SimpleITK', 'pydicom', 'scipy', 'pandas', 'matplotlib'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
