"""Padding: what a scanner writes into the pixels around the circle that it reconstructs."""

from collections.abc import Sequence

import numpy as np

from remodal.intake.bits import PixelFormat
from remodal.intake.slices import Slice

_AIR = -1024  # HU: nothing is lighter


def fill_padding(stored: np.ndarray, slices: Sequence[Slice]) -> list[str]:
    """Replace padding that cannot be an image value with the lowest value of the rest.

    Padding outside the reconstructed circle is often a number far from all others (-2000), which
    would be a density that does not exist. It is left alone if it looks like air or lies within the
    range of the image's values.

    Args:
        stored: stored values (z, y, x), changed in place.
        slices: their slices, in order.

    Returns:
        A warning if something was changed, or if the slices mark different values as padding: what
        they hold of it is left alone then.
    """
    marks = [_within(one.form) for one in slices]
    if len(set(marks)) > 1:
        return _different(stored, marks)
    if marks[0] is None:
        return []
    first, last = marks[0]
    is_padding = (stored >= first) & (stored <= last)
    count = int(np.count_nonzero(is_padding))
    if not 0 < count < stored.size:
        return []
    info = np.iinfo(stored.dtype)
    low = stored.min(where=~is_padding, initial=info.max)
    high = stored.max(where=~is_padding, initial=info.min)
    one = slices[0]
    density = last * (1 if one.slope is None else one.slope) + (one.intercept or 0)
    is_no_density = one.tags.get("Modality") == "CT" and density < _AIR
    if not (first > high or (last < low and is_no_density)):
        return []
    stored[is_padding] = low
    share = count / stored.size
    return [f"padding around the image ({share:.0%} of the voxels) was given its lowest value"]


def _different(stored: np.ndarray, marks: Sequence[tuple[int, int] | None]) -> list[str]:
    holding = [
        mark is not None and bool(((plane >= mark[0]) & (plane <= mark[1])).any())
        for plane, mark in zip(stored, marks)
    ]
    if not any(holding):
        return []
    return [
        f"the slices mark different values as padding, and {sum(holding)} of {len(marks)} hold "
        "some: it was left as it is"
    ]


def _within(form: PixelFormat) -> tuple[int, int] | None:
    """The padding as `keep_value_bits` leaves it."""
    if form.padding is None or form.high_bit + 1 != form.bits:
        return None
    low, high = form.limits
    if not low <= form.padding[0] <= high:
        return low, low
    return form.padding[0], min(form.padding[1], high)
