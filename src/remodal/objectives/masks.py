"""Losses of one mask, from logits, in float32.

Source: Couteaux et al. (2021), arXiv 2101.06979 (liver in T1 and T2), whose formulas are printed
with faults; each function says which, and what was meant.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SMOOTH = 1e-5


def binary_cross_entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """Mean over voxels of -y log S - (1 - y) log(1 - S), with S = sigmoid(logits); 0 at best.

    Printed is -sum y log S, which is least where everything is foreground.

    Args:
        logits: of the foreground, (B, ...).
        mask: the true mask y, 0 or 1, of the same shape.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), mask.float())


def dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Mean over samples of -(2 sum(y S) + s) / (sum y + sum S + s), s = 1e-5; -1 at best.

    Printed is -2 sum(y S) / (sum y sum S): a plus sign is lost, so that it is -2 / sum y for the
    mask, and for any part of it.

    Args:
        logits: of the foreground, (B, ...).
        mask: the true mask y, 0 or 1, of the same shape.
    """
    p, y = (each.float().flatten(1) for each in (torch.sigmoid(logits.float()), mask))
    both, sizes = (p * y).sum(1), p.sum(1) + y.sum(1)
    return -((2 * both + SMOOTH) / (sizes + SMOOTH)).mean()


def cross_entropy_and_dice(logits: Tensor, mask: Tensor) -> Tensor:
    """The mean cross-entropy plus the Dice loss; -1 at best.

    Printed is the sum of both formulas above. Beside a cross-entropy that is summed over voxels,
    the Dice loss would not count.

    Args:
        logits: of the foreground, (B, ...).
        mask: the true mask, 0 or 1, of the same shape.
    """
    return binary_cross_entropy(logits, mask) + dice_loss(logits, mask)
