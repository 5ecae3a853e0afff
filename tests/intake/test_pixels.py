import tracemalloc

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from remodal.errors import BadCase
from remodal.intake.dicom import read_series

SYNTAXES = {
    "plain": None,
    "implicit": ImplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "run lengths": RLELossless,
    "JPEG 2000": JPEG2000Lossless,
}


def _sized(syntax, **sizes):
    """A change that encodes the pixels and then puts other sizes into the header."""

    def change(dataset, index):
        if syntax is not None and syntax.is_encapsulated:
            dataset.compress(syntax)
        elif syntax is not None:
            dataset.file_meta.TransferSyntaxUID = syntax
        for keyword, value in sizes.items():
            setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    "sizes",
    [
        {"Rows": 31},
        {"Columns": 33},
        {"Rows": 16},
        {"Rows": 33},
        {"Columns": 35},
        {"Rows": 34, "Columns": 33},
    ],
    ids=str,
)
def test_sizes_that_do_not_fit_the_pixels_are_refused(syntax, sizes, image, write_series, tmp_path):
    write_series(tmp_path, image, _sized(SYNTAXES[syntax], **sizes))
    with pytest.raises(BadCase, match=r"Rows and Columns|cannot be decoded"):
        read_series(tmp_path)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("index", [None, 0, 5], ids=["all", "first", "last"])
def test_corrupt_sizes_are_refused_before_memory_is_taken(
    syntax, index, image, write_series, tmp_path
):
    def change(dataset, at):
        sizes = {"Rows": 65535, "Columns": 65535} if index in (None, at) else {}
        _sized(SYNTAXES[syntax], **sizes)(dataset, at)

    write_series(tmp_path, image, change)
    tracemalloc.start()
    try:
        with pytest.raises(BadCase, match=r"Rows and Columns|different sizes"):
            read_series(tmp_path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100 << 20


@pytest.mark.parametrize("frames", [2, 60000, 2**31 - 1, -1, 0])
def test_a_corrupt_number_of_frames_is_refused(
    frames, image, write_series, write_enhanced, tmp_path
):
    whole = write_enhanced(write_series(tmp_path / "classic", image))
    whole.NumberOfFrames = frames
    whole.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    with pytest.raises(BadCase):
        read_series(tmp_path / "one.dcm")


def test_a_pixel_of_padding_at_the_end_is_no_other_size(image, write_series, tmp_path):
    def pad(dataset, index):
        dataset.PixelData += b"\0\0"

    write_series(tmp_path, image, pad)
    assert (read_series(tmp_path).volume.array == image.array).all()
