"""All text in a file: what it says, and what its headers, chunks and tables hold beside images.

A file is known by its content, not by its name, so that a cache of nameless files is read too.
Large files are read piece by piece. What could not be read is told, in place of its text.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from remodal.identity.images import (
    is_safetensors,
    nifti_version,
    of_dicom,
    of_mha,
    of_nifti,
    of_nrrd,
    of_numpy,
    of_png,
    of_safetensors,
)
from remodal.identity.packed import (
    DAMAGED,
    is_damage,
    of_bzip2,
    of_gzip,
    of_tar,
    of_xz,
    of_zip,
)
from remodal.identity.parts import Packed, Parts, Text, Unread
from remodal.identity.plain import plain_text
from remodal.identity.stored import is_pickle, of_database, of_pickle

_START = 1024
#: How many files may be packed in each other.
_DEEPEST = 4


def _begins(*signs: bytes, at: int = 0) -> Callable[[bytes], bool]:
    return lambda start: start[at:].startswith(signs)


#: How each kind of file is known by its first bytes, and how it is read.
_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], Parts]], ...] = (
    (_begins(b"SQLite format 3\0"), of_database),
    (_begins(b"\x1f\x8b"), of_gzip),
    (_begins(b"1AY&SY", at=4), of_bzip2),
    (_begins(b"\xfd7zXZ\0"), of_xz),
    (lambda start: nifti_version(start) > 0, of_nifti),
    (_begins(b"\x89PNG\r\n\x1a\n"), of_png),
    (_begins(b"PK\3\4", b"PK\5\6", b"PK\7\x08"), of_zip),
    (_begins(b"ustar", at=257), of_tar),
    (_begins(b"DICM", at=128), of_dicom),
    (_begins(b"NRRD"), of_nrrd),
    (_begins(b"ObjectType", b"NDims"), of_mha),
    (_begins(b"\x93NUMPY"), of_numpy),
    (is_safetensors, of_safetensors),
    (is_pickle, of_pickle),
)

#: Kinds that pack their text in ways that are not read here, by their first bytes.
_CLOSED = {
    b"%PDF-": "PDF",
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"MATLAB 5.0": "MATLAB",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress",
}


def texts_of(path: Path) -> Iterator[Text | Unread]:
    """The text of a file, with the place in it where each piece stands, and what is unread.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        yield from _of_stream(file, 0)


def _of_stream(stream: BinaryIO, depth: int) -> Iterator[Text | Unread]:
    """The text of a file's content, which may be packed `depth` times."""
    read = plain_text
    try:
        start = stream.read(_START)
        stream.seek(0)
        read = next((reader for is_kind, reader in _KINDS if is_kind(start)), plain_text)
        if kind := next((kind for sign, kind in _CLOSED.items() if start.startswith(sign)), ""):
            yield Unread("packed parts", f"{kind} is not unpacked")
        for part in read(stream):
            yield from _of_packed(part, depth) if isinstance(part, Packed) else (part,)
    except (*DAMAGED, sqlite3.DatabaseError, OSError) as error:
        if isinstance(error, OSError) and not is_damage(error):
            raise
        yield Unread("content", "is damaged")
        if read is not plain_text:
            yield from _of_damaged(stream)


def _of_packed(part: Packed, depth: int) -> Iterator[Text | Unread]:
    with part.content as content:
        if depth == _DEEPEST:
            yield Unread(part.place or "content", f"is packed more than {_DEEPEST} times")
            return
        for inner in _of_stream(content, depth + 1):
            yield inner._replace(place=f"{part.place} {inner.place}".strip())


def _of_damaged(stream: BinaryIO) -> Iterator[Text]:
    """What can be read as text in a file that is not what it begins as."""
    with suppress(*DAMAGED):
        stream.seek(0)
        for part in plain_text(stream):
            if isinstance(part, Text):
                yield part._replace(place="damaged file")
