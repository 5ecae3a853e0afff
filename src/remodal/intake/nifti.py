"""Volumes in files: NIfTI is read and written here, other formats by SimpleITK.

The NIfTI header is simple, while SimpleITK is slow at gzip and takes a third of a second to import,
so the common case does without it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.intake.gzip_end import ends_with_length
from remodal.intake.nifti_header import (
    CODES,
    LONGEST,
    VERSION_1,
    NiftiHeader,
    parse_header,
)
from remodal.intake.nifti_place import LPS_FROM_RAS, require_perpendicular
from remodal.intake.source_files import files_of, path_and_number
from remodal.results.files import atomic_path

_SINGLE = (".nii", ".nii.gz")
_VOXELS_AT = 352
_PIECE = 1 << 20
_SCANNER, _MM = 1, 2
#: Number formats that every viewer reads.
_WRITTEN = {name: code for name, code in CODES.items() if name not in ("int64", "uint64")}
#: Most bytes that a byte of gzip can stand for (RFC 1951: 258 bytes in two bits).
_EXPANSION = 1032


def is_nifti(path: Path) -> bool:
    """Whether the name is that of a NIfTI file, or of one of a pair."""
    return path.name.lower().endswith((*_SINGLE, ".hdr", ".img"))


def read_volume(path: Path) -> Volume:
    """Read a 3-D image or label as `read_image` does, but drop the warnings."""
    return read_image(path)[0]


def read_image(path: Path, *, sheared: bool = False) -> tuple[Volume, list[str]]:
    """Read a 3-D image or label: NIfTI (1 or 2, one file or a pair), NRRD or MetaImage.

    Of several images in a NIfTI file one is read, whose number, from 0 on, follows the path: `#2`.
    In NIfTI the sform gives the place if it is set, otherwise the qform. A slope and intercept
    other than 1 and 0 are applied, in float32. No memory is allocated for voxels that the header
    promises but the file does not hold.

    Args:
        path: the file.
        sheared: whether the axes of a NIfTI file need not be perpendicular.

    Returns:
        The volume, `array` (z, y, x) writable and in the file's number format, geometry in mm, LPS;
        and warnings about what the file leaves open or contradicts.

    Raises:
        BadCase: missing, empty, damaged, not three-dimensional, sheared axes, voxels that are not
            one real number each, a format without a place in space, or no image of that number.
    """
    path, number = path_and_number(Path(path))
    if not path.is_file():
        raise BadCase("there is no such file", where=str(path))
    if path.stat().st_size == 0:
        raise BadCase("is empty: the case is quarantined", where=str(path), remedy="see its record")
    if not is_nifti(path):
        from remodal.intake.text_formats import read_text_format

        return read_text_format(path)
    header = _read_header(path, number, sheared)
    array, trailing = _read_voxels(_voxel_file(path, header), header)
    return Volume(_scaled(array, header), header.geometry), [*header.warnings, *trailing]


def read_geometry(path: Path) -> Geometry:
    """Read where a volume lies; for NIfTI, without reading its voxels.

    Raises:
        BadCase: as `read_image`.
    """
    file, number = path_and_number(Path(path))
    if not is_nifti(file) or not file.is_file() or file.stat().st_size == 0:
        return read_volume(path).geometry
    return _read_header(file, number).geometry


def geometry_of_whole(path: Path, *, sheared: bool = False) -> Geometry:
    """Read where a NIfTI volume lies, and see by the file's length that no voxel is missing.

    Args:
        path: the file.
        sheared: whether its axes need not be perpendicular.

    Raises:
        BadCase: as `read_image`.
    """
    file, number = path_and_number(Path(path))
    header = _read_header(file, number, sheared)
    _require_voxels(_voxel_file(file, header), header)
    return header.geometry


def write_volume(path: Path, volume: Volume) -> None:
    """Write a volume, whole or not at all; equal volumes give equal bytes.

    `.nii.gz` and `.nii` hold NIfTI-1 with sform and qform (positions are rounded to 32-bit floats,
    as the format has them); other formats are left to SimpleITK. Booleans become uint8.

    Raises:
        ValueError: a number format that not every NIfTI viewer reads, or axes that are not
            perpendicular.
        UserError: unknown suffix.
        EnvironmentProblem: full disk, no permission.
    """
    path = Path(path)
    if volume.array.dtype == bool:
        volume = volume.with_array(volume.array.view(np.uint8))
    if not path.name.lower().endswith(_SINGLE):
        _write_with_sitk(path, volume)
        return
    if volume.array.dtype.name not in _WRITTEN:
        raise ValueError(f"{volume.array.dtype} is not written; use one of {', '.join(_WRITTEN)}")
    head = _header_of(volume).tobytes().ljust(_VOXELS_AT, b"\0")
    voxels = np.ascontiguousarray(volume.array, volume.array.dtype.newbyteorder("<"))
    with atomic_path(path) as temporary, _open(temporary, "wb") as file:
        file.write(head)
        file.write(memoryview(voxels).cast("B"))


def _open(path: Path, mode: str = "rb"):
    """Open a file's uncompressed content; when reading, its first bytes say whether it is gzip."""
    if mode == "rb":
        if not _is_gzip(path):
            return open(path, mode)
        from isal import igzip

        return igzip.open(path, mode)
    if not path.name.lower().endswith(".gz"):
        return open(path, mode)
    from isal import igzip_threaded

    # Blocks of fixed size: the bytes do not depend on the number of threads.
    return igzip_threaded.open(path, mode, compresslevel=1, threads=2)


def _is_gzip(path: Path) -> bool:
    """Whether the content is compressed, whatever the name; the voxels of an `.img` never are."""
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b" and path.suffix.lower() != ".img"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file to read its uncompressed content; damage raises BadCase."""
    try:
        with _open(path) as file:
            yield file
    except EOFError as error:
        raise BadCase("is cut short", where=path.name) from error
    except (OSError, *_unpacking_errors(path)) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise BadCase(f"is damaged ({error})", where=path.name) from error


def _unpacking_errors(path: Path) -> tuple[type[Exception], ...]:
    """What the library that unpacks a file raises of damage, besides an OSError."""
    if not _is_gzip(path):
        return ()
    from isal import isal_zlib

    return (isal_zlib.error,)


def _read_header(path: Path, number: int | None, sheared: bool = False) -> NiftiHeader:
    header_file, *_ = files_of(path)
    with _opened(header_file) as file:
        header = parse_header(file.read(LONGEST), path.name, number)
    if not sheared:
        require_perpendicular(header.geometry)
    if header.detached and path.name.lower().endswith(_SINGLE):
        raise BadCase(
            "says that its voxels are in another file",
            where=path.name,
            expected="an `.nii` file with its voxels, or a pair of `.hdr` and `.img`",
        )
    return header


def _voxel_file(path: Path, header: NiftiHeader) -> Path:
    """Where the voxels are: the `.img` of a pair, otherwise the file itself."""
    if not header.detached:
        return path
    _, *voxels = files_of(path)
    if not voxels:
        raise BadCase("the .img file beside it is missing", where=path.name)
    return voxels[0]


def _read_voxels(path: Path, header: NiftiHeader) -> tuple[np.ndarray, list[str]]:
    """Stored values (z, y, x) and warnings; memory is allocated once they are known to exist."""
    _require_voxels(path, header)
    array = np.empty(header.geometry.shape, header.number_format)
    buffer = memoryview(array).cast("B")
    with _opened(path) as file:
        _skip(file, header.voxels_at)
        filled = 0
        while filled < len(buffer):
            # In pieces, since gzip readers allocate as much memory as they are asked to read.
            count = file.readinto(buffer[filled : filled + _PIECE])
            if not count:
                raise EOFError
            filled += count
        # Reading to the end makes gzip compare its checksum.
        left = _skip(file, None) - header.follows
    warnings = [f"{left} bytes follow the voxels: the sizes may be wrong"] if left else []
    return array.astype(header.number_format.newbyteorder("="), copy=False), warnings


def _require_voxels(path: Path, header: NiftiHeader) -> None:
    """Require that a file is as long as its header says.

    Raises:
        BadCase: it is shorter, or damaged.
    """
    expected = header.voxels_at + header.size + header.follows
    present = _content_length(path, expected)
    if present < expected:
        raise BadCase(
            f"is cut short: {max(0, present - header.voxels_at)} of {header.size} bytes of voxels",
            where=path.name,
        )


def _content_length(path: Path, expected: int) -> int:
    """Uncompressed length of a file, or an upper bound of it where that is below `expected`.

    A gzip file that does not end with the expected length is unpacked just to measure it.
    """
    stored = path.stat().st_size
    if not _is_gzip(path):
        return stored
    if stored * _EXPANSION < expected:
        return stored * _EXPANSION
    if ends_with_length(path, expected):
        return expected
    with _opened(path) as file:
        return _skip(file, None)


def _skip(file: Any, count: int | None) -> int:
    """Skip `count` bytes (None: all that are left) and return how many there were."""
    skipped = 0
    while count is None or skipped < count:
        piece = file.read(_PIECE if count is None else min(_PIECE, count - skipped))
        if not piece:
            break
        skipped += len(piece)
    return skipped


def _scaled(array: np.ndarray, header: NiftiHeader) -> np.ndarray:
    if (header.slope, header.intercept) == (1.0, 0.0):
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        return (array * header.slope + header.intercept).astype(np.float32)


def _header_of(volume: Volume) -> np.ndarray:
    geometry = volume.geometry
    direction = np.reshape(geometry.direction, (3, 3)) * LPS_FROM_RAS[:, None]
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
        raise ValueError("the axes of the volume are not perpendicular")
    header = np.zeros((), VERSION_1)
    header["sizeof_hdr"] = VERSION_1.itemsize
    header["dim"] = [3, *geometry.shape[::-1], 1, 1, 1, 1]
    header["datatype"] = _WRITTEN[volume.array.dtype.name]
    header["bitpix"] = volume.array.dtype.itemsize * 8
    handedness = 1.0 if np.linalg.det(direction) > 0 else -1.0
    header["pixdim"] = [handedness, *geometry.spacing, 0, 0, 0, 0]
    header["vox_offset"] = _VOXELS_AT
    header["scl_slope"] = 1
    header["xyzt_units"] = _MM
    header["qform_code"] = header["sform_code"] = _SCANNER
    rotation = direction * [1.0, 1.0, handedness]
    header["quaternion"] = quaternion(rotation)
    header["offset"] = geometry.origin * LPS_FROM_RAS
    header["affine"][:, :3] = direction * geometry.spacing
    header["affine"][:, 3] = header["offset"]
    header["magic"] = b"n+1"
    return header


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """The parts b, c, d of a rotation's unit quaternion whose real part is not negative.

    It is the eigenvector of the largest eigenvalue of Bar-Itzhack's symmetric matrix (2000,
    doi:10.2514/2.4654), which also holds for a matrix that is a rotation up to rounding.

    Args:
        rotation: 3 x 3 proper rotation.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    matrix = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, yx + xy, xz + zx],
            [xz - zx, yx + xy, yy - xx - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, zz - xx - yy],
        ]
    )
    real, *imaginary = np.linalg.eigh(matrix)[1][:, -1]
    return np.array(imaginary) * (1.0 if real >= 0 else -1.0)


def _write_with_sitk(path: Path, volume: Volume) -> None:
    import SimpleITK as sitk

    if path.suffix.lower() not in (".nrrd", ".mha"):
        raise UserError(
            "unknown image format", where=str(path), expected="a name in .nii.gz, .nii, .nrrd, .mha"
        )
    with atomic_path(path) as temporary:
        sitk.WriteImage(to_sitk(volume), str(temporary), useCompression=True)
