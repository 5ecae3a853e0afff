"""The connected parts of a mask: voxels that share a corner belong together."""

import numpy as np
import scipy


def connected_parts(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the connected parts of a mask.

    Voxels that share a corner are connected (26 neighbours in 3-D).

    Args:
        mask: boolean, of any number of dimensions.

    Returns:
        Number of its part at each voxel, from 1 on in array order, 0 outside the mask (int32, the
        same shape); and how many parts there are.
    """
    return scipy.ndimage.label(mask, structure=np.ones((3,) * mask.ndim, dtype=bool))


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The connected part with the most voxels; an empty mask stays as it is.

    Of parts of one size it is the first in array order, as where yulequan/UA-MT and others use
    `skimage.measure.label`.

    Args:
        mask: boolean, of any number of dimensions.

    Returns:
        Boolean, the same shape.
    """
    parts, count = connected_parts(mask)
    if count < 2:
        return mask
    sizes = np.bincount(parts[mask])
    return parts == 1 + int(np.argmax(sizes[1:]))
