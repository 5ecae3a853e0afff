import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume, from_sitk
from remodal.intake.dicom import read_series

AXES = {
    "axial": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "coronal": (1, 0, 0, 0, 0, 1, 0, -1, 0),
    "sagittal": (0, 0, -1, 1, 0, 0, 0, -1, 0),
    "prone": (-1, 0, 0, 0, -1, 0, 0, 0, 1),
    "oblique": tuple(
        (
            np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
            @ np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
        ).ravel()
    ),
}


@pytest.mark.parametrize("axes", AXES)
def test_voxels_and_geometry_are_those_written_whatever_the_names_and_numbers(
    axes, image, write_series, tmp_path
):
    geometry = Geometry((6, 32, 34), (0.7, 0.8, 2.5), (-101.5, 20.25, -333.0), AXES[axes])
    write_series(tmp_path, Volume(image.array, geometry))
    series = read_series(tmp_path)
    assert series.volume.array.dtype == np.int16
    np.testing.assert_array_equal(series.volume.array, image.array)
    assert series.volume.geometry.agrees_with(geometry, 1e-6)
    assert series.warnings == []


@pytest.mark.parametrize("axes", AXES)
def test_simpleitk_reads_the_same_series(axes, image, write_series, tmp_path):
    geometry = Geometry((6, 32, 34), (0.7, 0.8, 2.5), (-101.5, 20.25, -333.0), AXES[axes])
    write_series(tmp_path, Volume(image.array, geometry))
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    expected = from_sitk(sitk.ReadImage(names))
    found = read_series(tmp_path).volume
    np.testing.assert_array_equal(found.array, expected.array)
    assert found.geometry.agrees_with(expected.geometry, 1e-5)


def test_dcm2niix_puts_the_same_voxels_at_the_same_places(image, write_series, tmp_path):
    write_series(tmp_path / "series", image)
    executable = pytest.importorskip("dcm2niix").bin
    command = [executable, "-b", "n", "-z", "y", "-f", "peer", "-o", tmp_path, tmp_path / "series"]
    subprocess.run(command, check=True, capture_output=True)
    peer = sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / "peer.nii.gz")), "LPS")
    found = read_series(tmp_path / "series").volume
    np.testing.assert_array_equal(sitk.GetArrayFromImage(peer), found.array)
    assert found.geometry.agrees_with(from_sitk(peer).geometry, 1e-4)


def test_blank_uids_are_no_obstacle(image, write_series, tmp_path):
    def blank(dataset, index):
        dataset.StudyInstanceUID = dataset.SeriesInstanceUID = ""
        dataset.SOPInstanceUID = dataset.FrameOfReferenceUID = ""

    write_series(tmp_path, image, blank)
    np.testing.assert_array_equal(read_series(tmp_path).volume.array, image.array)


def test_rescale_is_applied_slice_by_slice(image, write_series, tmp_path):
    def rescale(dataset, index):
        dataset.RescaleSlope, dataset.RescaleIntercept = index + 1, -10 * index

    write_series(tmp_path, image, rescale)
    series = read_series(tmp_path)
    k = np.arange(6)[:, None, None]
    np.testing.assert_array_equal(series.volume.array, (image.array + 1024) * (k + 1) - 10 * k)
    assert any("slice by slice" in warning for warning in series.warnings)


def test_fractional_rescale_gives_float32(image, write_series, tmp_path):
    def rescale(dataset, index):
        dataset.RescaleSlope, dataset.RescaleIntercept = "0.25", "-1.5"

    write_series(tmp_path, image, rescale)
    array = read_series(tmp_path).volume.array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, (image.array + 1024.0) * 0.25 - 1.5)


def test_values_beyond_sixteen_bits_are_not_wrapped(image, write_series, tmp_path):
    def large(dataset, index):
        dataset.PixelData = np.full((32, 34), 65000, "<u2").tobytes()
        dataset.RescaleIntercept = 0

    write_series(tmp_path, image, large)
    assert read_series(tmp_path).volume.array.max() == 65000


def test_signed_and_eight_bit_pixels(image, write_series, tmp_path):
    def signed(dataset, index):
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0
        dataset.PixelData = image.array[index].astype("<i2").tobytes()

    def bytes_(dataset, index):
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.RescaleIntercept = 7, -5
        dataset.PixelData = image.array[index].astype(np.uint8).tobytes()

    write_series(tmp_path / "signed", image, signed)
    np.testing.assert_array_equal(read_series(tmp_path / "signed").volume.array, image.array)
    write_series(tmp_path / "bytes", image, bytes_)
    found = read_series(tmp_path / "bytes").volume.array
    np.testing.assert_array_equal(found, image.array.astype(np.uint8).astype(int) - 5)


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
    ],
    ids=lambda syntax: syntax.name,
)
def test_transfer_syntaxes_hold_the_same_voxels(syntax, image, write_series, tmp_path):
    def recode(dataset, index):
        if syntax.is_encapsulated:
            dataset.compress(syntax)
        elif syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax

    write_series(tmp_path, image, recode)
    np.testing.assert_array_equal(read_series(tmp_path).volume.array, image.array)


def test_jpeg_lossless_is_decoded(image, write_series, tmp_path):
    def compress(dataset, index):
        stored = np.frombuffer(dataset.PixelData, "<u2").reshape(1, 32, 34)
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(tmp_path / "jpeg.dcm"))
        writer.SetUseCompression(True)
        writer.SetCompressor("JPEG")
        writer.Execute(sitk.GetImageFromArray(stored))
        encoded = pydicom.dcmread(tmp_path / "jpeg.dcm")
        dataset.file_meta.TransferSyntaxUID = encoded.file_meta.TransferSyntaxUID
        dataset.PixelData = encoded.PixelData
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True

    written = write_series(tmp_path / "series", image, compress)
    assert "JPEG Lossless" in written[0].file_meta.TransferSyntaxUID.name
    np.testing.assert_array_equal(read_series(tmp_path / "series").volume.array, image.array)


@pytest.mark.parametrize("compressed", [False, True])
def test_enhanced_multi_frame_image(compressed, image, write_series, write_enhanced, tmp_path):
    slices = write_series(tmp_path / "classic", image)
    whole = write_enhanced(slices[::-1])
    if compressed:
        whole.compress(RLELossless)
    (tmp_path / "enhanced").mkdir()
    whole.save_as(tmp_path / "enhanced" / "one.dcm", enforce_file_format=True)
    for source in (tmp_path / "enhanced", tmp_path / "enhanced" / "one.dcm"):
        found = read_series(source).volume
        np.testing.assert_array_equal(found.array, image.array)
        assert found.geometry.agrees_with(image.geometry, 1e-6)


def test_multi_frame_without_places_is_refused(image, write_series, tmp_path):
    def frames(dataset, index):
        dataset.NumberOfFrames = 2

    write_series(tmp_path, image, frames)
    with pytest.raises(BadCase, match="2 frames without a place"):
        read_series(tmp_path)


def test_exact_copies_are_used_once_and_told(image, write_series, tmp_path):
    write_series(tmp_path, image)
    copy = sorted(tmp_path.iterdir())[2]
    (tmp_path / "copy.dcm").write_bytes(copy.read_bytes())
    series = read_series(tmp_path)
    np.testing.assert_array_equal(series.volume.array, image.array)
    assert series.warnings == ["left out: copies of slices (1)"]


def test_two_phases_in_one_series_are_refused(image, write_series, tmp_path):
    write_series(tmp_path / "a", image)
    write_series(tmp_path / "b", image.with_array(image.array + 1))
    for file in (tmp_path / "a").iterdir():
        dataset = pydicom.dcmread(file)
        dataset.SeriesInstanceUID = "1.2.3"
        dataset.save_as(file)
    for file in (tmp_path / "b").iterdir():
        dataset = pydicom.dcmread(file)
        dataset.SeriesInstanceUID = "1.2.3"
        dataset.save_as(tmp_path / "a" / f"second-{file.name}")
    with pytest.raises(BadCase, match="duplicates: several different slices at 6 places"):
        read_series(tmp_path / "a")


def test_localizers_and_other_objects_are_left_out(image, write_series, tmp_path):
    def other(dataset, index):
        if index == 0:
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        elif index == 1:
            # Raw data of the scanner: the modality of the images, but no pixels.
            dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66"
            del dataset.Rows, dataset.Columns, dataset.PixelData
        else:
            dataset.Modality = "SR"

    write_series(tmp_path / "series", image)
    write_series(tmp_path / "others", image, other)
    (tmp_path / "readme.txt").write_text("exported by a person")
    series = read_series(tmp_path)
    np.testing.assert_array_equal(series.volume.array, image.array)
    assert series.warnings == [
        "left out: DICOM objects without a slice (5)",
        "left out: files that are not DICOM (1)",
        "left out: localizers (1)",
    ]


def test_files_without_a_preamble_are_read(image, write_series, tmp_path):
    write_series(tmp_path, image)
    for file in tmp_path.iterdir():
        dataset = pydicom.dcmread(file)
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(file, implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(read_series(tmp_path).volume.array, image.array)


def _shift(index, by):
    def change(dataset, at):
        if at == index:
            place = np.array(dataset.ImagePositionPatient, float) + by
            dataset.ImagePositionPatient = place.tolist()

    return change


def _blank(keyword, indices):
    def change(dataset, index):
        if index in indices:
            setattr(dataset, keyword, None)

    return change


def _remove(keyword):
    return lambda dataset, index: delattr(dataset, keyword)


def _set(keyword, value, index=None):
    def change(dataset, at):
        if index is None or at == index:
            setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("change", "skip", "reason"),
    [
        (None, (2, 3), r"gap: 2 slices missing, after slice 2 of 4 .*7.5 mm .*2.5 mm"),
        (None, range(1, 6), "the series has 1 slice"),
        (_shift(5, [0, 0, 1.7]), (), "non-uniform steps between slices: 2.5 to 4.2 mm"),
        (_shift(3, [0, 0, 0.6]), (), "slices lie up to 0.60 mm beside"),
        (_shift(3, [3, 0, 0]), (), "slices lie up to 3.00 mm beside"),
        (_shift(3, [0.26, 0, 0]), (), "slices lie up to 0.26 mm beside"),
        (_remove("ImagePositionPatient"), (), r"ImagePositionPatient .* missing in 6 of 6"),
        (_blank("PixelSpacing", (1, 4)), (), r"PixelSpacing .* missing in 2 of 6"),
        (_remove("ImageOrientationPatient"), (), r"ImageOrientationPatient .* missing in 6 of 6"),
        (_remove("BitsAllocated"), (), r"BitsAllocated .* missing in 6 of 6"),
        (_remove("Rows"), (), "file 1 of 6 .* is damaged or cut short"),
        (_set("PixelSpacing", [0.7]), (), "PixelSpacing holds 1 values; expected 2"),
        (_set("PixelSpacing", [0.7, 0]), (), "PixelSpacing is not positive"),
        (_set("PixelSpacing", [0.9, 0.7], 2), (), "2 different pixel sizes"),
        (_set("RescaleSlope", 0), (), "RescaleSlope is 0"),
        (_set("ImageOrientationPatient", [1, 0, 0, 0, 0, 1], 2), (), "2 different orientations"),
        (_set("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), (), "is not two directions"),
        (_set("SamplesPerPixel", 3), (), "in colour"),
        (_set("Modality", "SEG"), (), "no image among 6 files"),
    ],
)
def test_a_bad_series_is_refused_with_its_reason(
    change, skip, reason, image, write_series, tmp_path
):
    write_series(tmp_path, image, change, skip=skip)
    with pytest.raises(BadCase, match=reason):
        read_series(tmp_path)


@pytest.mark.parametrize(("shift", "off"), [([0, 0, 0.06], "0.060"), ([0.24, 0, 0], "0.240")])
def test_small_unevenness_is_only_warned_of(shift, off, image, write_series, tmp_path):
    """Up to a tenth of the step, which is 2.5 mm here."""
    write_series(tmp_path, image, _shift(3, shift))
    assert read_series(tmp_path).warnings == [f"slices lie up to {off} mm off an even grid"]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(BadCase, match="the folder is empty"):
        read_series(tmp_path)


def test_a_link_to_nothing_is_refused(image, write_series, tmp_path):
    write_series(tmp_path, image)
    (tmp_path / "gone.dcm").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadCase, match="link to nothing"):
        read_series(tmp_path)


@pytest.mark.parametrize(
    ("keep", "reason"),
    [
        (0, "is empty"),
        (140, "is damaged or cut short"),
        (700, "is damaged or cut short"),
        (-100, "is cut short: 2076 of 2176 bytes of pixels"),
    ],
)
def test_a_truncated_file_is_named_by_its_place_only(keep, reason, image, write_series, tmp_path):
    write_series(tmp_path, image)
    files = sorted(tmp_path.iterdir())
    files[3].write_bytes(files[3].read_bytes()[:keep])
    with pytest.raises(BadCase, match=reason) as caught:
        read_series(tmp_path)
    assert "file 4" in str(caught.value)
    assert "Doe" not in str(caught.value)


def test_a_truncated_compressed_file_is_refused(image, write_series, tmp_path):
    write_series(tmp_path, image, lambda dataset, index: dataset.compress(RLELossless))
    files = sorted(tmp_path.iterdir())
    files[3].write_bytes(files[3].read_bytes()[:-150])
    with pytest.raises(BadCase, match=r"the pixels of file 4 .* cannot be decoded"):
        read_series(tmp_path)


def test_tags_of_the_record_are_harmless(image, write_series, secrets, tmp_path):
    def agent(dataset, index):
        dataset.ConvolutionKernel = ["B30f", "2"]
        dataset.ContrastBolusAgent = "DOE^JANE 100ml"

    write_series(tmp_path, image, agent)
    tags = read_series(tmp_path).tags
    assert tags["KVP"] == 120.0
    assert tags["ConvolutionKernel"] == ["B30f", "2"]
    assert "ContrastBolusAgent" not in tags
    assert not any(secret in str(tags) for secret in secrets)


def test_the_hash_depends_on_the_content_and_not_on_the_names(image, write_series, tmp_path):
    write_series(tmp_path, image)
    before = read_series(tmp_path).sha256
    for file in sorted(tmp_path.iterdir()):
        file.rename(tmp_path / f"{hash(file) % 10**9}-{file.name}")
    assert read_series(tmp_path).sha256 == before
    changed = next(tmp_path.iterdir())
    changed.write_bytes(changed.read_bytes()[:-1] + b"\x7f")
    assert read_series(tmp_path).sha256 != before
    assert Path(changed).exists()


@pytest.mark.parametrize("keyword", ["BurnedInAnnotation", "RecognizableVisualFeatures"])
def test_pixels_that_may_show_the_patient_are_a_warning(keyword, image, write_series, tmp_path):
    def change(dataset, index):
        setattr(dataset, keyword, "YES" if index > 3 else "NO")

    write_series(tmp_path, image, change)
    (warning,) = read_series(tmp_path).warnings
    assert warning.startswith("WARNING: 2 of 6 slices say that their pixels identify the patient")
