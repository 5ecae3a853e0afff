"""A mask on another grid."""

import numpy as np

from remodal.geometry.volume import Geometry, Volume


def on_grid(mask: Volume, grid: Geometry) -> np.ndarray:
    """The mask at the voxels of a grid, from its nearest voxel; False beyond it.

    Args:
        mask: bool, on a grid of its own.
        grid: where it is wanted.

    Returns:
        (z, y, x) bool.
    """
    if mask.geometry.agrees_with(grid):
        return mask.array
    from scipy.ndimage import affine_transform

    # From voxels of the grid to the mask's, with axes in the order of arrays.
    steps = np.linalg.inv(mask.geometry.affine) @ grid.affine
    found = affine_transform(
        mask.array.astype(np.uint8),
        steps[:3, :3][::-1, ::-1],
        steps[:3, 3][::-1],
        output_shape=grid.shape,
        order=0,
    )
    return found.astype(bool)
