"""DICOM headers: the few elements that a conversion needs, quickly where the file is plain.

pydicom takes as long to import as a whole conversion may last, so a plain file (uncompressed,
little-endian, no sequence of undefined length before the pixels, ASCII) is scanned here. Whatever
is not plain, or looks wrong in any way, is read by pydicom, which also judges what is damaged.
"""

import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

from remodal.errors import BadCase

# Elements that are read: keyword, number and whether they are text, numbers as text, a 16-bit
# number or a sequence (PS3.6).
_ELEMENTS = {
    "DirectoryRecordSequence": (0x00041220, "sequence"),
    "ImageType": (0x00080008, "text"),
    "SOPClassUID": (0x00080016, "text"),
    "Modality": (0x00080060, "text"),
    "Manufacturer": (0x00080070, "text"),
    "ManufacturerModelName": (0x00081090, "text"),
    "ContrastBolusAgent": (0x00180010, "text"),
    "SliceThickness": (0x00180050, "number"),
    "KVP": (0x00180060, "number"),
    "RepetitionTime": (0x00180080, "number"),
    "EchoTime": (0x00180081, "number"),
    "MagneticFieldStrength": (0x00180087, "number"),
    "SpacingBetweenSlices": (0x00180088, "number"),
    "GantryDetectorTilt": (0x00181120, "number"),
    "ConvolutionKernel": (0x00181210, "text"),
    "FlipAngle": (0x00181314, "number"),
    "PatientPosition": (0x00185100, "text"),
    "SeriesInstanceUID": (0x0020000E, "text"),
    "ImagePositionPatient": (0x00200032, "number"),
    "ImageOrientationPatient": (0x00200037, "number"),
    "SamplesPerPixel": (0x00280002, "short"),
    "NumberOfFrames": (0x00280008, "number"),
    "Rows": (0x00280010, "short"),
    "Columns": (0x00280011, "short"),
    "PixelSpacing": (0x00280030, "number"),
    "BitsAllocated": (0x00280100, "short"),
    "PixelRepresentation": (0x00280103, "short"),
    "RescaleIntercept": (0x00281052, "number"),
    "RescaleSlope": (0x00281053, "number"),
    "RescaleType": (0x00281054, "text"),
    "SharedFunctionalGroupsSequence": (0x52009229, "sequence"),
    "PerFrameFunctionalGroupsSequence": (0x52009230, "sequence"),
}
_BY_NUMBER = {number: (keyword, kind) for keyword, (number, kind) in _ELEMENTS.items()}
_SYNTAX = 0x00020010
_PIXEL_DATA = 0x7FE00010
_EXPLICIT, _IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
_BINARY = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"}
_LONG_FORM = _BINARY | {b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_UNDEFINED = 0xFFFFFFFF
_START = 1 << 16  # bytes in which a plain header ends

#: Elements that may be shown: how the image was made, nothing about whose it is.
HARMLESS = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "KVP",
    "ConvolutionKernel",
    "SliceThickness",
    "SpacingBetweenSlices",
    "GantryDetectorTilt",
    "PatientPosition",
    "ContrastBolusAgent",
    "MagneticFieldStrength",
    "RepetitionTime",
    "EchoTime",
    "FlipAngle",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
)


@dataclass(frozen=True)
class Header:
    """What a file says about its image.

    `elements` maps a keyword to its value (a pydicom Dataset does so too). `pixels_at` is the
    first byte of the pixels when they can be read straight from there: uncompressed and
    little-endian.
    """

    elements: Mapping[str, Any]
    pixels_at: int | None


class _NotPlainError(Exception):
    """The file is left to pydicom."""


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM."""
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_header(file: Path) -> Header | None:
    """Read a file's header, None when it is no DICOM.

    Raises:
        BadCase: DICOM, but damaged.
    """
    with open(file, "rb") as stream:
        start = stream.read(_START)
        try:
            return _scanned(start)
        except (_NotPlainError, struct.error, ValueError):
            stream.seek(0)
            return _read_by_pydicom(stream, declared=start[128:132] == b"DICM")


def _scanned(data: bytes) -> Header:
    """Header of a plain file from its first bytes.

    Raises:
        _NotPlainError, struct.error, ValueError: not plain, or not whole.
    """
    if data[128:132] != b"DICM":
        raise _NotPlainError
    at, explicit, last, syntax = 132, True, 0, ""
    found: dict[str, Any] = {}
    while True:
        group, element = struct.unpack_from("<HH", data, at)
        number = group << 16 | element
        if number <= last:
            raise _NotPlainError
        if group > 2 and last >> 16 == 2:
            explicit = _is_explicit(syntax)
        last = number
        at, length = _value_at(data, at, explicit)
        if number == _PIXEL_DATA:
            if length == _UNDEFINED or not syntax:
                raise _NotPlainError
            return Header(found, at)
        value = data[at : at + length]
        at += length
        if length == _UNDEFINED or at > len(data):
            raise _NotPlainError
        if number == _SYNTAX:
            syntax = value.decode("ascii").rstrip("\0 ")
        elif number in _BY_NUMBER:
            keyword, kind = _BY_NUMBER[number]
            found[keyword] = _decoded(value, kind)


def _is_explicit(syntax: str) -> bool:
    if syntax not in (_EXPLICIT, _IMPLICIT):
        raise _NotPlainError
    return syntax == _EXPLICIT


def _value_at(data: bytes, at: int, explicit: bool) -> tuple[int, int]:
    """First byte and length of an element's value (PS3.5 7.1)."""
    if not explicit:
        return at + 8, struct.unpack_from("<I", data, at + 4)[0]
    representation = data[at + 4 : at + 6]
    if representation in _LONG_FORM:
        return at + 12, struct.unpack_from("<I", data, at + 8)[0]
    if not representation.isalpha():
        raise _NotPlainError
    return at + 8, struct.unpack_from("<H", data, at + 6)[0]


def _decoded(value: bytes, kind: str) -> Any:
    if kind == "short":
        return struct.unpack("<H", value)[0]
    if kind == "sequence":
        raise _NotPlainError
    parts = [part.strip(" \0") for part in value.decode("ascii").split("\\")]
    values = [float(part) for part in parts] if kind == "number" and any(parts) else parts
    return values[0] if len(values) == 1 else values


def _read_by_pydicom(stream: BinaryIO, declared: bool) -> Header | None:
    import pydicom

    numbers_read = [number for number, _ in _ELEMENTS.values()]
    with quiet_pydicom():
        try:
            elements = pydicom.dcmread(
                stream, stop_before_pixels=True, specific_tags=numbers_read, force=not declared
            )
            header = Header(elements, _pixels_at(stream, elements.file_meta))
            recognised = declared or ("Rows" in elements and elements.get("Modality"))
        except Exception as error:
            # pydicom raises whatever the damage, or a file of another kind, leads to.
            if not declared:
                return None
            raise damaged() from error
    return header if recognised else None


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Use pydicom without its remarks on odd values, which would show them."""
    from pydicom.config import disable_value_validation

    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _pixels_at(stream: BinaryIO, file_meta: Any) -> int | None:
    """First byte of plain pixel data, where pydicom stopped reading."""
    syntax = file_meta.get("TransferSyntaxUID")
    if syntax and (syntax.is_encapsulated or syntax.is_deflated or not syntax.is_little_endian):
        return None
    at = stream.tell()
    element = stream.read(12)
    if element[:4] != b"\xe0\x7f\x10\x00":
        return None
    return at + (12 if element[4:6] in (b"OW", b"OB") else 8)


def damaged() -> BadCase:
    """The reason for a file that breaks off or makes no sense."""
    return BadCase("is damaged or cut short", remedy="copy the series again")


def number(elements: Mapping[str, Any], keyword: str) -> float | None:
    """The one number of an element, None when it is missing or blank."""
    values = numbers(elements, keyword, 1)
    return None if values is None else values[0]


def numbers(elements: Mapping[str, Any], keyword: str, count: int) -> tuple[float, ...] | None:
    """The numbers of an element, None when it is missing or blank.

    Raises:
        BadCase: not `count` finite numbers.
    """
    try:
        value = elements.get(keyword)
        values = [value] if value is None or isinstance(value, (int, float, str)) else list(value)
        if all(one is None or one == "" for one in values):
            return None
        found = tuple(float(one) for one in values)
    except (ValueError, TypeError) as error:
        raise BadCase(f"{keyword} is not a number", expected=f"{count} numbers") from error
    if len(found) != count or not all(isfinite(one) for one in found):
        raise BadCase(f"{keyword} holds {len(found)} values", expected=f"{count} finite numbers")
    return found


def harmless_tags(elements: Mapping[str, Any]) -> dict[str, Any]:
    """The elements that may be shown, as JSON; text is left out unless it is a technical word."""
    tags = {}
    for keyword in HARMLESS:
        try:
            value = elements.get(keyword)
        except (ValueError, TypeError):
            continue
        values = [value] if isinstance(value, (int, float, str)) else list(value or ())
        shown = [_shown(one) for one in values]
        if shown and None not in shown:
            tags[keyword] = shown[0] if len(shown) == 1 else shown
    return tags


def _shown(value: Any) -> float | str | None:
    if isinstance(value, (int, float)):
        return float(value) if isfinite(value) else None
    return value if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._/+%-]{0,63}", str(value)) else None
