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

import numpy as np
from scipy.sparse import coo_array

from remodal.geometry.components import connected_parts


@dataclass(frozen=True)
class LesionCounts:
    """Lesions of one case."""

    lesions: int
    found: int
    predicted: int
    false: int


def count_lesions(prediction: np.ndarray, truth: np.ndarray, threshold: float) -> LesionCounts:
    """Count lesions in two boolean masks of equal shape.

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
    shared = coo_array((ones, (true[both] - 1, predicted[both] - 1)), shape=(n_true, n_predicted))
    shared.sum_duplicates()
    sizes_true = np.bincount(true[truth], minlength=n_true + 1)[1:]
    sizes_predicted = np.bincount(predicted[prediction], minlength=n_predicted + 1)[1:]

    found = int(np.count_nonzero(_matched(shared, sizes_true, sizes_predicted, threshold)))
    right = int(np.count_nonzero(_matched(shared.T, sizes_predicted, sizes_true, threshold)))
    return LesionCounts(n_true, found, n_predicted, n_predicted - right)


def _matched(
    shared: coo_array, sizes: np.ndarray, other_sizes: np.ndarray, threshold: float
) -> np.ndarray:
    """Which lesions match: `shared` (lesions, other lesions) counts the common voxels."""
    own, other = shared.coords
    common = shared.data
    single = common / (sizes[own] + other_sizes[other] - common)
    best = np.zeros(len(sizes))
    np.maximum.at(best, own, single)
    total = np.bincount(own, weights=common, minlength=len(sizes))
    touching = np.bincount(own, weights=other_sizes[other], minlength=len(sizes))
    together = total / (sizes + touching - total)
    return (total > 0) & (np.maximum(best, together) >= threshold)
