"""DICOM headers: the few elements that a conversion needs, read quickly if the file is plain.

Importing pydicom may take as long as a whole conversion, so a plain file (uncompressed,
little-endian, no sequence of undefined length before the pixels, ASCII) is scanned here. A file
that is not plain, or looks wrong in any way, is read by pydicom, which also judges what is damaged.
"""

import logging
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from remodal.errors import BadCase
from remodal.intake.elements import ELEMENTS

_BY_NUMBER = {number: (keyword, kind) for keyword, (number, kind) in ELEMENTS.items()}
_SYNTAX = 0x00020010
_PIXEL_DATA = 0x7FE00010
_EXPLICIT, _IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
_BINARY = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"}
_LONG_FORM = _BINARY | {b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_STORAGE = "1.2.840.10008.5.1.4."  # how all storage classes begin
_UNDEFINED = 0xFFFFFFFF
_START = 1 << 16  # bytes in which a plain header ends


@dataclass(frozen=True)
class Header:
    """What a file says about its image.

    `elements` maps a keyword to its value; it may be a pydicom Dataset. `pixels_at` is the first
    byte of the pixels if they can be read straight from there, being uncompressed and
    little-endian. `pixel_bytes` is their length according to the file. Both are None otherwise.
    """

    elements: Mapping[str, Any]
    pixels_at: int | None
    pixel_bytes: int | None


class _NotPlainError(Exception):
    """The file is left to pydicom."""


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM."""
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_header(file: Path) -> Header | None:
    """Read a file's header; None if it is not DICOM.

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
            return Header(found, at, length)
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
    if kind == "free text":
        return value.decode("latin-1").strip(" \0")
    parts = [part.strip(" \0") for part in value.decode("ascii").split("\\")]
    values = [float(part) for part in parts] if kind == "number" and any(parts) else parts
    return values[0] if len(values) == 1 else values


def _read_by_pydicom(stream: BinaryIO, declared: bool) -> Header | None:
    import pydicom

    numbers_read = [number for number, _ in ELEMENTS.values()]
    with quiet_pydicom():
        try:
            elements = pydicom.dcmread(
                stream, stop_before_pixels=True, specific_tags=numbers_read, force=not declared
            )
            header = Header(elements, *_pixels_at(stream, elements.file_meta))
            recognised = declared or _looks_like_dicom(elements)
        except Exception as error:
            # Damage, or a file of another kind, can make pydicom raise anything.
            if not declared:
                return None
            raise damaged() from error
    return header if recognised else None


def _looks_like_dicom(elements: Mapping[str, Any]) -> bool:
    """Whether what pydicom read makes sense, for a file that is not marked as DICOM."""
    has_image = "Rows" in elements and bool(elements.get("Modality"))
    return has_image or str(elements.get("SOPClassUID", "")).startswith(_STORAGE)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Use pydicom without its warnings about odd values, which would reveal the values."""
    from pydicom.config import disable_value_validation

    log = logging.getLogger("pydicom")
    level = log.level
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        log.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            log.setLevel(level)


def _pixels_at(stream: BinaryIO, file_meta: Any) -> tuple[int | None, int | None]:
    """First byte and length of plain pixel data, where pydicom stopped reading."""
    syntax = file_meta.get("TransferSyntaxUID")
    if syntax and (syntax.is_encapsulated or syntax.is_deflated or not syntax.is_little_endian):
        return None, None
    at = stream.tell()
    element = stream.read(12)
    if element[:4] != b"\xe0\x7f\x10\x00" or len(element) < 12:
        return None, None
    explicit = element[4:6] in (b"OW", b"OB")
    length = struct.unpack_from("<I", element, 8 if explicit else 4)[0]
    if length == _UNDEFINED:
        return None, None
    return at + (12 if explicit else 8), length


def damaged() -> BadCase:
    """The reason for a file that breaks off or makes no sense."""
    return BadCase("is damaged or cut short", remedy="copy the series again")
