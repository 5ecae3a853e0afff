"""What the headers of images and arrays say; pixels and weights are passed over."""

import codecs
import re
import struct
import zlib
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from remodal.identity.packed import copied
from remodal.identity.parts import Packed, Parts, Text, Unread, decoded, texts
from remodal.identity.plain import everything, plain_text

if TYPE_CHECKING:
    from pydicom import DataElement

#: Longest header that is taken for one (bytes).
_LONGEST_HEADER = 1 << 24
_LONGEST_CHUNK = 1 << 28
_NIFTI_SHORTEST = 544


def nifti_version(start: bytes) -> int:
    """Version of the NIfTI file that begins with these bytes; 0: it is none."""
    for order in "<>" if len(start) >= 348 else "":
        size = struct.unpack(f"{order}i", start[:4])[0]
        if size == 348 and start[344:347] in (b"n+1", b"ni1"):
            return 1
        if size == 540 and start[4:7] in (b"n+2", b"ni2"):
            return 2
    return 0


#: Fields of text in a NIfTI header, by version (nifti1.h, nifti2.h).
_NIFTI_TEXT = {
    1: {
        "data_type": (4, 14),
        "db_name": (14, 32),
        "descrip": (148, 228),
        "aux_file": (228, 252),
        "intent_name": (328, 344),
    },
    2: {
        "descrip": (240, 320),
        "aux_file": (320, 344),
        "intent_name": (508, 524),
        "unused_str": (525, 540),
    },
}


def of_nifti(stream: BinaryIO) -> Parts:
    """The fields of text of a NIfTI header, and its extensions."""
    start = stream.read(_NIFTI_SHORTEST)
    version = nifti_version(start)
    for name, (first, last) in _NIFTI_TEXT[version].items():
        yield Text(f"NIfTI {name}", decoded(start[first:last].partition(b"\0")[0]))
    header = 348 if version == 1 else 540
    extended = start[header : header + 1] not in (b"", b"\0")
    stream.seek(header)
    length = _voxels_at(start, version) - header
    if length > _LONGEST_HEADER or (extended and length <= 4):
        # The header does not say where its extensions end.
        yield from plain_text(stream)
    elif length > 4:
        yield from everything("NIfTI extension", stream.read(length))


def _voxels_at(start: bytes, version: int) -> int:
    """Where in the file the voxels begin; 0 if the header does not say."""
    order = "<" if start[:2] in (b"\x5c\x01", b"\x1c\x02") else ">"
    kind, at = ("f", 108) if version == 1 else ("q", 168)
    (first,) = struct.unpack_from(f"{order}{kind}", start, at)
    return int(first) if 0 < first < 1 << 62 else 0


#: Chunks of a PNG that hold pixels only.
_PNG_PIXELS = (b"IDAT", b"fdAT", b"PLTE")


def of_png(stream: BinaryIO) -> Parts:
    """The chunks of a PNG (ISO/IEC 15948, 11.3) but the pixels, and what follows the last one."""
    stream.seek(8)
    kind = b""
    while kind != b"IEND":
        start = stream.read(8)
        if len(start) < 8:
            yield Unread("PNG", "is cut short")
            return
        length, kind = struct.unpack(">I4s", start)
        if kind in _PNG_PIXELS or length > _LONGEST_CHUNK:
            if kind not in _PNG_PIXELS:
                yield Unread("PNG", "a chunk is damaged, or too long")
            stream.seek(length + 4, 1)
            continue
        chunk = stream.read(length + 4)
        if len(chunk) < length:
            yield Unread("PNG", "is cut short")
        yield from _of_chunk(kind, chunk[:length])
    yield from plain_text(stream)


def _of_chunk(kind: bytes, chunk: bytes) -> Parts:
    place = f"PNG {decoded(kind)}"
    yield from everything(place, chunk)
    packed = b""
    rest = chunk.partition(b"\0")[2]
    if kind == b"zTXt":
        packed = rest[1:]
    elif kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]
    if not packed:
        return
    try:
        unpacking = zlib.decompressobj()
        yield from texts(place, decoded(unpacking.decompress(packed, _LONGEST_CHUNK)))
    except zlib.error:
        yield Unread(place, "is damaged")
    else:
        if not unpacking.eof:
            yield Unread(place, "is cut short, or too long")


def of_nrrd(stream: BinaryIO) -> Parts:
    """The header of an NRRD; the whole file, if an empty line does not end it."""
    header, end, _ = re.split(rb"(\r?\n\r?\n|\Z)", stream.read(_LONGEST_HEADER), maxsplit=1)
    if end:
        yield from texts("NRRD header", decoded(header))
    else:
        stream.seek(0)
        yield from plain_text(stream)


_MHA_DATA = re.compile(rb"^\s*ElementDataFile\s*=\s*(\S*)[^\n]*(?:\n|\Z)", re.MULTILINE)


def of_mha(stream: BinaryIO) -> Parts:
    """The header of a MetaImage; the whole file, if the voxels do not follow the header."""
    start = stream.read(_LONGEST_HEADER)
    data = _MHA_DATA.search(start)
    if data and data[1].upper() == b"LOCAL":
        yield from texts("MHA header", decoded(start[: data.end()]))
    else:
        stream.seek(0)
        yield from plain_text(stream)


_NUMBERS = re.compile(rb"'descr': '[<>|=]?[biufcmM]\d")
_CHARACTERS = re.compile(rb"'descr': '([<>])U\d")


def of_numpy(stream: BinaryIO) -> Parts:
    """The header of a NumPy array, and its values unless they are numbers."""
    start = stream.read(12)
    end = 12 if start[6] > 1 else 10
    (length,) = struct.unpack("<I" if end == 12 else "<H", start[8:end])
    stream.seek(end)
    header = stream.read(min(length, _LONGEST_HEADER))
    yield Text("NumPy header", decoded(header))
    if _NUMBERS.search(header):
        return
    mark = b""
    if characters := _CHARACTERS.search(header):
        mark = codecs.BOM_UTF32_LE if characters[1] == b"<" else codecs.BOM_UTF32_BE
    yield Packed("NumPy array", copied(stream, mark))


def is_safetensors(start: bytes) -> bool:
    """Whether a file that begins with these bytes is one of safetensors: a length, then JSON."""
    return start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < _LONGEST_HEADER


def of_safetensors(stream: BinaryIO) -> Parts:
    """The header of a file of weights."""
    (length,) = struct.unpack("<Q", stream.read(8))
    yield from texts("safetensors header", decoded(stream.read(length)))


def of_dicom(stream: BinaryIO) -> Parts:
    """The values of a DICOM object before its pixels, those of unknown meaning too."""
    import pydicom

    from remodal.intake.headers import quiet_pydicom

    try:
        with quiet_pydicom():
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            yield from everything("DICOM preamble", dataset.preamble or b"")
            for element in chain(dataset.file_meta.iterall(), dataset.iterall()):
                yield from _of_element(element)
    except Exception:
        # Damage can make pydicom raise anything.
        yield Unread("DICOM header", "is damaged")
        stream.seek(0)
        yield from plain_text(stream)


def _of_element(element: "DataElement") -> Parts:
    place = f"DICOM {element.keyword or element.tag}"
    if element.VR == "SQ" or element.keyword == "PixelData":  # an icon's
        return
    if element.keyword == "EncapsulatedDocument":
        yield Packed(place, BytesIO(element.value))
    elif isinstance(element.value, bytes):
        yield from everything(place, element.value)
    else:
        yield Text(place, str(element.value))
