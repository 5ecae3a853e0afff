"""Resample tilted or unevenly spaced slices onto their regular grid: linear, labels by nearest."""

import numpy as np

from remodal.geometry.volume import Volume
from remodal.intake.slice_places import SlicePlaces


def onto_regular(array: np.ndarray, places: SlicePlaces, *, label: bool = False) -> Volume:
    """The slices on the regular grid of their places.

    An image is interpolated linearly, within slices and between them (along the way in which they
    lean); voxels that no slice reaches get its lowest value. A label is taken from the nearest
    pixel of the nearest slice, 0 elsewhere.

    Args:
        array: values (slice, y, x).
        places: where the slices lie.
        label: the values are classes.

    Returns:
        The volume, in the number format of `array`.
    """
    grid, offsets = places.regular, places.offsets
    outside = 0 if label else array.min()
    planes = np.empty(grid.shape, array.dtype)
    for plane, at, offset in zip(planes, places.planes, offsets):
        if label:
            # Halfway between two slices the lower one wins.
            nearest = array[int(np.ceil(at - 0.5))]
            plane[...] = _shifted(nearest, np.rint(offset), plane.shape, outside)
            continue
        index = min(int(at), len(array) - 2)
        part = at - index
        mixed = (1 - part) * array[index] + part * array[index + 1]
        mixed = _shifted(mixed, offset, plane.shape, outside)
        plane[...] = np.rint(mixed) if array.dtype.kind in "iu" else mixed
    return Volume(planes, grid)


def _shifted(
    pixels: np.ndarray, offset: np.ndarray, shape: tuple[int, int], outside: float
) -> np.ndarray:
    """Pixels (y, x) whose first one lies at `offset` (x, y) in a plane of `shape`."""
    column, row = np.floor(offset).astype(int)
    values = np.full(shape, outside, np.float64)
    values[row : row + pixels.shape[0], column : column + pixels.shape[1]] = pixels
    right, down = offset % 1
    if down:
        above = np.full_like(values, outside)
        above[1:] = values[:-1]
        values = (1 - down) * values + down * above
    if right:
        before = np.full_like(values, outside)
        before[:, 1:] = values[:, :-1]
        values = (1 - right) * values + right * before
    return values
