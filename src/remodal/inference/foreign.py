"""A case with some images of another patient, as if the wrong images had been picked."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from remodal.geometry.volume import Geometry, Volume


class Pairing(NamedTuple):
    """Whose images a prediction is made from: all the case's own, or some of a foreign case's."""

    case: str
    foreign: str = ""


def cut_or_padded(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An image (z, y, x), cut or padded about its centre to another shape.

    It is padded with its lowest value, which is air or background.
    """
    result = np.full(shape, image.min(), image.dtype)
    into, out_of = [], []
    for have, want in zip(image.shape, shape, strict=True):
        both = min(have, want)
        into.append(slice((want - both) // 2, (want - both) // 2 + both))
        out_of.append(slice((have - both) // 2, (have - both) // 2 + both))
    result[tuple(into)] = image[tuple(out_of)]
    return result


def centred_on(volume: Volume, grid: Geometry) -> Volume:
    """A volume shifted so that its centre lies on that of a grid."""
    shift = _centre(grid) - _centre(volume.geometry)
    origin = tuple(float(at) for at in np.asarray(volume.geometry.origin) + shift)
    return replace(volume, geometry=replace(volume.geometry, origin=origin))


def _centre(grid: Geometry) -> np.ndarray:
    """The middle of a grid, in mm (LPS)."""
    middle = [(length - 1) / 2 for length in grid.shape[::-1]]
    return (grid.affine @ [*middle, 1.0])[:3]
