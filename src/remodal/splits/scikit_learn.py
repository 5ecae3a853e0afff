"""The folds of scikit-learn's shuffled KFold, which published splits are made by.

nnU-Net's own folds are those of `KFold(5, shuffle=True, random_state=12345)` over the names in
alphabetical order, and MAML's of BraTS those of `KFold(3, ...)`. They are computed here from the
generator that numpy keeps frozen (RandomState), so that no version of scikit-learn matters.
"""

from collections.abc import Iterable


def shuffled_folds(names: Iterable[str], folds: int, seed: int) -> list[set[str]]:
    """The test set of each fold.

    Args:
        names: of what is dealt out; their order does not matter.
        folds: how many; the first ones have one name more where they do not divide the names.
        seed: scikit-learn's `random_state`.
    """
    # The Snakefile imports this package.
    import numpy as np

    ordered = sorted(set(names))
    places = np.arange(len(ordered))
    np.random.RandomState(seed).shuffle(places)
    return [{ordered[place] for place in part} for part in np.array_split(places, folds)]
