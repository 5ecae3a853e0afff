"""Which modalities a training step may see, so that a method learns to do without some."""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import torch

Draw = Literal["size", "subset"]


def subsets(names: Sequence[str], least: int = 1) -> list[tuple[str, ...]]:
    """All subsets of at least `least` names, the smallest first, each in the names' order."""
    sizes = range(least, len(names) + 1)
    return [subset for size in sizes for subset in combinations(names, size)]


def draw_subset(names: Sequence[str], draw: Draw, least: int = 1) -> list[str]:
    """A random subset, by torch's global generator, which training seeds before every step.

    Args:
        names: to draw from.
        draw: `size`: every number of names is as likely, and then every subset of that number
            (ReubenDo/U-HVED, application.py); `subset`: every subset is as likely (dyh127/RFNet,
            data/datasets_nii.py).
        least: fewest names.

    Returns:
        The names, in the order given.
    """
    possible = subsets(names, least)
    if draw == "size":
        size = int(torch.randint(least, len(names) + 1, ()))
        possible = [subset for subset in possible if len(subset) == size]
    return list(possible[int(torch.randint(len(possible), ()))])
