"""Overlap of a prediction and the ground truth, from three voxel counts.

The conventions are those of nnU-Net's evaluator: overlap is undefined if both masks are empty, as
is the relative volume without ground truth; one empty mask gives Dice 0.
"""

from dataclasses import dataclass
from math import nan

import numpy as np


@dataclass(frozen=True)
class Overlap:
    """Voxel counts of a prediction, of the ground truth and of their intersection."""

    intersection: int
    prediction: int
    truth: int

    @property
    def missed(self) -> bool:
        """Whether there was something to find and nothing was predicted."""
        return self.truth > 0 and self.prediction == 0


def overlap(prediction: np.ndarray, truth: np.ndarray) -> Overlap:
    """Count the voxels of two boolean masks of equal shape."""
    return Overlap(
        intersection=int(np.count_nonzero(prediction & truth)),
        prediction=int(np.count_nonzero(prediction)),
        truth=int(np.count_nonzero(truth)),
    )


def dice(counts: Overlap) -> float:
    """Dice in percent: 200 |P and G| / (|P| + |G|); NaN when both are empty."""
    size = counts.prediction + counts.truth
    return 200.0 * counts.intersection / size if size else nan


def jaccard(counts: Overlap) -> float:
    """Jaccard in percent: 100 |P and G| / |P or G|; NaN when both are empty."""
    union = counts.prediction + counts.truth - counts.intersection
    return 100.0 * counts.intersection / union if union else nan


def volume_overlap_error(counts: Overlap) -> float:
    """VOE in percent: 100 - Jaccard; NaN when both are empty."""
    return 100.0 - jaccard(counts)


def relative_volume_difference(counts: Overlap) -> float:
    """RVD in percent, signed: 100 (|P| - |G|) / |G|; NaN without ground truth.

    Negative values mean under-segmentation; the denominator is that of SLIVER and LiTS.
    """
    difference = counts.prediction - counts.truth
    return 100.0 * difference / counts.truth if counts.truth else nan
