"""The mass effect: a tumour pushes the tissue around it outwards."""

from dataclasses import replace

import numpy as np

from remodal.phantom.brain.anatomy import Brain
from remodal.phantom.breathing import linear_sample
from remodal.phantom.shapes import Array, smooth_step

#: Depth below the brain's surface from which tissue gives way, mm: the skull holds what is above.
_FREE = 14.0
#: A shift that cannot be seen, mm.
_INVISIBLE = 0.05


def push_aside(brain: Brain, centre: Array, radius: float, push: float) -> Brain:
    """The patient with the tissue around a place pushed away from it.

    Args:
        brain: the patient.
        centre: the place, x, y and z in scanner mm.
        radius: of the tumour, at whose edge tissue moves the most, mm.
        push: by how much it moves there, mm.
    """
    offset = [
        (axis - middle).astype(np.float32).reshape(shape)
        for axis, middle, shape in zip(
            brain.axes[::-1], centre[::-1], ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
        )
    ]
    away = np.sqrt(sum(part * part for part in offset))
    beyond = np.maximum(away - radius, 0) / (1.2 * radius + 14)
    shift = push * np.exp(-beyond * beyond) * np.minimum(away / radius, 1)
    shift *= smooth_step(-brain.surface, 0, _FREE)
    box = _where(shift > _INVISIBLE)
    if box is None:
        return brain
    scale = (shift / np.maximum(away, 1e-3))[box]
    index = [
        np.arange(side.start, side.stop, dtype=np.float32).reshape(part.shape)
        - part * scale / np.float32(axis[1] - axis[0])
        for axis, side, part in zip(
            brain.axes[::-1],
            box,
            (offset[0][box[0]], offset[1][:, box[1]], offset[2][:, :, box[2]]),
        )
    ]
    shares = brain.shares.copy()
    shares[(slice(None), *box)] = linear_sample(brain.shares, *index)
    return replace(brain, shares=shares * (brain.surface < 0))


def _where(mask: Array) -> tuple[slice, ...] | None:
    """The box of a mask's true voxels; None if there are none."""
    if not mask.any():
        return None
    lines = [mask.any(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    places = [np.flatnonzero(line) for line in lines]
    return tuple(slice(int(place[0]), int(place[-1]) + 1) for place in places)
