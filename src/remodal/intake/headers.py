"""DICOM headers: the few elements that a conversion needs, read quickly if the file is plain.

Importing pydicom may take as long as a whole conversion, so a plain file (little-endian, in ASCII
but for free text, none of the sequences that are wanted) is scanned here. A file that is not plain,
or looks wrong in any way, is read by pydicom, which also judges what is damaged. Of a deflated file
no more is inflated than a header may need, however much more it would become.
"""

import logging
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from remodal.intake.elements import ELEMENTS
from remodal.intake.encoding import (
    DEFLATED,
    EXPLICIT,
    UNDEFINED,
    NotPlainError,
    damaged,
    end_of_sequence,
    inflated,
    syntax_and_end,
    value_at,
)

#: Elements to read: number, then keyword and kind as in `ELEMENTS`.
Wanted = Mapping[int, tuple[str, str]]

_PIXEL_DATA = 0x7FE00010
_IMPLICIT = "1.2.840.10008.1.2"
_COMPRESSED = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5")  # how they begin; all are explicit
_STORAGE = "1.2.840.10008.5.1.4."  # how all storage classes begin
_START = 1 << 16  # bytes in which a plain header ends
_MOST_INFLATED = 1 << 24  # bytes in which a header ends, even one with a group for every frame


def by_number(elements: Mapping[str, tuple[int, str]]) -> Wanted:
    """Elements, as `ELEMENTS` lists them, by their numbers."""
    return {number: (keyword, kind) for keyword, (number, kind) in elements.items()}


_FOR_CONVERSION = by_number(ELEMENTS)


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


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM."""
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_header(file: Path, wanted: Wanted = _FOR_CONVERSION) -> Header | None:
    """Read a file's header; None if it is not DICOM.

    Args:
        file: the file.
        wanted: the elements to read; by default those that a conversion needs.

    Raises:
        BadCase: DICOM, but damaged.
    """
    with open(file, "rb") as stream:
        start = stream.read(_START)
        if syntax_and_end(start)[0] == DEFLATED:
            plain = inflated(start, stream, _MOST_INFLATED)
            header = _read(plain[:_START], BytesIO(plain), wanted)
            return header and Header(header.elements, None, None)
        return _read(start, stream, wanted)


def _read(start: bytes, stream: BinaryIO, wanted: Wanted) -> Header | None:
    """Header of a file that begins with `start`."""
    try:
        return _scanned(start, wanted)
    except (NotPlainError, struct.error, ValueError):
        stream.seek(0)
        return _read_by_pydicom(stream, start[128:132] == b"DICM", wanted)


def _scanned(data: bytes, wanted: Wanted) -> Header:
    """Header of a plain file from its first bytes.

    Raises:
        NotPlainError, struct.error, ValueError: not plain, or not whole.
    """
    syntax, at = syntax_and_end(data)
    explicit, compressed = _form_of(syntax)
    found: dict[str, Any] = {}
    last = 0x0002FFFF
    while True:
        if at == len(data) < _START:
            return Header(found, None, None)
        group, element = struct.unpack_from("<HH", data, at)
        number = group << 16 | element
        if number <= last:
            raise NotPlainError
        last = number
        at, length = value_at(data, at, explicit)
        if number == _PIXEL_DATA:
            if compressed != (length == UNDEFINED):
                raise NotPlainError
            return Header(found, None, None) if compressed else Header(found, at, length)
        start = at
        at = end_of_sequence(data, at, explicit) if length == UNDEFINED else at + length
        if at > len(data):
            raise NotPlainError
        if number in wanted:
            keyword, kind = wanted[number]
            found[keyword] = _decoded(data[start:at], kind, found)


def _form_of(syntax: str) -> tuple[bool, bool]:
    """Whether elements of a transfer syntax are explicit, and whether its pixels are compressed."""
    compressed = syntax.startswith(_COMPRESSED)
    if not compressed and syntax not in (EXPLICIT, _IMPLICIT):
        raise NotPlainError
    return syntax != _IMPLICIT, compressed


def _decoded(value: bytes, kind: str, found: Mapping[str, Any]) -> Any:
    if kind == "short":
        return struct.unpack("<H", value)[0]
    if kind == "double":
        return struct.unpack("<d", value)[0]
    if kind == "sequence":
        raise NotPlainError
    if kind == "free text":
        charsets = found.get("SpecificCharacterSet", "")
        return _text(value, (charsets,) if isinstance(charsets, str) else tuple(charsets))
    parts = [part.strip(" \0") for part in value.decode("ascii").split("\\")]
    values = [float(part) for part in parts] if kind == "number" and any(parts) else parts
    return values[0] if len(values) == 1 else values


def _text(value: bytes, charsets: tuple[str, ...]) -> str:
    """Text in the languages that a file names; ASCII if it names none."""
    # Bytes of ISO 2022 are all ASCII too: escape sequences say what they mean.
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii").strip(" \0")
    from pydicom.charset import decode_bytes

    return decode_bytes(value, _encodings(charsets), set()).strip(" \0")


@cache
def _encodings(charsets: tuple[str, ...]) -> list[str]:
    from pydicom.charset import convert_encodings

    with quiet_pydicom():
        return convert_encodings(list(charsets))


def _read_by_pydicom(stream: BinaryIO, declared: bool, wanted: Wanted) -> Header | None:
    import pydicom

    from remodal.intake.unknown_vr import with_known_vrs

    with quiet_pydicom():
        try:
            elements = pydicom.dcmread(
                stream, stop_before_pixels=True, specific_tags=list(wanted), force=not declared
            )
            header = Header(with_known_vrs(elements), *_pixels_at(stream, elements.file_meta))
            recognised = declared or looks_like_dicom(elements)
        except Exception as error:
            # Damage, or a file of another kind, can make pydicom raise anything.
            if not declared:
                return None
            raise damaged() from error
    return header if recognised else None


def looks_like_dicom(elements: Mapping[str, Any]) -> bool:
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
    if length == UNDEFINED:
        return None, None
    return at + (12 if explicit else 8), length
