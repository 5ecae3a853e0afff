"""The grid that all images of a case are brought to: the fixed image's, or one that holds more."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from remodal.geometry.volume import Geometry, Volume
from remodal.registration.transforms import warp_image
from remodal.settings import GridSettings

#: By how many voxels an image may reach over the grid's end before another voxel is added.
_SLACK = 0.01


def common_grid(fixed: Geometry, others: Iterable[Geometry], settings: GridSettings) -> Geometry:
    """The grid of a case, along the axes of its fixed image.

    Args:
        fixed: of the fixed image.
        others: of the other images, where their headers place them. One that lies apart from the
            fixed image adds nothing: its place is for registration to find.
        settings: extent and spacing.

    Returns:
        `fixed` itself if the settings ask for nothing else.
    """
    spacing = np.array(settings.spacing[::-1] if settings.spacing else fixed.spacing)
    own_low, own_high = low, high = _reach(fixed, fixed)
    if settings.extent == "all":
        for other in others:
            first, last = _reach(other, fixed)
            if np.all(np.maximum(own_low, first) < np.minimum(own_high, last)):
                low, high = np.minimum(low, first), np.maximum(high, last)
    if settings.spacing is None:  # whole voxels, so that the fixed image is only padded
        low = own_low - spacing * np.ceil((own_low - low) / spacing - _SLACK)
        high = own_high + spacing * np.ceil((high - own_high) / spacing - _SLACK)
    lengths = np.maximum(1, np.ceil((high - low) / spacing - _SLACK)).astype(int)
    axes = np.reshape(fixed.direction, (3, 3))
    first = (low + high - spacing * (lengths - 1)) / 2
    grid = replace(
        fixed,
        shape=tuple(map(int, lengths[::-1])),
        spacing=tuple(map(float, spacing)),
        origin=tuple(map(float, np.asarray(fixed.origin) + axes @ first)),
    )
    return fixed if grid.agrees_with(fixed) else grid


def on_grid(fixed: Volume, grid: Geometry, outside: float) -> Volume:
    """The fixed image on the case's grid; the image itself if that is its own."""
    return fixed if grid is fixed.geometry else warp_image(fixed, grid, [], outside)


def within(image: Geometry, grid: Geometry) -> np.ndarray:
    """Which voxels of a grid have their centres in an image along the same axes, (z, y, x) bool."""
    low, high = _reach(image, grid)
    centres = (step * np.arange(length) for step, length in zip(grid.spacing, grid.shape[::-1]))
    x, y, z = ((first <= at) & (at <= last) for first, at, last in zip(low, centres, high))
    return z[:, None, None] & y[:, None] & x


def _reach(image: Geometry, fixed: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest mm along the fixed image's axes (x, y, z), from its first voxel's centre.

    Of the outer borders of the image's voxels.
    """
    ends = [(-0.5, length - 0.5) for length in image.shape[::-1]]
    corners = np.array([[i, j, k, 1] for i in ends[0] for j in ends[1] for k in ends[2]])
    places = corners @ image.affine[:3].T - np.asarray(fixed.origin)
    along = places @ np.reshape(fixed.direction, (3, 3))
    return along.min(axis=0), along.max(axis=0)
