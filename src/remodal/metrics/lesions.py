"""Lesion-wise detection: which lesions were found, and which predicted ones are there.

A lesion is a connected component under 26-connectivity. Lesions may merge in a prediction and a
lesion may be predicted in pieces, so the match is many to many (METHODS is silent; our choice):

- a true lesion is *found* when its intersection over union with one predicted lesion, or with all
  predicted lesions that touch it taken together, is at least the threshold;
- a predicted lesion is *false* unless the same holds for it with the true lesions that touch it.

So one prediction can find several lesions and several pieces can find one; exchanging prediction
and truth exchanges recall and precision. A lesion that nothing touches is never found.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class LesionCounts:
    """Lesions of one case."""

    lesions: int
    found: int
    predicted: int
    false: int


def count_lesions(prediction: np.ndarray, truth: np.ndarray, threshold: float) -> LesionCounts:
    """Count lesions in two boolean masks of equal shape.

    Args:
        prediction: predicted mask.
        truth: true mask.
        threshold: intersection over union, 0 to 1, from which lesions match.
    """
    everywhere = np.ones((3,) * truth.ndim, dtype=bool)
    predicted, n_predicted = ndimage.label(prediction, structure=everywhere)
    true, n_true = ndimage.label(truth, structure=everywhere)

    both = prediction & truth
    cells = true[both].astype(np.int64) * (n_predicted + 1) + predicted[both]
    shared = np.bincount(cells, minlength=(n_true + 1) * (n_predicted + 1))
    shared = shared.reshape(n_true + 1, n_predicted + 1)[1:, 1:]
    sizes_true = np.bincount(true[truth], minlength=n_true + 1)[1:]
    sizes_predicted = np.bincount(predicted[prediction], minlength=n_predicted + 1)[1:]

    found = np.count_nonzero(_matched(shared, sizes_true, sizes_predicted, threshold))
    right = np.count_nonzero(_matched(shared.T, sizes_predicted, sizes_true, threshold))
    return LesionCounts(n_true, int(found), n_predicted, n_predicted - int(right))


def _matched(
    shared: np.ndarray, sizes: np.ndarray, other_sizes: np.ndarray, threshold: float
) -> np.ndarray:
    """Which lesions match: `shared` (lesions, other lesions) counts the common voxels."""
    touching = shared > 0
    single = shared / (sizes[:, None] + other_sizes[None, :] - shared)
    total = shared.sum(axis=1)
    together = total / (sizes + (touching * other_sizes[None, :]).sum(axis=1) - total)
    best = np.maximum(single.max(axis=1, initial=0.0), together)
    return touching.any(axis=1) & (best >= threshold)
