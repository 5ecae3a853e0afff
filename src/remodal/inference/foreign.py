"""A case with some images of another patient, as if the wrong images had been picked."""

from typing import NamedTuple

import numpy as np


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
