"""MetaImage and NRRD: checked by their headers, then read by SimpleITK."""

import bz2
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume, geometry_of
from remodal.intake.gzip_end import ends_with_length
from remodal.intake.text_headers import METAIMAGE, TEXT_SUFFIXES, TextHeader, read_text_header

_PIECE = 1 << 20
_PICTURES = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg", ".gif", ".lsm", ".jp2")
_BYTES = {
    **dict.fromkeys(("met_char", "met_uchar"), 1),
    **dict.fromkeys(("met_short", "met_ushort"), 2),
    **dict.fromkeys(("met_int", "met_uint", "met_float"), 4),
    **dict.fromkeys(("met_long", "met_ulong"), 4),
    **dict.fromkeys(("met_long_long", "met_ulong_long", "met_double"), 8),
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char"), 1),
    **dict.fromkeys(("uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16"), 2),
    **dict.fromkeys(("int16_t", "ushort", "unsigned short", "unsigned short int"), 2),
    **dict.fromkeys(("uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int"), 4),
    **dict.fromkeys(("uint32", "uint32_t", "float"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long"), 8),
    **dict.fromkeys(("signed long long int", "int64", "int64_t", "ulonglong"), 8),
    **dict.fromkeys(("unsigned long long", "unsigned long long int", "uint64"), 8),
    **dict.fromkeys(("uint64_t", "double"), 8),
}
_PACKED = ("gzip", "gz", "bzip2", "bz2")
_SHEAR = 1e-3


def read_text_format(path: Path) -> tuple[Volume, list[str]]:
    """Read a MetaImage or NRRD file with one 3-D image.

    Returns:
        As `nifti.read_image`.

    Raises:
        BadCase: another format, fewer voxels than the header says, not three-dimensional, voxels
            that are not one real number each, no voxel size, sheared axes.
    """
    layers, geometry, warnings = read_layers(path)
    if len(layers) > 1:
        raise BadCase(
            f"the image has {len(layers)} values a voxel",
            where=path.name,
            expected="one 3-D image with one value per voxel",
        )
    return Volume(layers[0], geometry), warnings


def read_layers(path: Path) -> tuple[np.ndarray, Geometry, list[str]]:
    """Read a MetaImage or NRRD file with one or several values per voxel.

    Returns:
        Array (layer, z, y, x), geometry, and warnings about the place.

    Raises:
        BadCase: as `read_text_format`, but several values per voxel are allowed.
    """
    import SimpleITK as sitk

    header = checked_header(path)
    image = _read_with_sitk(path)
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = image[..., 0]
    if image.GetDimension() != 3:
        size = " x ".join(map(str, image.GetSize()))
        raise BadCase(f"the image is {size}", where=path.name, expected="one 3-D image")
    array, geometry = sitk.GetArrayFromImage(image), geometry_of(image)
    # SimpleITK puts the values of a voxel on the last axis.
    array = array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0)
    if array.dtype.kind == "c":
        raise BadCase("the voxels are complex", where=path.name, expected="one number per voxel")
    return array, geometry, _place_warnings(path, header, geometry)


def known_header(path: Path) -> TextHeader:
    """The header of a file in a supported format, without looking at its voxels.

    Raises:
        BadCase: another format, or files with voxels are missing.
    """
    suffix = path.suffix.lower()
    if suffix in _PICTURES:
        raise BadCase(
            f"`{suffix}` is a picture, without voxel size and place in the patient",
            where=path.name,
            expected="DICOM, NIfTI, NRRD or MHA",
            remedy="convert the original DICOM images",
        )
    if suffix not in TEXT_SUFFIXES:
        raise BadCase(
            "cannot be read as an image: it is no DICOM and its name ends in no known format",
            where=path.name,
            expected="NIfTI, NRRD or MHA",
        )
    header = read_text_header(path)
    missing = sum(not file.is_file() for file in header.data_files)
    if missing:
        raise BadCase(
            f"{missing} of {len(header.data_files)} files with its voxels are missing",
            where=path.name,
            expected="them beside the header",
        )
    return header


def header_of_whole(path: Path) -> TextHeader:
    """As `checked_header`, but a packed file whose end says that it is whole is not unpacked.

    Raises:
        BadCase: as `checked_header`.
    """
    header = known_header(path)
    return header if _ends_whole(path, header) else checked_header(path)


def _ends_whole(path: Path, header: TextHeader) -> bool:
    """Whether a file is packed, in one piece, and says at its end or of it that nothing is cut."""
    encoding = _encoding(path, header)
    if encoding not in ("gzip", "gz") or len(header.data_files) > 1:
        return False
    if path.suffix.lower() in METAIMAGE:
        return _states_its_end(path, header)
    file = header.data_files[0] if header.data_files else path
    return file.stat().st_size >= 4 and ends_with_length(file, _expected_bytes(path, header)[0])


def checked_header(path: Path) -> TextHeader:
    """The header of a file whose voxels are all there.

    Raises:
        BadCase: as `known_header`, or fewer voxels than the header says.
    """
    header = known_header(path)
    expected, voxel = _expected_bytes(path, header)
    encoding = _encoding(path, header)
    present = sum(
        _present(file, 0 if header.data_files else header.values_at, encoding, expected, voxel)
        for file in header.data_files or [path]
    )
    if present < expected:
        raise BadCase(f"is cut short: {present} of {expected} bytes of voxels", where=path.name)
    # Raw files may be longer, since `byte skip` and a HeaderSize of -1 allow it.
    if encoding in _PACKED and (present > expected or not _states_its_end(path, header)):
        raise BadCase("has more or fewer bytes than its header says", where=path.name)
    return header


def _expected_bytes(path: Path, header: TextHeader) -> tuple[int, int]:
    """Bytes of all voxels, and of one voxel, according to the header."""
    fields = header.fields
    try:
        if path.suffix.lower() in METAIMAGE:
            sizes = [int(size) for size in fields["dimsize"].split()]
            sizes.append(int(fields.get("elementnumberofchannels", 1)))
            kind = fields["elementtype"].lower().removesuffix("_array")
        else:
            sizes = [int(size) for size in fields["sizes"].split()]
            kind = fields["type"].lower()
        if min(sizes) < 1 or kind not in _BYTES:
            raise ValueError(kind)
    except (KeyError, ValueError) as error:
        raise BadCase(
            "its header is damaged", where=path.name, expected="sizes and a known type of voxels"
        ) from error
    return prod(sizes) * _BYTES[kind], _BYTES[kind]


def _encoding(path: Path, header: TextHeader) -> str:
    if path.suffix.lower() not in METAIMAGE:
        return header.fields.get("encoding", "raw").lower()
    if header.fields.get("binarydata", "true") != "true":
        return "ascii"
    return "gzip" if header.fields.get("compresseddata") == "true" else "raw"


def _states_its_end(path: Path, header: TextHeader) -> bool:
    """Whether a packed MetaImage gives its length; without it, ITK returns stale memory."""
    if path.suffix.lower() not in METAIMAGE:
        return True
    lengths = [file.stat().st_size for file in header.data_files]
    packed = lengths[0] if lengths else path.stat().st_size - header.values_at
    return len(lengths) < 2 and header.fields.get("compresseddatasize") == str(packed)


def _present(file: Path, start: int, encoding: str, expected: int, voxel: int) -> int:
    """Bytes of voxels that a file holds from `start` on, once it is unpacked.

    Raises:
        BadCase: an unknown encoding, or a damaged file.
    """
    if encoding == "raw":
        return file.stat().st_size - start
    with open(file, "rb") as stream:
        stream.seek(start)
        if encoding in _PACKED:
            return _unpacked(stream, encoding, expected)
        if encoding in ("ascii", "text", "txt"):
            return len(stream.read().split()) * voxel
    raise BadCase("unknown encoding of the voxels", where=file.name, expected="raw, gzip, bzip2")


def _unpacked(stream: BinaryIO, encoding: str, enough: int) -> int:
    """How many bytes a stream unpacks to; counting stops soon after `enough`.

    The checksum is verified if the stream is read to its end.
    """
    name = Path(stream.name).name
    found = 0
    try:
        for piece in _bunzipped(stream) if encoding[0] == "b" else _inflated(stream):
            found += len(piece)
            if found > enough:
                break
    except EOFError as error:
        raise BadCase("is cut short", where=name) from error
    except (zlib.error, OSError) as error:
        raise BadCase(f"is damaged ({error})", where=name) from error
    return found


def _bunzipped(stream: BinaryIO) -> Iterator[bytes]:
    with bz2.open(stream) as unpacked:
        yield from iter(lambda: unpacked.read(_PIECE), b"")


def _inflated(stream: BinaryIO) -> Iterator[bytes]:
    """Pieces of a zlib or gzip stream.

    Raises:
        EOFError: it breaks off.
        zlib.error: it is damaged.
    """
    unpack = zlib.decompressobj(wbits=47)
    while not unpack.eof:
        packed = unpack.unconsumed_tail or stream.read(_PIECE)
        piece = unpack.decompress(packed, _PIECE)
        if not packed and not piece:
            raise EOFError
        yield piece


def _read_with_sitk(path: Path):
    import SimpleITK as sitk

    try:
        return sitk.ReadImage(str(path))
    except (RuntimeError, MemoryError) as error:
        raise BadCase(
            "cannot be read as an image", where=path.name, expected="NIfTI, NRRD or MHA"
        ) from error


def _place_warnings(path: Path, header: TextHeader, geometry: Geometry) -> list[str]:
    """Warn if the header leaves the place in the patient open.

    Raises:
        BadCase: no voxel size, or axes that are not perpendicular.
    """
    said = header.fields.keys()
    if path.suffix.lower() in METAIMAGE:
        sized = said & {"elementspacing", "elementsize"}
        placed = said & {"offset", "position", "origin"}
    else:
        sized = said & {"spacedirections", "spacings"}
        placed = "spaceorigin" in said and said & {"space", "spacedimension"}
    if not sized:
        raise BadCase(
            "its header says no voxel size", where=path.name, expected="spacing, origin, direction"
        )
    direction = np.reshape(geometry.direction, (3, 3))
    numbers = [*geometry.spacing, *geometry.origin, *geometry.direction]
    if not np.all(np.isfinite(numbers)) or min(geometry.spacing) <= 0:
        raise BadCase("its header gives no grid in space", where=path.name)
    if np.abs(direction.T @ direction - np.eye(3)).max() > _SHEAR:
        raise BadCase(
            "the axes are sheared",
            where=path.name,
            expected="perpendicular axes",
            remedy="resample the image onto a rectangular grid",
        )
    return [] if placed else ["the header says no origin: the place in the patient is unknown"]
