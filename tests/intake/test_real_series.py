"""Series from real scanners, taken from packages that contain them; fetched, never committed."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import matplotlib.path
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from remodal.errors import BadCase
from remodal.geometry.volume import from_sitk
from remodal.intake.dicom import read_series
from remodal.intake.label_source import LabelSource
from remodal.intake.labels import read_label
from remodal.intake.pixels import read_stored
from remodal.intake.rescale import rescaled
from remodal.intake.slices import read_slices

pytestmark = pytest.mark.network


def _fetched(config: pytest.Config, package: str, archive: str, members: str) -> Path:
    """Folder with the members of a package's archive whose names hold `members`."""
    folder = Path(config.cache.mkdir("real-series")) / package
    if (folder / "whole").exists():
        return folder
    kind = ["--no-binary", ":all:"] if archive.endswith(".tar.gz") else ["--only-binary", ":all:"]
    options = ["--no-deps", "--no-build-isolation", "--retries", "0", "--timeout", "20", *kind]
    command = [sys.executable, "-m", "pip", "download", *options, "-d", folder, package]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot fetch {package}: no network that reaches a package index")
    if archive.endswith(".tar.gz"):
        with tarfile.open(folder / archive) as file:
            wanted = [one for one in file.getmembers() if members in one.name]
            file.extractall(folder, wanted, filter="data")
    else:
        with zipfile.ZipFile(folder / archive) as file:
            file.extractall(folder, [one for one in file.namelist() if members in one])
    (folder / archive).unlink()
    (folder / "whole").touch()
    return folder


@pytest.fixture(scope="module")
def abdomen(request) -> Path:
    """A contrast-enhanced abdominal CT in JPEG 2000 with blank UIDs, and its organ labels."""
    name = "totalsegmentator-2.18.0"
    folder = _fetched(
        request.config, "totalsegmentator==2.18.0", f"{name}.tar.gz", "reference_files/example_"
    )
    return folder / name / "tests" / "reference_files"


@pytest.fixture(scope="module")
def drawn(request) -> Path:
    """CT series, each in a folder with its RTSTRUCT."""
    folder = _fetched(
        request.config,
        "pycerr==2.5.1",
        "pycerr-2.5.1-py3-none-any.whl",
        "radiomics_phantom_dicom/pat_",
    )
    return folder / "cerr" / "datasets" / "radiomics_phantom_dicom"


def _by_height(folder: Path) -> list[pydicom.Dataset]:
    slices = [pydicom.dcmread(file) for file in folder.iterdir()]
    images = [one for one in slices if one.Modality == "CT"]
    return sorted(images, key=lambda one: float(one.ImagePositionPatient[2]))


def test_jpeg_2000_with_blank_uids_is_read_as_pydicom_and_simpleitk_read_it(abdomen):
    folder = abdomen / "example_ct_dicom"
    series = read_series(folder)
    slices = _by_height(folder)
    assert {one.SeriesInstanceUID for one in slices} == {""}
    assert "JPEG 2000" in slices[0].file_meta.TransferSyntaxUID.name
    stored = np.stack([one.pixel_array for one in slices])
    np.testing.assert_array_equal(series.volume.array, stored.astype(int) - 1024)
    peer = from_sitk(sitk.ReadImage([one.filename for one in slices]))
    np.testing.assert_array_equal(series.volume.array, peer.array)
    assert series.volume.geometry.agrees_with(peer.geometry, 1e-6)
    assert series.volume.geometry.shape == (20, 512, 512)
    assert series.warnings == []


def test_its_labels_are_brought_onto_it_without_resampling(abdomen):
    volume = read_series(abdomen / "example_ct_dicom").volume
    source = abdomen / "example_seg_dicom.nii.gz"
    label = read_label(LabelSource((source,)), volume.geometry)
    peer = sitk.DICOMOrient(sitk.ReadImage(str(source)), "LPS")
    np.testing.assert_array_equal(label.volume.array, sitk.GetArrayFromImage(peer))
    liver = volume.array[label.volume.array == 5]
    assert liver.size > 100_000
    assert 60 < np.median(liver) < 140


@pytest.mark.parametrize("patient", ["pat_1", "pat_2", "pat_3", "pat_4"])
def test_structure_sets_are_filled_as_matplotlib_fills_them(patient, drawn):
    folder = drawn / patient
    volume = read_series(folder).volume
    structures = next(
        file for file in folder.iterdir() if pydicom.dcmread(file).Modality == "RTSTRUCT"
    )
    label = read_label(LabelSource((structures,)), volume.geometry)
    expected = np.zeros(volume.array.shape, bool)
    heights = [float(one.ImagePositionPatient[2]) for one in _by_height(folder)]
    x0, y0, _ = volume.geometry.origin
    dx, dy, _ = volume.geometry.spacing
    y, x = np.mgrid[: volume.array.shape[1], : volume.array.shape[2]]
    centres = np.c_[x0 + dx * x.ravel(), y0 + dy * y.ravel()]
    for contour in pydicom.dcmread(structures).ROIContourSequence[0].ContourSequence:
        points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
        index = int(np.argmin(np.abs(np.array(heights) - points[0, 2])))
        inside = matplotlib.path.Path(points[:, :2]).contains_points(centres)
        expected[index] ^= inside.reshape(y.shape)
    found = label.volume.array == 1
    assert expected.sum() > 1000
    # Only voxels whose centre lies on a contour may go either way.
    assert (found ^ expected).sum() <= 0.01 * expected.sum()


@pytest.fixture(scope="module")
def odd(request) -> Path:
    """Pydicom's own test files that are too large to come with it."""
    folder = _fetched(
        request.config, "pydicom-data==1.0.0", "pydicom_data-1.0.0-py3-none-any.whl", "/data/"
    )
    return folder / "data_store" / "data"


def _stored(file: Path) -> np.ndarray:
    slices, _ = read_slices([file])
    return read_stored(slices)[0]


@pytest.mark.parametrize("name", ["JPEG-LL.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"])
def test_jpeg_lossless_is_decoded_as_dcmtk_decodes_it(name, odd, tmp_path):
    if not shutil.which("dcmdjpeg"):
        pytest.skip("dcmtk is not installed")
    subprocess.run(["dcmdjpeg", odd / name, tmp_path / "plain.dcm"], check=True)
    stored = pydicom.dcmread(tmp_path / "plain.dcm").pixel_array
    assert stored.std() > 1
    np.testing.assert_array_equal(_stored(odd / name)[0], stored)


@pytest.mark.parametrize("pair", ["693_{}I", "693_{}R", "MR2_{}I", "MR2_{}R"])
def test_jpeg_2000_holds_the_words_of_its_uncompressed_twin(pair, odd):
    """The 693 files store signed words of 14 bits in codestreams of 16."""
    coded = odd / f"{pair.format('J2K')}.dcm"
    if not coded.exists():
        coded = Path(pydicom.data.get_testdata_file(coded.name, download=False))
    np.testing.assert_array_equal(_stored(coded), _stored(odd / f"{pair.format('UNC')}.dcm"))


def test_a_modality_table_is_applied_as_the_standard_says(odd):
    slices, _ = read_slices([odd / "mlut_18.dcm"])
    stored = read_stored(slices)[0]
    item = pydicom.dcmread(odd / "mlut_18.dcm").ModalityLUTSequence[0]
    entries, first, _ = item.LUTDescriptor
    table = np.frombuffer(item.LUTData, "<u2") if isinstance(item.LUTData, bytes) else item.LUTData
    expected = np.array(table)[np.clip(stored.astype(int) - first, 0, entries - 1)]
    values, _ = rescaled(stored, slices)
    assert len(np.unique(expected)) > 100
    np.testing.assert_array_equal(values, expected)


def test_pictures_in_a_palette_of_colours_are_refused(odd):
    with pytest.raises(BadCase, match=r"colour|no image|missing"):
        read_series(odd / "OT-PAL-8-face.dcm")


def _changed(source: Path, folder: Path, change=lambda dataset, index: True) -> Path:
    """A copy of a series, in the order of its slices, each after a change; False leaves it out."""
    folder.mkdir()
    for index, dataset in enumerate(_by_height(source)):
        dataset.InstanceNumber = index + 1
        if change(dataset, index) is not False:
            dataset.save_as(folder / f"{index:02}.dcm")
    return folder


def _thinned(dataset, index):
    """Every second slice above the tenth is missing, and the rest is numbered anew."""
    dataset.InstanceNumber = index if index < 10 else 5 + index // 2
    return index < 10 or index % 2 == 1


def _tilted(dataset, index):
    x, y, z = map(float, dataset.ImagePositionPatient)
    dataset.ImagePositionPatient = [x, y + float(dataset.PixelSpacing[0]) * index, z]


def _cut(dataset, index):
    if index == 7:
        dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]


def _decompressed(dataset, index):
    dataset.decompress()
    if index % 2:
        dataset.compress(pydicom.uid.RLELossless)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda dataset, index: index != 7, "gap: 1 slice missing, after slice 7 of 19"),
        (lambda dataset, index: index < 10 or index % 2 == 1, "gap: 5 slices missing"),
        (_cut, "cannot be decoded|another size"),
    ],
)
def test_a_real_series_that_lacks_something_is_refused(change, reason, abdomen, tmp_path):
    folder = _changed(abdomen / "example_ct_dicom", tmp_path / "changed", change)
    with pytest.raises(BadCase, match=reason):
        read_series(folder)


def test_a_real_series_in_other_encodings_has_the_same_values(abdomen, tmp_path):
    source = abdomen / "example_ct_dicom"
    folder = _changed(source, tmp_path / "changed", _decompressed)
    np.testing.assert_array_equal(
        read_series(folder).volume.array, read_series(source).volume.array
    )


def test_thin_and_thick_real_slices_keep_what_there_is(abdomen, tmp_path):
    whole = read_series(abdomen / "example_ct_dicom").volume
    folder = _changed(abdomen / "example_ct_dicom", tmp_path / "changed", _thinned)
    series = read_series(folder)
    assert "the step between slices changes" in series.warnings[-1]
    assert series.volume.geometry.agrees_with(whole.geometry, 1e-2)
    kept = [index for index in range(20) if index < 10 or index % 2 == 1]
    np.testing.assert_array_equal(series.volume.array[kept], whole.array[kept])
    between = (whole.array[11].astype(float) + whole.array[13]) / 2
    assert np.abs(series.volume.array[12] - between).max() <= 0.5


def test_a_real_series_of_a_tilted_gantry_has_its_slices_at_their_places(abdomen, tmp_path):
    whole = read_series(abdomen / "example_ct_dicom").volume
    folder = _changed(abdomen / "example_ct_dicom", tmp_path / "changed", _tilted)
    series = read_series(folder)
    assert any("tilted gantry" in note for note in series.warnings)
    rows = whole.geometry.shape[1]
    assert series.volume.geometry.shape == (20, rows + 19, whole.geometry.shape[2])
    for index in (0, 7, 19):
        plane = series.volume.array[index]
        found = plane[index : index + rows].astype(int)
        assert np.abs(found - whole.array[index]).max() <= 1
        assert (plane[:index] == whole.array.min()).all()


def test_every_odd_file_of_pydicom_is_converted_or_refused(odd, tmp_path):
    files = sorted([*odd.rglob("*.dcm"), *Path(pydicom.data.__file__).parent.rglob("*.dcm")])
    assert len(files) > 80
    converted = []
    for file in files:
        shutil.rmtree(tmp_path / "scan", ignore_errors=True)
        (tmp_path / "scan").mkdir()
        shutil.copy(file, tmp_path / "scan")
        try:
            volume = read_series(tmp_path / "scan").volume
        except BadCase:
            continue
        converted.append(file.name)
        assert volume.array.size
    assert converted == ["eCT_Supplemental.dcm"]
