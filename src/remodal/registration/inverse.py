"""Bring what was found on a case's grid back to the image that was registered to it."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy.ndimage import map_coordinates

from remodal.geometry.volume import Geometry, Volume
from remodal.registration.transforms import Chain, displacement, warp_image

#: Distance in mm of the points at which a transform is inverted; between them, the inverse is
#: interpolated linearly. Control points of a B-spline lie many times as far apart.
_STEP = 2.0
_CLOSE_ENOUGH = 0.01  # mm
_MOST_ITERATIONS = 50
_SLAB_VOXELS = 2_000_000


def carried_back(image: Volume, grid: Geometry, chain: Chain, outside: float) -> Volume:
    """An image on the fixed grid, where the moving image was scanned, by linear interpolation.

    What is at x on the fixed grid is at y = x + u(x) in the moving image. For each y, x is found by
    the iteration x <- y - u(x) (Chen et al. 2008, doi:10.1118/1.2816107), which converges as long
    as the transform does not fold.

    Args:
        image: on the fixed grid.
        grid: the moving image's own.
        chain: transforms from the fixed grid to the moving image; empty: both lie as their headers
            say.
        outside: value where the fixed grid has no voxel.
    """
    if not chain:
        return warp_image(image, grid, [], outside, order=1)
    coarse = _coarsened(grid)
    back = _inverse(chain, image.geometry, coarse)
    carried = np.empty(grid.shape, image.array.dtype)
    last = np.array(image.geometry.shape, float)[:, None, None, None] - 1
    to_index = np.linalg.inv(image.geometry.affine)
    for rows, points in _points(grid):
        at = _indices(np.linalg.inv(coarse.affine), points)
        shift = [map_coordinates(one, at, np.float32, order=1, mode="nearest") for one in back]
        indices = _indices(to_index, points + np.stack(shift))
        values = map_coordinates(image.array, indices, np.float32, order=1, mode="mirror")
        values[((indices < -0.5) | (indices > last + 0.5)).any(axis=0)] = outside
        carried[rows] = values
    return Volume(carried, grid)


def _inverse(chain: Chain, fixed: Geometry, points: Geometry) -> np.ndarray:
    """Displacement v in mm from points y of the moving image to x = y + v(y) on the fixed grid.

    Returns:
        (3, Z, Y, X) float32; components x, y, z in LPS.
    """
    around = _along(fixed, points)
    forward = displacement(chain, around)
    to_index = np.linalg.inv(around.affine)
    [(_, places)] = _points(points, slab=points.shape[0])
    back = np.zeros_like(places)
    for _ in range(_MOST_ITERATIONS):
        at = _indices(to_index, places + back)
        shift = [map_coordinates(one, at, np.float32, order=1, mode="nearest") for one in forward]
        moved = np.abs(back + shift).max()
        back = -np.stack(shift)
        if moved < _CLOSE_ENOUGH:
            break
    return back


def _coarsened(grid: Geometry) -> Geometry:
    """A grid with the same outermost voxels and about `_STEP` mm between points."""
    lengths = [max(2, round((n - 1) * s / _STEP) + 1) for n, s in zip(grid.shape, grid.spacing_zyx)]
    spacing = [(n - 1) * s / (m - 1) or s for n, s, m in zip(grid.shape, grid.spacing_zyx, lengths)]
    return Geometry(tuple(lengths), tuple(spacing[::-1]), grid.origin, grid.direction)


def _along(fixed: Geometry, points: Geometry) -> Geometry:
    """A grid of points along the fixed image's axes that holds the points of both."""
    corners = []
    for grid in (fixed, points):
        ends = product(*((0, length - 1) for length in grid.shape[::-1]), (1,))
        corners += [grid.affine[:3] @ end for end in ends]
    axes = np.reshape(fixed.direction, (3, 3))
    along = np.array(corners) @ axes
    low, high = along.min(axis=0) - _STEP, along.max(axis=0) + _STEP
    lengths = np.ceil((high - low) / _STEP).astype(int) + 1
    return Geometry(
        shape=tuple(lengths[::-1].tolist()),
        spacing=(_STEP,) * 3,
        origin=tuple((axes @ low).tolist()),
        direction=fixed.direction,
    )


def _points(grid: Geometry, slab: int = 0) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of a grid, and where their voxels lie: (3, z, Y, X) float32, x, y, z in LPS mm."""
    depth = slab or max(1, _SLAB_VOXELS // (grid.shape[1] * grid.shape[2]))
    for first in range(0, grid.shape[0], depth):
        rows = slice(first, min(first + depth, grid.shape[0]))
        k, j, i = np.ogrid[rows, : grid.shape[1], : grid.shape[2]]
        places = [a * i + b * j + c * k + d for a, b, c, d in grid.affine[:3]]
        yield rows, np.stack(places).astype(np.float32)


def _indices(to_index: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Array indices (z, y, x) of points (x, y, z) in mm."""
    indices = np.tensordot(to_index[:3, :3], points, axes=1)
    return (indices + to_index[:3, 3][:, None, None, None])[::-1]
