"""Decode frames of a file that is compressed, or in an unusual byte order, into stored values."""

import re
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np

from remodal.errors import BadCase
from remodal.intake.codestreams import decoded_by_gdcm, described
from remodal.intake.encoding import DEFLATED, inflated, syntax_and_end
from remodal.intake.headers import quiet_pydicom
from remodal.intake.slices import Slice

# JPEG baseline, extended and lossless (PS3.5 A.4.1): pydicom's decoders read only the first.
_JPEG = {"1.2.840.10008.1.2.4." + end for end in ("50", "51", "57", "70")}
_RLE = "1.2.840.10008.1.2.5"
# How many times longer than the file its pixels can be: two bytes of run-length encoding stand for
# at most 128 (PS3.5 G.3).
_MOST_RLE = 64
_LONGEST_HEADER = 1 << 24  # bytes


def decoded(data: bytes, frames: list[Slice]) -> Iterator[np.ndarray]:
    """Decode frames of one file: JPEG by SimpleITK's GDCM, everything else by pydicom.

    Args:
        data: the file's content.
        frames: its frames, in order.

    Yields:
        Arrays (rows, columns) in the frame's number format, with the bits as stored.

    Raises:
        BadCase: damaged, sizes other than the header's, or a compression that neither supports.
    """
    try:
        with quiet_pydicom():
            yield from _decoded(data, frames)
    except BadCase:
        raise
    except Exception as error:
        # Decoders of damaged data raise whatever they like.
        raise BadCase(
            f"the pixels of file {frames[0].file_number} (by name) cannot be decoded",
            expected="whole files in a standard transfer syntax",
            remedy="copy the series again, or decompress it (gdcmconv --raw)",
        ) from error


def _decoded(data: bytes, frames: list[Slice]) -> Iterator[np.ndarray]:
    import pydicom

    if syntax_and_end(data)[0] == DEFLATED:
        needed = bytes_of(frames[0]) * frames[0].frames
        data = inflated(data, BytesIO(data), needed + _LONGEST_HEADER)
    dataset = pydicom.dcmread(BytesIO(data), force=True)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    _check_size(dataset, syntax, len(data), frames[0])
    has_stream = syntax.is_encapsulated and syntax != _RLE
    encoded = _encoded_frames(dataset, frames[0].frames) if has_stream else []
    for one in frames:
        if has_stream:
            _check_codestream(encoded[one.frame], one)
        if syntax in _JPEG:
            plane = decoded_by_gdcm(encoded[one.frame], syntax)
        else:
            plane = _decoded_by_pydicom(dataset, one)
        if plane.shape != (one.rows, one.columns):
            raise _of_another_size(one)
        yield np.array(plane).astype(one.form.stored)


def _decoded_by_pydicom(dataset: Any, one: Slice) -> np.ndarray:
    from pydicom.pixels import pixel_array

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        plane = pixel_array(dataset, index=one.frame, raw=True, correct_unused_bits=False)
    for warning in told:
        # pydicom only warns of run lengths that go on after the last pixel.
        lengths = re.search(r"RLE .* (\d+) vs\. (\d+) bytes", str(warning.message))
        if lengths and int(lengths[1]) - int(lengths[2]) >= min(one.rows, one.columns):
            raise _of_another_size(one)
    return plane


def _encoded_frames(dataset: Any, count: int) -> list[bytes]:
    from pydicom.encaps import generate_frames

    return list(generate_frames(dataset.PixelData, number_of_frames=count))


def _check_codestream(frame: bytes, one: Slice) -> None:
    """Compare what the header says with what the compressed frame says about itself."""
    found = described(frame)
    sizes = (one.rows, one.columns, 1)
    if found is None or (found.rows, found.columns, found.samples) != sizes:
        raise _of_another_size(one)
    if found.precision > 8 * one.form.stored.itemsize:
        raise _of_another_size(one)


def bytes_of(one: Slice) -> int:
    """Bytes of a slice's pixels when they are not compressed."""
    return one.rows * one.columns * one.form.stored.itemsize


def sizes_fit(one: Slice, present: int) -> bool:
    """Whether a file's uncompressed pixels take up as many bytes as its header implies.

    A few pixels may follow as padding, but a whole row or column more means another image size.
    """
    needed = bytes_of(one) * one.frames
    spare = min(one.rows, one.columns) * one.form.stored.itemsize
    return needed <= present < needed + max(spare, 2)


def _check_size(dataset: Any, syntax: Any, length: int, one: Slice) -> None:
    """Compare what the header says with what the file can hold."""
    if syntax == _RLE and bytes_of(one) * one.frames > _MOST_RLE * length:
        raise _of_another_size(one)
    if syntax.is_encapsulated:
        return
    if not sizes_fit(one, len(dataset.PixelData)):
        raise _of_another_size(one)


def _of_another_size(one: Slice) -> BadCase:
    return BadCase(
        f"the pixels of file {one.file_number} (by name) have another size than Rows and Columns "
        "say",
        expected="sizes that fit the pixels",
        remedy="export the series again",
    )
