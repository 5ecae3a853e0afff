"""Move voxels between grids that share a lattice: by rotation and flips, never by resampling.

Label files are often stored with axes other than those of the image they were drawn on (RAS instead
of LPS, slices from the top), or cover only the box that holds the label. If both lattices coincide,
the voxels only need to be reordered and put in their place.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry

#: By how many voxels a block may lie off the grid and still count as lying on it: label files round
#: spacing and origin, and a tenth of a voxel does not change which voxel is meant.
TOLERANCE = 0.1


@dataclass(frozen=True)
class Placement:
    """How the axes (x, y, z) of a block lie in a grid.

    `axes[g]` is the block's axis along the grid's axis g, `flipped[g]` whether it runs against it,
    `start[g]` the lowest grid index that the block covers, `shift` how far it lies off, in voxels.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    start: tuple[int, int, int]
    shift: float


def place(block: Geometry, grid: Geometry) -> Placement | None:
    """How `block` lies on the lattice of `grid`; None if it does not lie on it."""
    matrix = np.linalg.inv(grid.affine) @ block.affine
    turn = np.rint(matrix[:3, :3])
    if not np.array_equal(np.abs(turn) @ np.abs(turn).T, np.eye(3)):
        return None
    first = np.rint(matrix[:3, 3])
    ends = np.array(list(product(*((0, length - 1) for length in block.shape[::-1])))).T
    off = (matrix[:3, :3] - turn) @ ends + (matrix[:3, 3] - first)[:, None]
    shift = float(np.abs(off).max())
    if shift > TOLERANCE:
        return None
    lowest = (turn @ ends + first[:, None]).min(axis=1)
    axes = np.abs(turn).argmax(axis=1)
    return Placement(
        axes=tuple(axes.tolist()),
        flipped=tuple(bool(turn[axis, axes[axis]] < 0) for axis in range(3)),
        start=tuple(int(index) for index in lowest),
        shift=shift,
    )


def ordered(array: np.ndarray, placement: Placement) -> np.ndarray:
    """A block's voxels (z, y, x) along the grid's axes, as a view."""
    turned = array.transpose(2, 1, 0).transpose(placement.axes)
    turned = turned[tuple(slice(None, None, -1 if flip else 1) for flip in placement.flipped)]
    return turned.transpose(2, 1, 0)


def window(block: np.ndarray, placement: Placement, grid: Geometry) -> tuple[slice, ...] | None:
    """Where an ordered block lies in an array (z, y, x) of `grid`; None if it reaches outside."""
    starts = placement.start[::-1]
    inside = all(
        start >= 0 and start + length <= limit
        for start, length, limit in zip(starts, block.shape, grid.shape)
    )
    if not inside:
        return None
    return tuple(slice(start, start + length) for start, length in zip(starts, block.shape))


def brought_onto(array: np.ndarray, own: Geometry, grid: Geometry) -> tuple[np.ndarray, float]:
    """A label's voxels on the image's grid; where the label does not cover it, they are 0.

    Returns:
        Array (z, y, x) of the grid's shape, and by how many voxels the two grids are apart.

    Raises:
        BadCase: the label has another lattice or reaches outside the image; says what differs.
    """
    placement = place(own, grid)
    if placement is not None:
        block = ordered(array, placement)
        part = window(block, placement, grid)
        if part is not None:
            whole = np.zeros(grid.shape, array.dtype)
            whole[part] = block
            return whole, placement.shift
    raise BadCase(
        f"the label is on another grid than the image: {differences(own, grid)}",
        expected="the grid of the image that it was drawn on",
        remedy="export the label on that image, or correct the sheet's `label_on`",
    )


def differences(own: Geometry, grid: Geometry) -> str:
    """What differs between a label's grid and its image's, in one line."""
    found = []
    if own.shape != grid.shape:
        found.append(f"{_times(own.shape)} voxels (z, y, x) against {_times(grid.shape)}")
    if not np.allclose(own.spacing, grid.spacing, rtol=1e-3):
        found.append(f"spacing {_times(own.spacing)} mm (x, y, z) against {_times(grid.spacing)}")
    if not np.allclose(own.direction, grid.direction, atol=1e-3):
        found.append("another orientation")
    apart = float(np.linalg.norm(np.subtract(own.origin, grid.origin)))
    if apart > TOLERANCE * min(grid.spacing):
        found.append(f"first voxels {apart:.4g} mm apart")
    return "; ".join(found) or "corners more than a tenth of a voxel apart"


def _times(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
