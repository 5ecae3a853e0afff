"""Files in which others are packed: gzip, bzip2, xz, zip and tar."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, cast

from remodal.identity.parts import Packed, Parts, Text, Unread, decoded

#: What reading damaged content raises.
DAMAGED = (
    *(EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
    *(struct.error, ValueError, NotImplementedError),
)
#: Up to here unpacked content stays in memory (bytes).
_IN_MEMORY = 1 << 26
_LONGEST_GZIP_HEADER = 1 << 18
_ENCRYPTED = 1


def is_damage(error: Exception) -> bool:
    """Whether an exception tells of damaged content, not of a disk that cannot be read."""
    # bz2 says so by an OSError without a number.
    return isinstance(error, DAMAGED) or (isinstance(error, OSError) and error.errno is None)


def of_gzip(stream: BinaryIO) -> Parts:
    """The name and the comment of a packed file (RFC 1952, 2.3), and its content."""
    start = stream.read(_LONGEST_GZIP_HEADER)
    stream.seek(0)
    flags, named = start[3], start[10:]
    if flags & 4:
        length = 2 + struct.unpack("<H", named[:2])[0]
        yield Text("gzip extra field", decoded(named[2:length]))
        named = named[length:]
    for flag, place in ((8, "gzip name"), (16, "gzip comment")):
        if flags & flag:
            text, _, named = named.partition(b"\0")
            yield Text(place, decoded(text))
    yield Packed("", cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb")))


def of_bzip2(stream: BinaryIO) -> Parts:
    """The content of a packed file."""
    yield Packed("", cast(BinaryIO, bz2.BZ2File(stream)))


def of_xz(stream: BinaryIO) -> Parts:
    """The content of a packed file."""
    yield Packed("", cast(BinaryIO, lzma.LZMAFile(stream)))  # noqa: SIM115 - closed by its reader


def of_zip(stream: BinaryIO) -> Parts:
    """The names, comments and contents of an archive's files."""
    with zipfile.ZipFile(rewindable(stream)) as archive:
        yield Text("comment of the archive", decoded(archive.comment))
        for number, member in enumerate(archive.infolist(), 1):
            yield Text("names in the archive", member.filename)
            yield Text("comments in the archive", decoded(member.comment))
            place = f"file {number} of the archive"
            if member.flag_bits & _ENCRYPTED:
                yield Unread(place, "is encrypted")
                continue
            try:
                with archive.open(member) as packed:
                    content, whole = _unpacked(packed)
            except (*DAMAGED, OSError) as error:
                if not is_damage(error):
                    raise
                yield Unread(place, "is damaged, or packed in a way that is not known")
                continue
            if not whole:
                yield Unread(place, "is damaged")
            yield Packed("archived", content)


def of_tar(stream: BinaryIO) -> Parts:
    """The names and contents of an archive's files."""
    with tarfile.open(fileobj=rewindable(stream), mode="r:") as archive:
        for member in archive:
            for text in (member.name, member.linkname, *member.pax_headers.values()):
                yield Text("names in the archive", text)
            if content := archive.extractfile(member) if member.isreg() else None:
                yield Packed("archived", cast(BinaryIO, content))


def rewindable(stream: BinaryIO) -> BinaryIO:
    """A stream that can be read from any place at once: a copy, if it is packed.

    Raises:
        OSError, DAMAGED: it cannot be read to its end.
    """
    packed = isinstance(stream, gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile)
    return copied(stream) if packed else stream


def copied(stream: IO[bytes], start: bytes = b"") -> BinaryIO:
    """What a stream still holds, after some bytes, from the beginning and readable from any place.

    Raises:
        OSError, DAMAGED: it cannot be read to its end.
    """
    content = _temporary()
    content.write(start)
    copyfileobj(stream, content)
    content.seek(0)
    return content


def _unpacked(packed: IO[bytes]) -> tuple[BinaryIO, bool]:
    """What a file of an archive holds, up to any damage, and whether that is all."""
    content = _temporary()
    whole = True
    try:
        copyfileobj(packed, content)
    except (*DAMAGED, OSError) as error:
        if not is_damage(error):
            raise
        whole = False
    content.seek(0)
    return content, whole


def _temporary() -> BinaryIO:
    """A file without a name, in memory as long as it is small; whoever reads it closes it."""
    return cast(BinaryIO, SpooledTemporaryFile(_IN_MEMORY))
