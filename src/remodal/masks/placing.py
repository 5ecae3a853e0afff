"""A mask on another grid."""

import numpy as np

from remodal.geometry.volume import Geometry, Volume


def on_grid(mask: Volume, grid: Geometry) -> np.ndarray:
    """The mask on another grid, by nearest neighbour; False outside the mask's own grid.

    Args:
        mask: bool, on its own grid.
        grid: the grid that the mask is wanted on.

    Returns:
        (z, y, x) bool.
    """
    if mask.geometry.agrees_with(grid):
        return mask.array
    from scipy.ndimage import affine_transform

    # Maps voxels of the grid to those of the mask; the axes are put in array order below.
    steps = np.linalg.inv(mask.geometry.affine) @ grid.affine
    found = affine_transform(
        mask.array.astype(np.uint8),
        steps[:3, :3][::-1, ::-1],
        steps[:3, 3][::-1],
        output_shape=grid.shape,
        order=0,
        mode="grid-constant",  # whole voxels at the border too; `constant` ends at their centres
    )
    return found.astype(bool)
