"""How a DICOM file is laid out in bytes: transfer syntax, values, sequences, deflated content."""

import struct
import zlib
from typing import BinaryIO

from remodal.errors import BadCase

EXPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
UNDEFINED = 0xFFFFFFFF

_META_LENGTH, _SYNTAX = 0x00020000, 0x00020010
_ITEM, _END_OF_ITEM, _END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_BINARY = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"}
_LONG_FORM = _BINARY | {b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_PART = 1 << 16


class NotPlainError(Exception):
    """The file is left to pydicom."""


def damaged() -> BadCase:
    """The reason for a file that breaks off or makes no sense."""
    return BadCase("is damaged or cut short", remedy="copy the series again")


def syntax_and_end(start: bytes) -> tuple[str, int]:
    """Transfer syntax that a file's start names (empty if none), and where its group 2 ends."""
    at, end, syntax = 132, None, ""
    try:
        while start[128:132] == b"DICM" and at != end:
            group, element = struct.unpack_from("<HH", start, at)
            if group != 2:
                break
            at, length = value_at(start, at, explicit=True)
            if group << 16 | element == _META_LENGTH:
                end = at + length + struct.unpack_from("<I", start, at)[0]
            elif group << 16 | element == _SYNTAX:
                syntax = start[at : at + length].decode("ascii").rstrip("\0 ")
            at += length
    except (NotPlainError, struct.error, ValueError):
        return "", at
    return syntax, at


def inflated(start: bytes, stream: BinaryIO, most: int) -> bytes:
    """A deflated file as an explicit one (PS3.5 A.5), cut off after `most` bytes of content.

    Args:
        start: the file's first bytes.
        stream: the file.
        most: bytes to inflate; a file of 1 MB may become 1 GB.

    Raises:
        BadCase: the file is damaged.
    """
    _, end = syntax_and_end(start)
    plain = EXPLICIT.ljust(len(DEFLATED), "\0")
    meta = start[:end].replace(DEFLATED.encode(), plain.encode())
    stream.seek(end)
    inflater, content = zlib.decompressobj(-zlib.MAX_WBITS), b""
    try:
        while len(content) < most and (part := stream.read(_PART)):
            content += inflater.decompress(part, most - len(content))
    except zlib.error as error:
        raise damaged() from error
    return meta + content


def value_at(data: bytes, at: int, explicit: bool) -> tuple[int, int]:
    """First byte and length of an element's value (PS3.5 7.1)."""
    if not explicit:
        return at + 8, struct.unpack_from("<I", data, at + 4)[0]
    representation = data[at + 4 : at + 6]
    if representation in _LONG_FORM:
        return at + 12, struct.unpack_from("<I", data, at + 8)[0]
    if not representation.isalpha():
        raise NotPlainError
    return at + 8, struct.unpack_from("<H", data, at + 6)[0]


def end_of_sequence(data: bytes, at: int, explicit: bool) -> int:
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
                raise NotPlainError
            elif length == UNDEFINED:
                inside.append("item")
            else:
                at += length
        else:
            # The elements of an unknown sequence are implicit, whatever those around it are.
            unknown = explicit and data[at + 4 : at + 6] == b"UN"
            at, length = value_at(data, at, explicit)
            if inside[-1] != "item" or (unknown and length == UNDEFINED):
                raise NotPlainError
            if length == UNDEFINED:
                inside.append("sequence")
            else:
                at += length
    return at
