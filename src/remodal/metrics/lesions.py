"""Lesion-wise detection: which lesions were found, and which predicted ones are real.

A lesion is a connected component under 26-connectivity. Lesions may merge in a prediction and a
lesion may be predicted in pieces, so matching is many-to-many (our choice; the papers are silent):

- a true lesion is *found* when its intersection over union with one predicted lesion, or with all
  predicted lesions that touch it taken together, is at least the threshold;
- a predicted lesion is *false* unless the same holds for it and the true lesions that touch it.

So one predicted lesion can find several true ones, and several pieces can find one; swapping
prediction and truth swaps recall and precision. A lesion that nothing touches is never found.
"""

from dataclasses import dataclass
from math import nan

import numpy as np
import scipy

from remodal.geometry.components import connected_parts


@dataclass(frozen=True)
class TrueLesion:
    """A lesion of the truth.

    Attributes:
        volume: in ml.
        found: whether the prediction finds it.
        dice: of the lesion and what finds it, one predicted lesion or all that touch it, whichever
            fits better; NaN if it is not found.
    """

    volume: float
    found: bool
    dice: float


@dataclass(frozen=True)
class LesionCounts:
    """Lesions of one case."""

    lesions: int
    found: int
    predicted: int
    false: int


@dataclass(frozen=True)
class MatchedLesions:
    """Lesions of one case beside each other.

    Attributes:
        counts: how many there are.
        sizes: of the true ones, in voxels, in the order of the first voxel of each (z, y, x).
        overlap: of each, its intersection over union with what fits it best; 0 if nothing touches
            it.
        found: of each, whether that is enough.
    """

    counts: LesionCounts
    sizes: np.ndarray
    overlap: np.ndarray
    found: np.ndarray

    def true_lesions(self, voxel: float) -> list[TrueLesion]:
        """The lesions of the truth.

        Args:
            voxel: volume of a voxel in mm^3.
        """
        dice = 2 * self.overlap / (1 + self.overlap)
        return [
            TrueLesion(float(size) * voxel / 1000, bool(found), float(own) if found else nan)
            for size, found, own in zip(self.sizes, self.found, dice)
        ]


def count_lesions(prediction: np.ndarray, truth: np.ndarray, threshold: float) -> LesionCounts:
    """Count lesions in two boolean masks of equal shape; see `match_lesions`."""
    return match_lesions(prediction, truth, threshold).counts


def match_lesions(prediction: np.ndarray, truth: np.ndarray, threshold: float) -> MatchedLesions:
    """Lay the lesions of two boolean masks of equal shape beside each other.

    Memory is needed for two label maps and for the pairs of lesions that touch, so a prediction of
    ten thousand specks costs no more than one of two.

    Args:
        prediction: predicted mask.
        truth: true mask.
        threshold: least intersection over union, 0 to 1, at which lesions match.
    """
    predicted, n_predicted = connected_parts(prediction)
    true, n_true = connected_parts(truth)
    both = prediction & truth
    ones = np.ones(np.count_nonzero(both), dtype=np.int64)
    shared = scipy.sparse.coo_array(
        (ones, (true[both] - 1, predicted[both] - 1)), shape=(n_true, n_predicted)
    )
    shared.sum_duplicates()
    sizes_true = np.bincount(true[truth], minlength=n_true + 1)[1:]
    sizes_predicted = np.bincount(predicted[prediction], minlength=n_predicted + 1)[1:]

    overlap = _overlap(shared, sizes_true, sizes_predicted)
    found = _is_enough(overlap, threshold)
    right = _is_enough(_overlap(shared.T, sizes_predicted, sizes_true), threshold)
    counts = LesionCounts(
        n_true,
        int(np.count_nonzero(found)),
        n_predicted,
        n_predicted - int(np.count_nonzero(right)),
    )
    return MatchedLesions(counts, sizes_true, overlap, found)


def _is_enough(overlap: np.ndarray, threshold: float) -> np.ndarray:
    """Whether lesions match; one that nothing touches does not, whatever the threshold."""
    return (overlap > 0) & (overlap >= threshold)


def _overlap(
    shared: "scipy.sparse.coo_array", sizes: np.ndarray, other_sizes: np.ndarray
) -> np.ndarray:
    """Best overlap of each lesion: `shared` (lesions, other lesions) counts the common voxels."""
    own, other = shared.coords
    common = shared.data
    single = common / (sizes[own] + other_sizes[other] - common)
    best = np.zeros(len(sizes))
    np.maximum.at(best, own, single)
    total = np.bincount(own, weights=common, minlength=len(sizes))
    touching = np.bincount(own, weights=other_sizes[other], minlength=len(sizes))
    together = total / (sizes + touching - total)
    return np.maximum(best, together)
