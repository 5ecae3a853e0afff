"""Read elastix transforms: evaluate them on a grid, apply them to images and labels, write them.

The displacements of a chain's transforms add up ("Add", not "Compose"), and a B-spline's control
grid lies along the fixed grid. So a displacement field is a product of small matrices, one per
axis, and a 512 x 512 x 200 image is resampled slab by slab in little memory. `transformix` on the
same files gives the same image.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from remodal.geometry.volume import Geometry, Volume
from remodal.results.files import write_text

ParameterMap = Mapping[str, Sequence[str]]
Chain = Sequence[ParameterMap]

_BEFORE_KEYS = ("InitialTransformParameterFileName", "InitialTransformParametersFileName")
_SLAB_VOXELS = 2_000_000


class _Spline:
    """A cubic B-spline transform, prepared for one grid of points.

    Args:
        parameters: parameter map of an elastix BSplineTransform.
        grid: the points; its axes must be those of the control grid.
        frame: (3, 3) matrix that turns displacements in LPS mm into the wanted unit.
    """

    def __init__(self, parameters: ParameterMap, grid: Geometry, frame: np.ndarray) -> None:
        controls = _numbers(parameters, "GridSize").astype(int)
        spacing = _numbers(parameters, "GridSpacing")
        # elastix writes directions column by column.
        direction = _numbers(parameters, "GridDirection").reshape(3, 3).T
        if not np.allclose(direction, np.reshape(grid.direction, (3, 3)), atol=1e-5):
            raise ValueError("the control grid does not lie along the grid of points")
        away = grid.origin - _numbers(parameters, "GridOrigin")
        start = np.linalg.solve(direction, away) / spacing
        step = np.array(grid.spacing) / spacing
        lengths = grid.shape[::-1]
        places = [begin + stride * np.arange(n) for begin, stride, n in zip(start, step, lengths)]
        self._weights = [_cubic(place, n) for place, n in zip(places, controls)]
        self._slopes = [_cubic_slope(p, n) / s for p, n, s in zip(places, controls, spacing)]
        coefficients = _numbers(parameters, "TransformParameters").reshape(3, *controls[::-1])
        self._coefficients = np.tensordot(frame, coefficients, axes=1).astype(np.float32)
        self._planes: np.ndarray | None = None

    def displacement(self, rows: slice) -> np.ndarray:
        """(3, rows, Y, X) float32 displacements, for a range of the first array axis."""
        x, y, z = self._weights
        if self._planes is None:
            self._planes = self._in_plane(x, y)
        return _along_first(z[rows], self._planes)

    def gradient(self) -> np.ndarray:
        """(3, 3, Z, Y, X) float32: component, then axis (x, y, z) of the derivative, per mm."""
        (x, y, z), (slope_x, slope_y, slope_z) = self._weights, self._slopes
        parts = ((slope_x, y, z), (x, slope_y, z), (x, y, slope_z))
        return np.stack([_along_first(c, self._in_plane(a, b)) for a, b, c in parts], axis=1)

    def _in_plane(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.matmul(y, np.matmul(self._coefficients, x.T))


def displacement(chain: Chain, grid: Geometry) -> np.ndarray:
    """Displacement u in mm: what is at x on the grid is at x + u(x) in the moving image.

    Returns:
        (3, Z, Y, X) float32; components x, y, z in LPS.
    """
    matrix, offset, splines = _split(chain)
    rows = slice(0, grid.shape[0])
    shift = matrix - np.eye(3)
    field = _lattice(shift @ grid.affine[:3, :3], shift @ grid.origin + offset, grid, rows)
    for spline in splines:
        field += _Spline(spline, grid, np.eye(3)).displacement(rows)
    return field


def jacobian_determinant(chain: Chain, grid: Geometry) -> np.ndarray:
    """Determinant of the derivative of x -> x + u(x) at the grid's points: (Z, Y, X) float32.

    It is analytic, not a finite difference; negative where the transform folds.
    """
    matrix, _, splines = _split(chain)
    direction = np.reshape(grid.direction, (3, 3))
    gradient = np.zeros((3, 3, *grid.shape), np.float32)
    gradient += (matrix @ direction)[:, :, None, None, None]
    for spline in splines:
        gradient += _Spline(spline, grid, np.eye(3)).gradient()
    (a, b, c), (d, e, f), (g, h, i) = gradient
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return determinant * np.float32(np.linalg.det(direction))


def warp_image(
    moving: Volume, grid: Geometry, chain: Chain, outside: float, order: int = 3
) -> Volume:
    """The moving image on the fixed grid, by B-spline interpolation, in its own data type.

    Overshoots of the cubic spline are clipped to the range of the moving image's values; points
    outside the image become `outside`.

    Args:
        moving: image.
        grid: all of the fixed grid, or a part of it.
        chain: transforms; empty to take the images as they lie.
        outside: intensity where the moving image has none.
        order: 3 for cubic, 1 for linear.
    """
    from scipy.ndimage import map_coordinates, spline_filter

    array = moving.array
    coefficients = spline_filter(array, order, np.float32) if order > 1 else array
    low, high = float(moving.array.min()), float(moving.array.max())
    warped = np.empty(grid.shape, moving.array.dtype)
    for rows, points, missing in _moving_points(moving.geometry, grid, chain):
        values = map_coordinates(
            coefficients, points, np.float32, order, mode="mirror", prefilter=False
        )
        np.clip(values, low, high, out=values)
        values[missing] = outside
        warped[rows] = np.rint(values) if warped.dtype.kind in "iu" else values
    return Volume(warped, grid)


def warp_label(label: Volume, grid: Geometry, chain: Chain) -> Volume:
    """A label drawn on the moving image, on the fixed grid, by nearest neighbour; 0 outside."""
    from scipy.ndimage import map_coordinates

    warped = np.empty(grid.shape, label.array.dtype)
    for rows, points, missing in _moving_points(label.geometry, grid, chain):
        values = map_coordinates(label.array, points, label.array.dtype, order=0, mode="mirror")
        values[missing] = 0
        warped[rows] = values
    return Volume(warped, grid)


def onto(chain: Chain, grid: Geometry) -> list[ParameterMap]:
    """The chain, changed so that elastix resamples images onto `grid`."""
    place = {
        "Size": grid.shape[::-1],
        "Index": (0, 0, 0),
        "Spacing": grid.spacing,
        "Origin": grid.origin,
        # elastix writes directions column by column.
        "Direction": np.reshape(grid.direction, (3, 3)).T.ravel().tolist(),
    }
    entries = {key: tuple(map(str, values)) for key, values in place.items()}
    return [{**parameters, **entries} for parameters in chain]


def translation(shift: tuple[float, float, float], grid: Geometry, outside: float) -> ParameterMap:
    """A translation as elastix writes it: what is at x on the grid is at x + shift in the image.

    Args:
        shift: x, y, z in LPS mm.
        grid: grid of the fixed image.
        outside: intensity where the moving image has none.
    """
    parameters = {
        "Transform": ("TranslationTransform",),
        "NumberOfParameters": ("3",),
        "TransformParameters": tuple(map(str, shift)),
        "HowToCombineTransforms": ("Add",),
        "FixedImageDimension": ("3",),
        "MovingImageDimension": ("3",),
        "FixedInternalImagePixelType": ("float",),
        "MovingInternalImagePixelType": ("float",),
        "UseDirectionCosines": ("true",),
        "ResampleInterpolator": ("FinalBSplineInterpolator",),
        "FinalBSplineInterpolationOrder": ("3",),
        "Resampler": ("DefaultResampler",),
        "DefaultPixelValue": (f"{outside:g}",),
        "ResultImageFormat": ("nii",),
        "CompressResultImage": ("false",),
    }
    return onto([parameters], grid)[0]


def displaced(moving: Geometry, chain: Chain) -> Geometry:
    """Where the moving image's grid lies once the chain's translations are undone."""
    origin = np.array(moving.origin)
    for parameters in chain:
        if parameters["Transform"][0] == "TranslationTransform":
            origin = origin - _numbers(parameters, "TransformParameters")
    return replace(moving, origin=tuple(origin.tolist()))


def write_chain(chain: Chain, paths: Sequence[Path]) -> None:
    """Write elastix transform parameter files, each naming the one before it without a folder.

    `transformix -tp <last file>`, run where the files lie, applies the whole chain.
    """
    previous = "NoInitialTransform"
    for parameters, path in zip(chain, paths, strict=True):
        # The first key is that of elastix 5.1 and later, the second that of earlier versions.
        before = dict.fromkeys(_BEFORE_KEYS, (previous,))
        # With `float32`, the name in newer versions, older ones write nothing.
        content = {**parameters, **before, "ResultImagePixelType": ("float",)}
        write_text(path, parameter_text(content))
        previous = path.name


def parameter_text(parameters: ParameterMap) -> str:
    """A parameter map as elastix reads it from a file."""
    lines = (f"({key} {' '.join(map(_quoted, values))})" for key, values in parameters.items())
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    try:
        float(value)
    except ValueError:
        return f'"{value}"'
    return value


def _moving_points(
    moving: Geometry, grid: Geometry, chain: Chain
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Where slabs of the grid lie in the moving image.

    Yields rows, array coordinates (3, z, Y, X), and a mask of the points outside the image. The
    outer half of a border voxel belongs to it, as in ITK.
    """
    matrix, offset, splines = _split(chain)
    to_index = np.linalg.inv(moving.affine)
    frame = to_index[:3, :3]
    steps = frame @ matrix @ grid.affine[:3, :3]
    start = frame @ (matrix @ grid.origin + offset) + to_index[:3, 3]
    prepared = [_Spline(spline, grid, frame) for spline in splines]
    last = np.array(moving.shape[::-1], np.float32)[:, None, None, None] - 1
    depth = max(1, _SLAB_VOXELS // (grid.shape[1] * grid.shape[2]))
    for first in range(0, grid.shape[0], depth):
        rows = slice(first, min(first + depth, grid.shape[0]))
        points = _lattice(steps, start, grid, rows)
        for spline in prepared:
            points += spline.displacement(rows)
        missing = ((points < -0.5) | (points > last + 0.5)).any(axis=0)
        yield rows, points[::-1], missing


def _lattice(steps: np.ndarray, start: np.ndarray, grid: Geometry, rows: slice) -> np.ndarray:
    """`steps` (i, j, k) + `start` for the grid's indices i (x), j (y) and k (z) in `rows`."""
    i, j = np.arange(grid.shape[2]), np.arange(grid.shape[1])[:, None]
    k = np.arange(rows.start, rows.stop)[:, None, None]
    field = np.empty((3, rows.stop - rows.start, *grid.shape[1:]), np.float32)
    for component, (a, b, c), begin in zip(field, steps, start):
        component[:] = (begin + a * i + b * j) + c * k
    return field


def _split(chain: Chain) -> tuple[np.ndarray, np.ndarray, list[ParameterMap]]:
    """The chain as `matrix` x + `offset` plus the displacements of its B-splines."""
    matrix, offset, splines = np.eye(3), np.zeros(3), []
    for number, parameters in enumerate(chain):
        if number and parameters["HowToCombineTransforms"][0] != "Add":
            raise ValueError("only transforms whose displacements add up are read here")
        if parameters["Transform"][0] == "BSplineTransform":
            splines.append(parameters)
        else:
            rotation, centre, shift = _matrix_transform(parameters)
            matrix = matrix + rotation - np.eye(3)
            offset = offset + centre + shift - rotation @ centre
    return matrix, offset, splines


def _matrix_transform(parameters: ParameterMap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrix, centre and shift of x -> matrix (x - centre) + centre + shift."""
    kind, values = parameters["Transform"][0], _numbers(parameters, "TransformParameters")
    if kind == "TranslationTransform":
        return np.eye(3), np.zeros(3), values
    centre = _numbers(parameters, "CenterOfRotationPoint")
    if kind == "AffineTransform":
        return values[:9].reshape(3, 3), centre, values[9:]
    if kind == "EulerTransform":
        return _euler(parameters, values[:3]), centre, values[3:]
    raise ValueError(f"no transform of kind {kind} is read here")


def _euler(parameters: ParameterMap, angles: np.ndarray) -> np.ndarray:
    """ITK's Euler3DTransform: Rz Rx Ry, or Rz Ry Rx when ComputeZYX is true."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return z @ y @ x if parameters["ComputeZYX"][0] == "true" else z @ x @ y


def _numbers(parameters: ParameterMap, key: str) -> np.ndarray:
    return np.array(parameters[key], np.float64)


def _along_first(weights: np.ndarray, planes: np.ndarray) -> np.ndarray:
    flat = planes.reshape(*planes.shape[:2], -1)
    return np.matmul(weights, flat).reshape(3, len(weights), *planes.shape[2:])


def _cubic(places: np.ndarray, controls: int) -> np.ndarray:
    """Cubic B-spline weight of each control point (columns) at each place (rows, as an index)."""
    distance = np.abs(places[:, None] - np.arange(controls))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.maximum(2 - distance, 0) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)


def _cubic_slope(places: np.ndarray, controls: int) -> np.ndarray:
    """Derivative of `_cubic` with respect to the place."""
    offset = places[:, None] - np.arange(controls)
    distance = np.abs(offset)
    near = -2 * distance + 1.5 * distance**2
    far = -(np.maximum(2 - distance, 0) ** 2) / 2
    return (np.sign(offset) * np.where(distance < 1, near, far)).astype(np.float32)
