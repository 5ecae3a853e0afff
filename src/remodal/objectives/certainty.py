"""How certain a prediction is, and where two predictions should agree.

Source: HiLab-git/SSL4MIS, utils/losses.py; yulequan/UA-MT,
train_LA_meanteacher_certainty_unlabel.py.
"""

from math import log

import torch
from torch import Tensor

#: Added to a probability before its logarithm is taken.
EPSILON = 1e-6


def entropy(p: Tensor) -> Tensor:
    """Entropy of each voxel in nats, -sum p ln(p + 1e-6): (B, Z, Y, X) of (B, C, Z, Y, X)."""
    return -(p * (p + EPSILON).log()).sum(1)


def relative_entropy(p: Tensor) -> Tensor:
    """Mean entropy of probabilities (B, C, Z, Y, X), as a share of the largest possible, ln C."""
    return entropy(p).mean() / log(p.shape[1])


def squared_difference(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared difference of probabilities over voxels, classes and samples."""
    return (first - second).square().mean()


def certain_difference(first: Tensor, second: Tensor, uncertainty: Tensor, most: float) -> Tensor:
    """Squared difference of probabilities, the mean over the certain voxels and all classes.

    sum(certain * (first - second)^2) / (C sum(certain) + 1e-16); 0 where no voxel is certain.

    Args:
        first: (B, C, Z, Y, X).
        second: of the same shape.
        uncertainty: (B, Z, Y, X).
        most: a voxel is certain if its uncertainty is below this.
    """
    certain = uncertainty < most
    total = (certain * (first - second).square().sum(1)).sum()
    return total / (first.shape[1] * certain.sum(dtype=torch.float32) + 1e-16)
