"""The largest connected part of a mask."""

import numpy as np
from scipy import ndimage


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The connected component with the most voxels; an empty mask stays as it is.

    Voxels that share a corner are connected (26 neighbours in 3-D), and of components of one size
    it is the first in array order, as where yulequan/UA-MT and others use `skimage.measure.label`.

    Args:
        mask: boolean, of any number of dimensions.

    Returns:
        Boolean, the same shape.
    """
    everywhere = np.ones((3,) * mask.ndim, dtype=bool)
    components, count = ndimage.label(mask, structure=everywhere)
    if count < 2:
        return mask
    sizes = np.bincount(components.ravel())
    return components == 1 + int(np.argmax(sizes[1:]))
