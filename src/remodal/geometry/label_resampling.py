"""Resample a label from its own grid onto an image's: each class linearly, the strongest wins."""

from itertools import product

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry

_HALF_OFF = 0.6  # voxels: how far beyond the outermost voxel centres a label may reach


def has_same_voxels(own: Geometry, grid: Geometry) -> bool:
    """Whether voxels of two grids have the same size and directions, whatever their places."""
    matrix = np.linalg.inv(grid.affine)[:3, :3] @ own.affine[:3, :3]
    turn = np.rint(matrix)
    permuted = np.array_equal(np.abs(turn) @ np.abs(turn).T, np.eye(3))
    return permuted and bool(np.abs(matrix - turn).max() < 1e-3)


def reaches_outside(own: Geometry, grid: Geometry) -> bool:
    """Whether a grid reaches further out of another one than a voxel of either."""
    steps = np.linalg.inv(grid.affine) @ own.affine
    ends = np.array(list(product(*((0, length - 1) for length in own.shape[::-1])))).T
    corners = steps[:3, :3] @ ends + steps[:3, 3:]
    slack = (1 + np.abs(steps[:3, :3]).sum(axis=1))[:, None]
    last = np.array(grid.shape[::-1])[:, None] - 1
    return bool((corners < -slack).any() or (corners > last + slack).any())


def resampled_label(array: np.ndarray, own: Geometry, grid: Geometry) -> np.ndarray:
    """A label on another grid: where two classes are equally strong, the higher one wins.

    Args:
        array: label values (z, y, x).
        own: their grid, whose axes need not be perpendicular.
        grid: the grid that they are wanted on.

    Returns:
        Array of the grid's shape, in the number format of `array`.

    Raises:
        BadCase: some of the label lies outside the grid.
    """
    from scipy.ndimage import affine_transform

    drawn = np.argwhere(array)[:, ::-1]
    whole = np.zeros(grid.shape, array.dtype)
    if not len(drawn):
        return whole
    to_grid = np.linalg.inv(grid.affine) @ own.affine
    places = drawn @ to_grid[:3, :3].T + to_grid[:3, 3]
    last = np.array(grid.shape[::-1]) - 1
    outside = ((places < -_HALF_OFF) | (places > last + _HALF_OFF)).any(axis=1)
    if outside.any():
        raise BadCase(
            f"{np.count_nonzero(outside)} of the label's {len(drawn)} voxels lie outside the image",
            expected="a label within the image that it was drawn on",
            remedy="correct the sheet's `label_on`, or export the label on that image",
        )
    reach = np.abs(to_grid[:3, :3]).sum(axis=1) + 1
    first = np.clip(np.floor(places.min(axis=0) - reach), 0, last).astype(int)
    end = np.clip(np.ceil(places.max(axis=0) + reach), 0, last).astype(int) + 1
    box = tuple(slice(low, high) for low, high in zip(first[::-1], end[::-1]))
    steps = np.linalg.inv(to_grid)
    offset = steps[:3, :3] @ first + steps[:3, 3]
    strongest = np.zeros([part.stop - part.start for part in box], np.float32)
    # `constant` would be background from the centres of the outermost voxels on.
    for value in [0, *np.unique(array[array != 0]).tolist()]:
        share = affine_transform(
            (array == value).astype(np.float32),
            steps[:3, :3][::-1, ::-1],
            offset[::-1],
            output_shape=strongest.shape,
            order=1,
            mode="grid-constant",
            cval=float(value == 0),
        )
        wins = share >= strongest - 1e-5
        whole[box][wins & (share > 0)] = value
        np.maximum(strongest, share, out=strongest)
    return whole
