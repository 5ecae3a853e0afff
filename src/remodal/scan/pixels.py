"""Values of some slices of a volume, as the conversion would read them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from remodal.errors import BadCase
from remodal.intake.pixels import read_stored
from remodal.intake.rescale import check_rescale, rescaled
from remodal.intake.slices import Slice, read_slices
from remodal.scan.grouping import Instance, Volume

_LARGEST = 4096


def read_planes(volume: Volume, indices: Sequence[int]) -> np.ndarray:
    """Values of slices (count, rows, columns), float32.

    Args:
        volume: the volume.
        indices: of its slices, in its order.

    Raises:
        BadCase: the pixels cannot be read.
    """
    wanted = [volume.instances[index] for index in indices]
    if any(max(one.rows or 0, one.columns or 0) > _LARGEST for one in wanted):
        raise BadCase(f"slices of more than {_LARGEST} pixels", expected="a CT or MR scan")
    files = list(dict.fromkeys(one.file.path for one in wanted))
    try:
        found, _ = read_slices([Path(file) for file in files])
        slices = [_slice_of(one, found) for one in wanted]
        check_rescale(slices)
        stored, _, _ = read_stored(slices)
        values, _ = rescaled(stored, slices)
    except OSError as error:
        raise BadCase("its files cannot be read", remedy="scan again") from error
    return values.astype(np.float32)


def _slice_of(instance: Instance, slices: Sequence[Slice]) -> Slice:
    for one in slices:
        if str(one.file) == instance.file.path and one.frame == instance.frame:
            return one
    raise BadCase("a slice is gone", remedy="scan again")
