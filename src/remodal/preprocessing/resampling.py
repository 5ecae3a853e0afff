"""Resampling between grids that share their axes and their extent.

Interpolation along one axis is linear in the values, hence a matrix with a narrow band; along three
axes it takes three small matrix products. This way, cubic resampling of 512 x 512 x 200 voxels
takes about a second on one core.

As in nnU-Net, both grids cover the same extent: `length * spacing / new spacing` is rounded to
whole voxels, and edges, not voxel centres, coincide. If one axis is much coarser than the others,
values along it are not mixed but taken from the nearest slice.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
from scipy.interpolate import make_interp_spline
from threadpoolctl import ThreadpoolController

from remodal.geometry.volume import Vector
from remodal.preprocessing.cropping import Box, bounding_box

Shape = tuple[int, int, int]

CUBIC, LINEAR, NEAREST = 3, 1, 0

#: Ratio of the largest to the smallest spacing from which the largest counts as much coarser.
_ANISOTROPY = 3.0
#: Weights of a cubic spline below this do not change a float32 sum.
_NEGLIGIBLE = 1e-7
#: Matrices that are kept, a megabyte each at most: those of a few cases, whose images share them.
_KEPT = 64
#: Rows of a matrix multiplied at once: fewer mean a narrower band of columns, but more products.
_BLOCK = 64


def resampled_shape(shape: Shape, spacing: Vector, target: Vector) -> Shape:
    """Shape of the grid that covers the same extent at about the `target` spacing."""
    return tuple(
        max(1, round(length * old / new)) for length, old, new in zip(shape, spacing, target)
    )


def coarse_axis(spacing: Vector, target: Vector) -> int | None:
    """The axis along which slices are so far apart that they must not be mixed, if there is one.

    nnU-Net's rule: the one coarsest axis, if its spacing is more than 3 times the finest axis's,
    before or otherwise after resampling.
    """
    for sides in (spacing, target):
        coarsest = max(sides)
        if coarsest > _ANISOTROPY * min(sides) and sides.count(coarsest) == 1:
            return sides.index(coarsest)
    return None


def orders(order: int, coarse: int | None) -> tuple[int, int, int]:
    """Spline order of each axis: `order`, but nearest slice along a coarse axis."""
    return tuple(NEAREST if axis == coarse else order for axis in range(3))


def resample(array: np.ndarray, shape: Shape, axis_orders: Sequence[int]) -> np.ndarray:
    """Resample an image to another shape over the same extent.

    Args:
        array: (z, y, x).
        shape: the new shape.
        axis_orders: spline order along each axis (`CUBIC`, `LINEAR` or `NEAREST`).

    Returns:
        float32 array of `shape`; values beyond the outermost voxel centres are those at the edge.
    """
    matrices = _matrices(array.shape, shape, axis_orders)
    return _product(np.asarray(array, dtype=np.float32), matrices)


def resample_labels(labels: np.ndarray, shape: Shape, axis_orders: Sequence[int]) -> np.ndarray:
    """Resample class indices: each class by itself, then the strongest class wins.

    In a tie the higher class wins, as in nnU-Net, so that halving the resolution does not eat away
    thin lesions.

    Args:
        labels: (z, y, x) class indices.
        shape: the new shape.
        axis_orders: at most `LINEAR`.

    Returns:
        uint8 array of `shape`.
    """
    classes = range(int(labels.max()) + 1)
    return _vote(
        labels != 0,
        lambda box: ((labels[box] == index) for index in classes),
        np.greater_equal,
        shape,
        axis_orders,
    )


def resample_probabilities(
    probabilities: np.ndarray, shape: Shape, axis_orders: Sequence[int]
) -> np.ndarray:
    """Class of the highest probability after resampling the probabilities.

    Only the surroundings of voxels where a foreground class is at least as probable as background
    are resampled: elsewhere, averages cannot become foreground.

    Args:
        probabilities: (C, z, y, x), background first.
        shape: the new shape.
        axis_orders: at most `LINEAR`.

    Returns:
        uint8 class indices of `shape`; in a tie, the lower class.
    """
    return _vote(
        (probabilities[1:] >= probabilities[0]).any(axis=0),
        lambda box: (channel[box] for channel in probabilities),
        np.greater,
        shape,
        axis_orders,
    )


def _vote(
    foreground: np.ndarray,
    channels: Callable[[Box], Iterable[np.ndarray]],
    beats: np.ufunc,
    shape: Shape,
    axis_orders: Sequence[int],
) -> np.ndarray:
    """The strongest channel of each resampled voxel that `foreground` reaches; elsewhere 0.

    Args:
        foreground: voxels where a channel other than the first may win.
        channels: returns the channels inside a box.
        beats: whether a channel's value beats the best of the channels before.
        shape: the new shape.
        axis_orders: at most `LINEAR`.
    """
    winner = np.zeros(shape, np.uint8)
    if foreground.any():
        source, target, matrices = _around(foreground, shape, axis_orders)
        if winner[target].size:  # nearest or coarse sampling may step over all of it
            winner[target] = _strongest(channels(source), matrices, beats)
    return winner


def _strongest(
    channels: Iterable[np.ndarray], matrices: Sequence[np.ndarray], beats: np.ufunc
) -> np.ndarray:
    """Index of the highest channel after resampling, with one channel in memory at a time."""
    best, winner = None, None
    for index, channel in enumerate(channels):
        value = _product(channel.astype(np.float32), matrices)
        if best is None:
            best, winner = value, np.zeros(value.shape, np.uint8)
            continue
        wins = beats(value, best)
        winner[wins] = index
        np.copyto(best, value, where=wins)
    return winner


def _around(
    mask: np.ndarray, shape: Shape, axis_orders: Sequence[int]
) -> tuple[Box, Box, list[np.ndarray]]:
    """The part of the source that matters, the part of the target it reaches, and the matrices."""
    source, target, cut = [], [], []
    for side, matrix in zip(bounding_box(mask), _matrices(mask.shape, shape, axis_orders)):
        rows = _extent(matrix[:, side].any(axis=1))
        columns = _extent(matrix[rows].any(axis=0))
        source.append(columns)
        target.append(rows)
        cut.append(matrix[rows, columns])
    return tuple(source), tuple(target), cut


def _extent(hit: np.ndarray) -> slice:
    """From the first to the last true entry; empty if there is none."""
    positions = np.flatnonzero(hit)
    return slice(positions[0], positions[-1] + 1) if len(positions) else slice(0, 0)


def _matrices(old: Shape, new: Shape, axis_orders: Sequence[int]) -> list[np.ndarray]:
    return [axis_matrix(*axis) for axis in zip(old, new, axis_orders)]


@lru_cache(_KEPT)
def axis_matrix(old: int, new: int, order: int) -> np.ndarray:
    """Matrix (new, old) of the interpolating spline along one axis.

    Sample i of the new axis lies at (i + 1/2) * old / new - 1/2 on the old one, clipped to its
    ends. An axis with fewer voxels than the order needs gets a spline of lower order.
    """
    if old == new:
        return np.eye(old, dtype=np.float32)
    positions = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    order = min(order, old - 1)
    if order == NEAREST:
        return np.eye(old, dtype=np.float32)[np.floor(positions + 0.5).astype(int)]
    matrix = make_interp_spline(np.arange(old), np.eye(old), k=order)(positions)
    matrix[np.abs(matrix) < _NEGLIGIBLE] = 0
    return matrix.astype(np.float32)


def _product(array: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Multiply each axis by its matrix, shrinking axes first."""
    growth = [matrix.shape[0] / matrix.shape[1] for matrix in matrices]
    # One thread: the sum of a product depends on how BLAS shares it out over threads.
    with ThreadpoolController().select(internal_api="openblas").limit(limits=1):
        for axis in sorted(range(3), key=growth.__getitem__):
            if not np.array_equal(matrices[axis], np.eye(*matrices[axis].shape)):
                array = _axis_product(array, matrices[axis], axis)
    return array


def _axis_product(array: np.ndarray, matrix: np.ndarray, axis: int) -> np.ndarray:
    """Multiply one axis block by block, each block with only the columns that its rows use."""
    result = np.empty((*array.shape[:axis], len(matrix), *array.shape[axis + 1 :]), np.float32)
    source, target = _rows_of(np.ascontiguousarray(array), axis), _rows_of(result, axis)
    for start in range(0, len(matrix), _BLOCK):
        rows = slice(start, start + _BLOCK)
        columns = _extent(matrix[rows].any(axis=0))
        np.matmul(matrix[rows, columns], source[..., columns, :], out=target[..., rows, :])
    return result


def _rows_of(array: np.ndarray, axis: int) -> np.ndarray:
    """View of a contiguous volume as matrices whose rows run along `axis`."""
    if axis == 0:
        return array.reshape(len(array), -1)
    return array if axis == 1 else array.reshape(-1, array.shape[2]).T
