"""From the models' mean probabilities to class indices, and how sure they are, on an image's grid.

Channels are brought back one at a time: of the original's size there are never more than a few
float32 images in memory, whatever the number of classes.
"""

from collections.abc import Iterator, Sequence
from math import log

import numpy as np

from remodal.geometry.volume import Volume
from remodal.prediction.ensemble import SummedProbabilities
from remodal.prediction.placing import Placed
from remodal.preprocessing import restore_image, restore_probabilities


def segmentation(sums: Sequence[SummedProbabilities], placed: Placed, answer: str) -> Volume:
    """The class of the highest mean probability at each voxel of an image as it is stored.

    Probabilities are interpolated linearly; what was cropped away, or what the images' shared grid
    does not reach, is background.

    Args:
        sums: the models' probabilities on the grids that they were predicted on.
        placed: the images on the grid that they share.
        answer: the image that is answered.

    Returns:
        uint8 class indices; in a tie, the lower class.
    """
    if len(sums) == 1 and placed.is_own_grid(answer):
        [only] = sums
        found = restore_probabilities(only.averaged(), only.properties)
        return Volume(found.array, placed.stored[answer])
    best, winner = None, None
    for index, channel in enumerate(_channels(sums, placed, answer)):
        if best is None or winner is None:
            best, winner = channel, np.zeros(channel.shape, np.uint8)
            continue
        wins = channel > best
        winner[wins] = index
        np.copyto(best, channel, where=wins)
    return Volume(winner, placed.stored[answer])


def entropy(sums: Sequence[SummedProbabilities], placed: Placed, answer: str) -> Volume:
    """How unsure the models are: the entropy of the mean probabilities, divided by its maximum.

    0 where one class is certain, 1 where all C classes are equally probable: -sum(p ln p) / ln C.

    Args:
        sums: the models' probabilities on the grids that they were predicted on.
        placed: the images on the grid that they share.
        answer: the image that is answered.

    Returns:
        float32, on the grid of the image as it is stored.
    """
    total = np.zeros(placed.stored[answer].shape, np.float32)
    classes = len(sums[0].array)
    for channel in _channels(sums, placed, answer):
        logarithm = np.log(np.maximum(channel, np.finfo(np.float32).tiny))
        logarithm *= channel
        total -= logarithm
    total /= log(classes)
    return Volume(np.clip(total, 0, 1, out=total), placed.stored[answer])


def _channels(
    sums: Sequence[SummedProbabilities], placed: Placed, answer: str
) -> Iterator[np.ndarray]:
    """The mean probability of one class after the other, (z, y, x) float32, background first."""
    models = sum(one.models for one in sums)
    for index in range(len(sums[0].array)):
        outside = 1.0 if index == 0 else 0.0
        mean: np.ndarray | None = None
        for one in sums:
            part = restore_image(one.array[index], one.properties, outside * one.models).array
            mean = part if mean is None else np.add(mean, part, out=mean)
        mean /= np.float32(models)
        shared = Volume(mean, placed.grid)
        yield placed.back(shared, answer, outside=outside).array
