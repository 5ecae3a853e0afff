"""Where a NIfTI header says that its voxels lie."""

from itertools import product

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry

# NIfTI's world is RAS, ours is LPS: x and y change sign.
LPS_FROM_RAS = np.array([-1.0, -1.0, 1.0])
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # unknown is taken as mm, as all readers do
_SHEAR = 1e-3
_FLAT = 0.1  # volume that three unit vectors span at least
_ROUNDING = 1e-7
_APART = 0.05  # voxels: sform and qform disagree if they place a corner further apart


def place_of(header: np.void, shape: tuple[int, int, int]) -> tuple[Geometry, list[str]]:
    """The place given by the sform, or else the qform, or else only by the voxel size; warnings.

    The grid's axes need not be perpendicular.

    Raises:
        BadCase: the header gives no grid in space.
    """
    warnings = []
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MILLIMETRES:
        warnings.append(f"unknown unit of length ({unit}): taken as mm")
    by_qform = _qform(header)
    if header["sform_code"] > 0:
        matrix = header["affine"].astype(float)
        warnings += _disagreement(header, matrix, by_qform, shape)
    elif header["qform_code"] > 0:
        if by_qform is None:
            raise BadCase("the qform is not a grid in space", remedy="export the image again")
        matrix = by_qform
    else:
        spacing = header["pixdim"][1:4].astype(float)
        matrix = np.column_stack([np.diag(spacing * LPS_FROM_RAS), np.zeros(3)])
        warnings.append(
            "neither sform nor qform is set, so the place in the patient is unknown: taken as "
            "columns to the left, rows to the back, slices to the head (as ITK does), origin 0"
        )
    if not header["sform_code"] > 0 and np.any(header["pixdim"][1:4] <= 0):
        raise BadCase("the voxels have no size (pixdim)", expected="sizes above 0 mm")
    matrix *= _MILLIMETRES.get(unit, 1.0)
    return _grid(matrix * LPS_FROM_RAS[:, None], shape), warnings


def require_perpendicular(geometry: Geometry) -> None:
    """Check that a grid has right angles.

    Slices that lean in a file are not resampled as those of a DICOM series are: dcm2niix, which
    writes most of such files, stores the distance along the normal as the length of the leaning
    axis, so that the slices are closer in the header than they were.

    Raises:
        BadCase: it has not.
    """
    direction = np.reshape(geometry.direction, (3, 3))
    cosines = np.abs(direction.T @ direction - np.eye(3))
    if cosines.max() <= _SHEAR:
        return
    if cosines[0, 1] <= _SHEAR:
        angle = np.degrees(np.arcsin(min(1.0, float(np.linalg.norm(cosines[:2, 2])))))
        raise BadCase(
            f"the axes are sheared: the slices lean by {angle:.1f} degrees (tilted gantry), and a "
            "header that leans does not tell surely how far they are apart",
            expected="perpendicular axes",
            remedy="name the DICOM series, which is resampled",
        )
    raise BadCase(
        "the axes are sheared",
        expected="perpendicular axes",
        remedy="resample the image onto a rectangular grid, or name its DICOM series",
    )


def _grid(matrix: np.ndarray, shape: tuple[int, int, int]) -> Geometry:
    """Geometry of a 3 x 4 matrix from voxels (x, y, z) to LPS mm."""
    # Beyond these limits, single-precision numbers in a header no longer tell the place.
    spacing = np.linalg.norm(matrix[:, :3], axis=0)
    if not np.all(np.isfinite(matrix)) or np.any(spacing < 1e-6) or np.abs(matrix).max() > 1e7:
        raise BadCase("the sform or qform is not a grid in space", remedy="export the image again")
    direction = matrix[:, :3] / spacing
    if abs(np.linalg.det(direction)) < _FLAT:
        raise BadCase("the sform or qform is not a grid in space", remedy="export the image again")
    return Geometry(
        shape=shape,
        spacing=tuple(spacing.tolist()),
        origin=tuple(matrix[:, 3].tolist()),
        direction=tuple(direction.ravel().tolist()),
    )


def _qform(header: np.void) -> np.ndarray | None:
    """The 3 x 4 matrix of quaternion, offset and voxel size; None when they make no sense."""
    b, c, d = header["quaternion"].astype(float)
    imaginary = b * b + c * c + d * d
    spacing = header["pixdim"][1:4].astype(float)
    # Written out, since a comparison with NaN is false.
    if not (imaginary <= 1 + _SHEAR and np.all(np.isfinite(spacing)) and np.all(spacing > 0)):
        return None
    # For half turns a is 0: a small remainder is the rounding of 32-bit numbers.
    a = np.sqrt(1.0 - imaginary) if 1.0 - imaginary > _ROUNDING else 0.0
    length = np.sqrt(a * a + imaginary)
    a, b, c, d = a / length, b / length, c / length, d / length
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    handedness = -1.0 if header["pixdim"][0] < 0 else 1.0
    axes = rotation * spacing * [1.0, 1.0, handedness]
    return np.column_stack([axes, header["offset"].astype(float)])


def _disagreement(
    header: np.void, sform: np.ndarray, qform: np.ndarray | None, shape: tuple[int, int, int]
) -> list[str]:
    """A warning if the qform or the voxel size disagrees with the sform, which is used."""
    lengths = np.linalg.norm(sform[:, :3], axis=0)
    if header["qform_code"] > 0:
        ends = [[*corner, 1] for corner in product(*((0, length - 1) for length in shape[::-1]))]
        apart = np.inf if qform is None else np.abs((sform - qform) @ np.array(ends, float).T).max()
        if not apart <= _APART * lengths.min():
            said = "the qform makes no sense" if qform is None else f"up to {apart:.3g} apart"
            return [f"sform and qform give different places ({said}): the sform is used"]
    elif not np.allclose(header["pixdim"][1:4], lengths, rtol=1e-2):
        return ["sform and pixdim give different voxel sizes: the sform is used"]
    return []
