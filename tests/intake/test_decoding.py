"""JPEG in all its kinds, compared with dcm2niix, with GDCM on the original and with dcmtk."""

import shutil
import subprocess
import tracemalloc

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, RLELossless

from remodal.errors import BadCase
from remodal.intake.codestreams import described
from remodal.intake.dicom import read_series

BUNDLED_EXTENDED = ("JPGExtended.dcm", "JPEG-lossy.dcm")


def _put(dataset, frames, syntax):
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True


@pytest.fixture
def lossless(tmp_path):
    """A function that encodes stored words (rows, columns) as JPEG Lossless, by SimpleITK."""

    def encode(words):
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(tmp_path / "encoded.dcm"))
        writer.SetUseCompression(True)
        writer.SetCompressor("JPEG")
        writer.Execute(sitk.GetImageFromArray(words[None]))
        return next(generate_frames(pydicom.dcmread(tmp_path / "encoded.dcm").PixelData))

    return encode


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLossless], ids=lambda one: str(one)[-2:])
@pytest.mark.parametrize("modality", ["PT", "MR"])
def test_jpeg_lossless_with_the_rescale_of_pet_and_mr(
    syntax, modality, image, lossless, write_series, dcm2niix, tmp_path
):
    def compress(dataset, index):
        dataset.Modality = modality
        storage = {"PT": "128", "MR": "4"}[modality]
        dataset.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.{storage}"
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.25, -3
        if modality == "PT":
            dataset.RescaleSlope, dataset.RescaleIntercept = 0.25 + 0.5 * index, 0
        del dataset.RescaleType
        _put(dataset, [lossless(words[index])], syntax)

    words = (image.array.astype(int) + 1024).astype(np.uint16)
    write_series(tmp_path / "series", image, compress)
    series = read_series(tmp_path / "series")
    slopes = (0.25 + 0.5 * np.arange(6) * (modality == "PT"))[:, None, None]
    expected = words * slopes - 3 * (modality == "MR")
    np.testing.assert_allclose(series.volume.array, expected, rtol=1e-6)
    peer = dcm2niix(tmp_path / "series")
    np.testing.assert_allclose(series.volume.array, peer.array, rtol=1e-4, atol=0.3)


def test_jpeg_lossless_of_signed_words(image, lossless, write_series, dcm2niix, tmp_path):
    def compress(dataset, index):
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0
        _put(dataset, [lossless(image.array[index].view(np.uint16))], JPEGLosslessSV1)

    write_series(tmp_path / "series", image, compress)
    series = read_series(tmp_path / "series")
    np.testing.assert_array_equal(series.volume.array, image.array)
    np.testing.assert_array_equal(dcm2niix(tmp_path / "series").array, image.array)


@pytest.mark.parametrize("signed", [0, 1])
def test_jpeg_lossless_in_an_enhanced_file(
    signed, image, lossless, write_series, write_enhanced, tmp_path
):
    slices = write_series(tmp_path / "classic", image)
    whole = write_enhanced(slices[::-1])
    kind, shift = ("<i2", 0) if signed else ("<u2", 1024)
    words = (image.array.astype(int) + shift).astype(kind).view(np.uint16)
    by_place = {one.SOPInstanceUID: index for index, one in enumerate(slices)}
    order = [by_place[one.SOPInstanceUID] for one in slices[::-1]]
    whole.PixelRepresentation = signed
    for frame in whole.PerFrameFunctionalGroupsSequence:
        frame.PixelValueTransformationSequence[0].RescaleIntercept = -shift
    _put(whole, [lossless(words[index]) for index in order], JPEGLosslessSV1)
    whole.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    found = read_series(tmp_path / "enhanced.dcm").volume
    np.testing.assert_array_equal(found.array, image.array)
    assert found.geometry.agrees_with(image.geometry, 1e-6)


@pytest.mark.parametrize("name", BUNDLED_EXTENDED)
@pytest.mark.parametrize("modality", ["CT", "PT"])
def test_jpeg_extended_of_twelve_bits(name, modality, image, write_series, tmp_path):
    """A real frame of a gamma camera, as slices of series with a rescale."""
    original = pydicom.dcmread(get_testdata_file(name, download=False))
    assert original.file_meta.TransferSyntaxUID == JPEGExtended12Bit

    def compress(dataset, index):
        dataset.Modality = modality
        dataset.Rows, dataset.Columns = original.Rows, original.Columns
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.RescaleSlope = 1 if modality == "CT" else 0.5 + index
        _put(dataset, list(generate_frames(original.PixelData)), JPEGExtended12Bit)

    write_series(tmp_path / "series", image, compress)
    found = read_series(tmp_path / "series").volume.array
    by_gdcm = sitk.GetArrayFromImage(sitk.ReadImage(original.filename)).astype(int)[0]
    slopes = np.ones(6) if modality == "CT" else 0.5 + np.arange(6)
    np.testing.assert_allclose(found, by_gdcm * slopes[:, None, None] - 1024)
    assert found.std() > 1
    if shutil.which("dcmdjpeg"):
        command = ["dcmdjpeg", original.filename, tmp_path / "plain.dcm"]
        subprocess.run(command, check=True, capture_output=True)
        stored = pydicom.dcmread(tmp_path / "plain.dcm").pixel_array
        np.testing.assert_allclose(found, stored * slopes[:, None, None] - 1024)


def test_a_frame_of_another_size_than_rows_and_columns_is_refused(
    image, lossless, write_series, tmp_path
):
    words = (image.array.astype(int) + 1024).astype(np.uint16)

    def compress(dataset, index):
        _put(dataset, [lossless(words[index])], JPEGLosslessSV1)
        dataset.Rows -= 1

    write_series(tmp_path / "series", image, compress)
    with pytest.raises(BadCase, match="another size than Rows and Columns say"):
        read_series(tmp_path / "series")


def test_a_frame_that_breaks_off_is_refused(image, lossless, write_series, tmp_path):
    words = (image.array.astype(int) + 1024).astype(np.uint16)

    def compress(dataset, index):
        frame = lossless(words[index])
        _put(dataset, [frame[: len(frame) // 2 if index == 2 else None]], JPEGLosslessSV1)

    write_series(tmp_path / "series", image, compress)
    with pytest.raises(BadCase, match=r"the pixels of file \d .* cannot be decoded"):
        read_series(tmp_path / "series")


@pytest.mark.parametrize(
    ("name", "rows", "columns", "samples", "precision"),
    [
        ("JPGExtended.dcm", 1024, 256, 1, 12),
        ("MR_small_jpeg_ls_lossless.dcm", 64, 64, 1, 16),
        ("MR_small_jp2klossless.dcm", 64, 64, 1, 16),
        ("693_J2KI.dcm", 512, 512, 1, 16),
        ("SC_rgb_jpeg_gdcm.dcm", 100, 100, 3, 8),
        ("examples_jpeg2k.dcm", 480, 640, 3, 8),
    ],
)
def test_a_codestream_says_what_it_holds(name, rows, columns, samples, precision):
    dataset = pydicom.dcmread(get_testdata_file(name, download=False))
    found = described(next(generate_frames(dataset.PixelData, number_of_frames=1)))
    assert (found.rows, found.columns) == (rows, columns)
    assert (found.samples, found.precision) == (samples, precision)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xc0\0", b"\xffO\xffQ"])
def test_a_frame_that_is_no_codestream_says_nothing(data):
    assert described(data) is None


def test_run_lengths_that_cannot_be_so_long_are_refused(image, write_series, tmp_path):
    def corrupt(dataset, index):
        dataset.compress(RLELossless)
        dataset.Rows = dataset.Columns = 65535

    write_series(tmp_path, image, corrupt)
    with pytest.raises(BadCase, match="another size than Rows and Columns say"):
        read_series(tmp_path)


def test_a_deflated_file_that_holds_far_more_than_its_image_is_refused_in_little_memory(
    image, write_series, tmp_path
):
    def change(dataset, index):
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
        if index == 3:
            dataset.PixelData = bytes(1 << 28)

    write_series(tmp_path, image, change)
    tracemalloc.start()
    try:
        with pytest.raises(BadCase, match="pixels of file"):
            read_series(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 27
    finally:
        tracemalloc.stop()
