"""Whether a label lies where its image shows a body: one that was flipped may lie in air.

Only a flip that carries a label out of the body is certain. One that leaves it among other organs
cannot be told from the image's brightness alone, and air within the body may be what was labelled
(a lung): that is only worth a warning.
"""

from itertools import combinations

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume
from remodal.registration.quality import body_mask

#: Share of a label's voxels above which it is said to lie in air, or outside the body.
_MOST = 0.5
#: Share of a flipped label's voxels in air below which the flip is worth naming.
_FEW = 0.1
#: Where the axes x, y and z of a patient run.
_WAYS = ("from left to right", "from front to back", "from head to foot")


def check_label_place(
    image: Volume, label: np.ndarray, threshold: float | None, where: str
) -> list[str]:
    """Check that most of a label lies in the body.

    Args:
        image: the image that it was drawn on.
        label: (z, y, x) on the image's grid; 0 is background.
        threshold: intensity above which a voxel is body; None: nothing is checked (MR).
        where: case and label, for the error.

    Returns:
        A warning if most of it lies in air within the body.

    Raises:
        BadCase: most of it lies outside the body.
    """
    drawn = label != 0
    if threshold is None or not drawn.any():
        return []
    air = image.array <= threshold
    share = float(air[drawn].mean())
    if share <= _MOST:
        return []
    hint = _better_flip(air, drawn, image.geometry)
    outside = float((~body_mask(image, threshold))[drawn].mean())
    if outside > _MOST:
        raise BadCase(
            f"{outside:.0%} of the label lies outside the body",
            where=where,
            expected="a label in the same orientation as its image",
            remedy=f"{hint}correct the label's orientation, or set registration.body_threshold "
            "to null if the image is no CT",
        )
    return [f"{share:.0%} of the label lies in air: {hint or 'is it what was meant?'}".rstrip("; ")]


def _better_flip(air: np.ndarray, drawn: np.ndarray, grid: Geometry) -> str:
    """What flip of the grid would bring a label out of the air; empty: none."""
    for count in (1, 2, 3):
        for axes in combinations(range(3), count):
            if air[np.flip(drawn, axes)].mean() < _FEW:
                ways = " and ".join(_way(axis, grid) for axis in axes)
                return f"flipped {ways} it would lie in tissue; "
    return ""


def _way(axis: int, grid: Geometry) -> str:
    """Where an axis of an array (z, y, x) runs in the patient."""
    column = np.reshape(grid.direction, (3, 3))[:, 2 - axis]
    return _WAYS[int(np.abs(column).argmax())]
