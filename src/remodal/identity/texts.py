"""All text in a file: what it says, and what its headers, chunks and tables hold beside images.

A file is known by its content, not by its name, so that a cache of nameless files is read too.
"""

import gzip
import html
import io
import re
import sqlite3
import struct
import zipfile
import zlib
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: Where in a file, and what stands there.
Texts = Iterator[tuple[str, str]]

#: What is read of a file at most, and of an image's header.
_MOST, _MOST_HEADER = 1 << 28, 1 << 24
_NIFTI_SHORTEST = 544
_DEEPEST = 3
_EMBEDDED = re.compile(r"data:[\w/+.-]*;base64,([A-Za-z0-9+/=\s]+)")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_PRINTABLE = re.compile(rb"(?:[\x20-\x7e]|[\xc2-\xf4][\x80-\xbf]{1,3}){6,}")


def texts_of(path: Path) -> Texts:
    """The text of a file, with the place in it where each piece stands.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(16) == b"SQLite format 3\0":
            try:
                yield from _of_database(path)
                return
            except sqlite3.DatabaseError:
                yield from _of_damaged(file)
                return
        file.seek(0)
        yield from _of_stream(file, 0)


def _of_stream(file: BinaryIO, depth: int) -> Texts:
    """The text of a file's content, which may be packed."""
    start = file.read(1024)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        yield from _of_gzip(file, start, depth)
    elif header := _nifti_header(start):
        yield from _of_nifti(file, *header)
    elif start[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _of_png(file.read(_MOST))
    elif start[:4] == b"PK\x03\x04" and depth < _DEEPEST:
        yield from _of_zip(io.BytesIO(file.read(_MOST)), depth)
    elif start[128:132] == b"DICM":
        yield from _of_dicom(file)
    elif start[:4] == b"NRRD":
        yield "NRRD header", _decoded(file.read(_MOST_HEADER).split(b"\n\n")[0])
    elif start.startswith((b"ObjectType", b"NDims")):
        yield "MHA header", _decoded(file.read(_MOST_HEADER).split(b"ElementDataFile")[0])
    elif start[:6] == b"\x93NUMPY":
        yield "NumPy header", _decoded(start)
    elif start[8:9] == b"{" and (length := struct.unpack("<Q", start[:8])[0]) < _MOST_HEADER:
        file.seek(8)
        yield "safetensors header", _unescaped(_decoded(file.read(length)))
    else:
        yield from _of_text(file.read(_MOST), depth)


def _of_damaged(file: BinaryIO) -> Texts:
    """What can be read as text in a file that is not what it begins as."""
    file.seek(0)
    yield "damaged file", "\n".join(map(_decoded, _PRINTABLE.findall(file.read(_MOST))))


def _of_text(content: bytes, depth: int) -> Texts:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield "text", content.decode("utf-16", errors="replace")
        return
    if b"\0" in content[:4096]:
        yield "binary", "\n".join(map(_decoded, _PRINTABLE.findall(content)))
        return
    text = _decoded(content)
    if depth < _DEEPEST:
        for embedded in _EMBEDDED.finditer(text):
            try:
                inner = io.BytesIO(b64decode(embedded[1]))
            except (NoBase64, ValueError):
                continue
            yield from ((f"embedded {place}", one) for place, one in _of_stream(inner, depth + 1))
        text = _EMBEDDED.sub(" ", text)
    yield "text", text
    other = html.unescape(_unescaped(text))
    if other != text:
        yield "text", other


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _unescaped(text: str) -> str:
    """JSON's escapes of letters as the letters."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _of_gzip(file: BinaryIO, start: bytes, depth: int) -> Texts:
    """The name and comment of a packed file, and its content."""
    flags, named = start[3], start[10:]
    if flags & 4 and len(named) > 1:
        named = named[2 + struct.unpack("<H", named[:2])[0] :]
    for flag, place in ((8, "gzip name"), (16, "gzip comment")):
        if flags & flag:
            text, _, named = named.partition(b"\0")
            yield place, _decoded(text)
    if depth < _DEEPEST:
        try:
            with gzip.open(file) as unpacked:
                yield from _of_stream(unpacked, depth + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return


def _nifti_header(start: bytes) -> tuple[int, int] | None:
    """Version of a NIfTI file, and how far its header goes with its extensions."""
    if len(start) < _NIFTI_SHORTEST:
        return None
    for order in "<>":
        size = struct.unpack(f"{order}i", start[:4])[0]
        if size == 348 and start[344:347] in (b"n+1", b"ni1"):
            (voxels,) = struct.unpack(f"{order}f", start[108:112])
            return 1, int(voxels) if 352 <= voxels <= _MOST_HEADER else 352
        if size == 540 and start[4:7] in (b"n+2", b"ni2"):
            (voxels,) = struct.unpack(f"{order}q", start[168:176])
            return 2, voxels if 544 <= voxels <= _MOST_HEADER else 544
    return None


#: Fields of text in a NIfTI header, by version (nifti1.h, nifti2.h).
_NIFTI_TEXT = {
    1: {
        "data_type": (4, 14),
        "db_name": (14, 32),
        "descrip": (148, 228),
        "aux_file": (228, 252),
        "intent_name": (328, 344),
    },
    2: {"descrip": (240, 320), "aux_file": (320, 344), "intent_name": (508, 524)},
}


def _of_nifti(file: BinaryIO, version: int, length: int) -> Texts:
    header = file.read(length)
    for name, (first, last) in _NIFTI_TEXT[version].items():
        yield f"NIfTI {name}", _decoded(header[first:last].partition(b"\0")[0])
    extensions = header[352 if version == 1 else 544 :]
    yield "NIfTI extension", "\n".join(map(_decoded, _PRINTABLE.findall(extensions)))


def _of_png(content: bytes) -> Texts:
    """The chunks of text of a PNG (ISO/IEC 15948, 11.3.4), packed or not, and its Exif data."""
    at = 8
    while at + 8 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        chunk = content[at + 8 : at + 8 + length]
        at += 12 + length
        if kind in (b"tEXt", b"eXIf", b"tIME"):
            yield f"PNG {kind.decode()}", _decoded(chunk)
        elif kind in (b"zTXt", b"iTXt"):
            keyword, _, rest = chunk.partition(b"\0")
            yield f"PNG {kind.decode()}", _decoded(keyword + b" " + rest)
            packed = rest[1:] if kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1]
            try:
                yield (
                    f"PNG {kind.decode()}",
                    _decoded(zlib.decompressobj().decompress(packed, _MOST)),
                )
            except zlib.error:
                continue


def _of_zip(file: BinaryIO, depth: int) -> Texts:
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                yield "names in the archive", member.filename
                with archive.open(member) as one:
                    inner = io.BytesIO(one.read(_MOST))
                yield from ((f"archived {p}", text) for p, text in _of_stream(inner, depth + 1))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error):
        return


def _of_dicom(file: BinaryIO) -> Texts:
    import pydicom

    from remodal.intake.headers import quiet_pydicom

    found = []
    try:
        with quiet_pydicom():
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            for element in dataset.iterall():
                if element.VR not in ("SQ", "OB", "OW", "OF", "OD", "UN"):
                    found.append((f"DICOM {element.keyword or element.tag}", str(element.value)))
    except Exception:
        # Damage can make pydicom raise anything.
        yield from _of_damaged(file)
    yield from found


def _of_database(path: Path) -> Texts:
    """Every value of an SQLite database that is text, such as MLflow's."""
    with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True) as database:
        database.text_factory = lambda raw: raw.decode(errors="replace")
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        for table in tables:
            quoted = table.replace('"', '""')
            try:
                rows = database.execute(f'SELECT * FROM "{quoted}"')
            except sqlite3.OperationalError:  # an index
                continue
            columns = [one[0] for one in rows.description]
            for row in rows:
                for column, value in zip(columns, row):
                    if isinstance(value, str | bytes):
                        text = value if isinstance(value, str) else _decoded(value)
                        yield f"table {table}, {column}", _unescaped(text)
    database.close()
