"""DICOM headers: the few elements that a conversion needs, read quickly if the file is plain.

Importing pydicom may take as long as a whole conversion, so a plain file (little-endian, in ASCII
but for free text, none of the sequences that are wanted) is scanned here. A file that is not plain,
or looks wrong in any way, is read by pydicom, which also judges what is damaged. Of a deflated file
no more is inflated than a header may need, however much more it would become.
"""

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from remodal.errors import BadCase
from remodal.intake.elements import ELEMENTS

#: Elements to read: number, then keyword and kind as in `ELEMENTS`.
Wanted = Mapping[int, tuple[str, str]]

_META_LENGTH, _SYNTAX, _PIXEL_DATA = 0x00020000, 0x00020010, 0x7FE00010
_ITEM, _END_OF_ITEM, _END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_EXPLICIT, _IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_COMPRESSED = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5")  # how they begin; all are explicit
_BINARY = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"}
_LONG_FORM = _BINARY | {b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_STORAGE = "1.2.840.10008.5.1.4."  # how all storage classes begin
_UNDEFINED = 0xFFFFFFFF
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


class _NotPlainError(Exception):
    """The file is left to pydicom."""


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
        if _syntax_and_end(start)[0] == _DEFLATED:
            inflated = _inflated(start, stream)
            header = _read(inflated[:_START], BytesIO(inflated), wanted)
            return header and Header(header.elements, None, None)
        return _read(start, stream, wanted)


def _read(start: bytes, stream: BinaryIO, wanted: Wanted) -> Header | None:
    """Header of a file that begins with `start`."""
    try:
        return _scanned(start, wanted)
    except (_NotPlainError, struct.error, ValueError):
        stream.seek(0)
        return _read_by_pydicom(stream, start[128:132] == b"DICM", wanted)


def _syntax_and_end(start: bytes) -> tuple[str, int]:
    """Transfer syntax that a file's start names (empty if none), and where its group 2 ends."""
    at, end, syntax = 132, None, ""
    try:
        while start[128:132] == b"DICM" and at != end:
            group, element = struct.unpack_from("<HH", start, at)
            if group != 2:
                break
            at, length = _value_at(start, at, explicit=True)
            if group << 16 | element == _META_LENGTH:
                end = at + length + struct.unpack_from("<I", start, at)[0]
            elif group << 16 | element == _SYNTAX:
                syntax = start[at : at + length].decode("ascii").rstrip("\0 ")
            at += length
    except (_NotPlainError, struct.error, ValueError):
        return "", at
    return syntax, at


def _inflated(start: bytes, stream: BinaryIO) -> bytes:
    """The beginning of a deflated file as that of an explicit one."""
    _, end = _syntax_and_end(start)
    plain = _EXPLICIT.ljust(len(_DEFLATED), "\0")
    meta = start[:end].replace(_DEFLATED.encode(), plain.encode())
    stream.seek(end)
    inflater, content = zlib.decompressobj(-zlib.MAX_WBITS), b""
    try:
        while len(content) < _MOST_INFLATED and (part := stream.read(_START)):
            content += inflater.decompress(part, _MOST_INFLATED - len(content))
    except zlib.error as error:
        raise damaged() from error
    return meta + content


def _scanned(data: bytes, wanted: Wanted) -> Header:
    """Header of a plain file from its first bytes.

    Raises:
        _NotPlainError, struct.error, ValueError: not plain, or not whole.
    """
    syntax, at = _syntax_and_end(data)
    explicit, compressed = _form_of(syntax)
    found: dict[str, Any] = {}
    last = 0x0002FFFF
    while True:
        if at == len(data) < _START:
            return Header(found, None, None)
        group, element = struct.unpack_from("<HH", data, at)
        number = group << 16 | element
        if number <= last:
            raise _NotPlainError
        last = number
        at, length = _value_at(data, at, explicit)
        if number == _PIXEL_DATA:
            if compressed != (length == _UNDEFINED):
                raise _NotPlainError
            return Header(found, None, None) if compressed else Header(found, at, length)
        start = at
        at = _end_of_sequence(data, at, explicit) if length == _UNDEFINED else at + length
        if at > len(data):
            raise _NotPlainError
        if number in wanted:
            keyword, kind = wanted[number]
            found[keyword] = _decoded(data[start:at], kind, found)


def _form_of(syntax: str) -> tuple[bool, bool]:
    """Whether elements of a transfer syntax are explicit, and whether its pixels are compressed."""
    compressed = syntax.startswith(_COMPRESSED)
    if not compressed and syntax not in (_EXPLICIT, _IMPLICIT):
        raise _NotPlainError
    return syntax != _IMPLICIT, compressed


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


def _end_of_sequence(data: bytes, at: int, explicit: bool) -> int:
    """First byte after a sequence of undefined length, whose first item is at `at` (PS3.5 7.5)."""
    inside = ["sequence"]
    while inside:
        group, element = struct.unpack_from("<HH", data, at)
        number = group << 16 | element
        if group == 0xFFFE:
            length = struct.unpack_from("<I", data, at + 4)[0]
            at += 8
            expected = _END_OF_SEQUENCE if inside[-1] == "sequence" else _END_OF_ITEM
            if number == expected:
                inside.pop()
            elif number != _ITEM or inside[-1] == "item":
                raise _NotPlainError
            elif length == _UNDEFINED:
                inside.append("item")
            else:
                at += length
        else:
            # The elements of an unknown sequence are implicit, whatever those around it are.
            unknown = explicit and data[at + 4 : at + 6] == b"UN"
            at, length = _value_at(data, at, explicit)
            if inside[-1] != "item" or (unknown and length == _UNDEFINED):
                raise _NotPlainError
            if length == _UNDEFINED:
                inside.append("sequence")
            else:
                at += length
    return at


def _decoded(value: bytes, kind: str, found: Mapping[str, Any]) -> Any:
    if kind == "short":
        return struct.unpack("<H", value)[0]
    if kind == "sequence":
        raise _NotPlainError
    if kind == "free text":
        charsets = found.get("SpecificCharacterSet", "")
        return _text(value, (charsets,) if isinstance(charsets, str) else tuple(charsets))
    parts = [part.strip(" \0") for part in value.decode("ascii").split("\\")]
    values = [float(part) for part in parts] if kind == "number" and any(parts) else parts
    return values[0] if len(values) == 1 else values


def _text(value: bytes, charsets: tuple[str, ...]) -> str:
    """Text in the languages that a file names; ASCII if it names none."""
    if value.isascii():
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

    with quiet_pydicom():
        try:
            elements = pydicom.dcmread(
                stream, stop_before_pixels=True, specific_tags=list(wanted), force=not declared
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
