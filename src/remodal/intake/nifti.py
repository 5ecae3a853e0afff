"""Volumes in files: NIfTI-1 read and written here, other formats by SimpleITK.

The NIfTI header (https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h) is simple and SimpleITK
is slow at gzip and takes a third of a second to import, so the common case does without it.
"""

from pathlib import Path

import numpy as np

from remodal.errors import BadCase, UserError
from remodal.files import atomic_path
from remodal.volume import Geometry, Volume, from_sitk, to_sitk

_HEADER = np.dtype(
    [
        ("sizeof_hdr", "<i4"),
        ("unused", "V35"),
        ("dim_info", "u1"),
        ("dim", "<i2", 8),
        ("intent", "V14"),
        ("datatype", "<i2"),
        ("bitpix", "<i2"),
        ("slice_start", "<i2"),
        ("pixdim", "<f4", 8),
        ("vox_offset", "<f4"),
        ("scl_slope", "<f4"),
        ("scl_inter", "<f4"),
        ("slice_end", "<i2"),
        ("slice_code", "u1"),
        ("xyzt_units", "u1"),
        ("display", "V24"),
        ("text", "V104"),
        ("qform_code", "<i2"),
        ("sform_code", "<i2"),
        ("quaternion", "<f4", 3),
        ("offset", "<f4", 3),
        ("affine", "<f4", (3, 4)),
        ("intent_name", "V16"),
        ("magic", "S4"),
    ]
)
_VOXELS_AT = 352
_PIECE = 1 << 20
_CODES = {
    "uint8": 2,
    "int16": 4,
    "int32": 8,
    "float32": 16,
    "float64": 64,
    "int8": 256,
    "uint16": 512,
    "uint32": 768,
}
_TYPES = {code: np.dtype(name) for name, code in _CODES.items()}
_UNITS_OF_MM = (0, 2)  # unknown, millimetre
_SCANNER = 1
# NIfTI's world is RAS, ours is LPS: x and y change sign.
_LPS_FROM_RAS = np.array([-1.0, -1.0, 1.0])


def is_nifti(path: Path) -> bool:
    """Whether the name is that of a NIfTI file."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_volume(path: Path) -> Volume:
    """Read a 3-D image or label: NIfTI, or what SimpleITK knows (NRRD, MHA, ...) by its name.

    In NIfTI the sform gives the place when it is set; a file with a qform only, with other units
    than millimetres or of another NIfTI kind is left to SimpleITK. A slope and intercept other
    than 1 and 0 are applied, in float32.

    Returns:
        `array` (z, y, x), writable, in the file's number format; geometry in mm, LPS.

    Raises:
        BadCase: not there, empty, damaged, not three-dimensional, sheared axes.
    """
    path = Path(path)
    if not path.is_file():
        raise BadCase("there is no such file", where=str(path))
    if path.stat().st_size == 0:
        raise BadCase("is empty: the case is quarantined", where=str(path), remedy="see its record")
    if not is_nifti(path):
        return _read_with_sitk(path)
    try:
        with _open(path) as file:
            header = _parse(file.read(_HEADER.itemsize), path)
            if header is None:
                return _read_with_sitk(path)
            file.read(int(header["vox_offset"]) - _HEADER.itemsize)
            array = _read_voxels(file, header, path)
    except EOFError as error:
        raise BadCase("is cut short", where=path.name) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadCase(f"is damaged ({error})", where=path.name) from error
    return Volume(_scaled(array, header), _geometry(header, path))


def read_geometry(path: Path) -> Geometry:
    """Read where a NIfTI volume lies, without its voxels.

    Raises:
        BadCase: as `read_volume`.
    """
    if not is_nifti(path) or not path.is_file() or path.stat().st_size == 0:
        return read_volume(path).geometry
    with _open(path) as file:
        header = _parse(file.read(_HEADER.itemsize), path)
    return read_volume(path).geometry if header is None else _geometry(header, path)


def write_volume(path: Path, volume: Volume) -> None:
    """Write a volume, whole or not at all; equal volumes give equal bytes.

    `.nii.gz` and `.nii` hold NIfTI-1 with sform and qform (positions are rounded to 32-bit floats,
    as the format has them); another suffix is left to SimpleITK. Booleans become uint8.

    Raises:
        ValueError: a number format that NIfTI viewers do not share, or axes that are not
            perpendicular.
        UserError: unknown suffix.
        EnvironmentProblem: full disk, no permission.
    """
    path = Path(path)
    if volume.array.dtype == bool:
        volume = volume.with_array(volume.array.view(np.uint8))
    if not is_nifti(path):
        _write_with_sitk(path, volume)
        return
    if volume.array.dtype.name not in _CODES:
        raise ValueError(f"{volume.array.dtype} is not written; use one of {', '.join(_CODES)}")
    head = _header_of(volume).tobytes().ljust(_VOXELS_AT, b"\0")
    voxels = np.ascontiguousarray(volume.array, volume.array.dtype.newbyteorder("<"))
    with atomic_path(path) as temporary, _open(temporary, "wb") as file:
        file.write(head)
        file.write(memoryview(voxels).cast("B"))


def _open(path: Path, mode: str = "rb"):
    if not path.name.lower().endswith(".gz"):
        return open(path, mode)
    if mode == "rb":
        from isal import igzip

        return igzip.open(path, mode)
    from isal import igzip_threaded

    # Blocks of fixed size: the bytes do not depend on the number of threads.
    return igzip_threaded.open(path, mode, compresslevel=1, threads=2)


def _parse(raw: bytes, path: Path) -> np.void | None:
    """Header, or None for a kind that is left to SimpleITK."""
    if len(raw) < _HEADER.itemsize:
        raise BadCase("is cut short", where=path.name)
    header = np.frombuffer(raw, _HEADER)[0]
    if header["sizeof_hdr"] != _HEADER.itemsize:
        header = np.frombuffer(raw, _HEADER.newbyteorder(">"))[0]
    if header["sizeof_hdr"] != _HEADER.itemsize or header["magic"] != b"n+1":
        return None
    dimensions = int(header["dim"][0])
    sizes = header["dim"][1 : dimensions + 1] if 1 <= dimensions <= 7 else []
    if len(sizes) < 3 or np.any(sizes < 1) or np.any(sizes[3:] != 1):
        shape = " x ".join(str(size) for size in sizes) or f"{dimensions}-dimensional"
        raise BadCase(f"the image is {shape}", where=path.name, expected="one 3-D image a file")
    readable = header["datatype"] in _TYPES and header["vox_offset"] >= _VOXELS_AT
    known_place = header["sform_code"] > 0 and (header["xyzt_units"] & 7) in _UNITS_OF_MM
    return header if readable and known_place else None


def _read_voxels(file, header: np.void, path: Path) -> np.ndarray:
    kind = _TYPES[int(header["datatype"])].newbyteorder(_byte_order(header))
    array = np.empty(header["dim"][3:0:-1], kind)
    buffer = memoryview(array).cast("B")
    filled = 0
    while filled < len(buffer):
        # In pieces: gzip readers set aside as much memory as they are asked for.
        count = file.readinto(buffer[filled : filled + _PIECE])
        if not count:
            raise BadCase(
                f"is cut short: {filled} of {len(buffer)} bytes of voxels", where=path.name
            )
        filled += count
    # Reading to the end makes gzip compare its checksum.
    while file.read(_PIECE):
        pass
    return array.astype(kind.newbyteorder("="), copy=False)


def _byte_order(header: np.void) -> str:
    return header.dtype["sizeof_hdr"].byteorder.replace("=", "<")


def _scaled(array: np.ndarray, header: np.void) -> np.ndarray:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    # A slope of 0 means that there is none (NIfTI-1 standard).
    if slope == 0.0 or not np.isfinite(slope) or (slope, intercept) == (1.0, 0.0):
        return array
    return (array * slope + intercept).astype(np.float32)


def _geometry(header: np.void, path: Path) -> Geometry:
    affine = header["affine"].astype(float) * _LPS_FROM_RAS[:, None]
    spacing = np.linalg.norm(affine[:, :3], axis=0)
    if not np.all(np.isfinite(affine)) or np.any(spacing <= 0):
        raise BadCase("the sform is not a grid in space", where=path.name)
    direction = affine[:, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
        raise BadCase(
            "the axes are sheared",
            where=path.name,
            expected="perpendicular axes",
            remedy="resample the image onto a rectangular grid",
        )
    return Geometry(
        shape=tuple(int(size) for size in header["dim"][3:0:-1]),
        spacing=tuple(spacing.tolist()),
        origin=tuple(affine[:, 3].tolist()),
        direction=tuple(direction.ravel().tolist()),
    )


def _header_of(volume: Volume) -> np.ndarray:
    geometry = volume.geometry
    direction = np.reshape(geometry.direction, (3, 3)) * _LPS_FROM_RAS[:, None]
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
        raise ValueError("the axes of the volume are not perpendicular")
    header = np.zeros((), _HEADER)
    header["sizeof_hdr"] = _HEADER.itemsize
    header["dim"] = [3, *geometry.shape[::-1], 1, 1, 1, 1]
    header["datatype"] = _CODES[volume.array.dtype.name]
    header["bitpix"] = volume.array.dtype.itemsize * 8
    handedness = 1.0 if np.linalg.det(direction) > 0 else -1.0
    header["pixdim"] = [handedness, *geometry.spacing, 0, 0, 0, 0]
    header["vox_offset"] = _VOXELS_AT
    header["scl_slope"] = 1
    header["xyzt_units"] = 2
    header["qform_code"] = header["sform_code"] = _SCANNER
    rotation = direction * [1.0, 1.0, handedness]
    header["quaternion"] = quaternion(rotation)
    header["offset"] = geometry.origin * _LPS_FROM_RAS
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


def _read_with_sitk(path: Path) -> Volume:
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise BadCase(
            "cannot be read as an image", where=path.name, expected="NIfTI, NRRD or MHA"
        ) from error
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = image[..., 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        size = " x ".join(map(str, [*image.GetSize(), image.GetNumberOfComponentsPerPixel()]))
        raise BadCase(
            f"the image is {size} (last: values a voxel)",
            where=path.name,
            expected="one 3-D image with one value a voxel",
        )
    return from_sitk(image)


def _write_with_sitk(path: Path, volume: Volume) -> None:
    import SimpleITK as sitk

    if path.suffix.lower() not in (".nrrd", ".mha"):
        raise UserError(
            "unknown image format", where=str(path), expected="a name in .nii.gz, .nii, .nrrd, .mha"
        )
    with atomic_path(path) as temporary:
        sitk.WriteImage(to_sitk(volume), str(temporary), useCompression=True)
