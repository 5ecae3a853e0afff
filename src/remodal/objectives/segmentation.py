"""Cross-entropy plus soft Dice, as in nnU-Net.

Source: MAML paper, 2.3 (which names the two terms); MIC-DKFZ/nnUNet v1, dice_loss.py. The loss
takes log-probabilities rather than logits, so that a method may also train through averaged
probabilities. Everything is summed in float32, whatever precision the network ran in.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

SMOOTH, EPSILON = 1e-5, 1e-8

DiceOver = Literal["sample", "batch"]


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-softmax over channels in float32, (B, C, Z, Y, X)."""
    return F.log_softmax(logits.float(), dim=1)


def segmentation_loss(log_p: Tensor, label: Tensor, dice_over: DiceOver = "sample") -> Tensor:
    """Mean voxel cross-entropy minus soft Dice, weighted 1 : 1; about -1 at best.

    Args:
        log_p: log-probabilities (B, C, Z, Y, X) of background and classes.
        label: class indices (B, Z, Y, X), int64.
        dice_over: whether Dice is computed for each sample or for the whole batch.
    """
    return F.nll_loss(log_p, label) - soft_dice(log_p.exp(), label, dice_over)


def soft_dice(p: Tensor, label: Tensor, dice_over: DiceOver = "sample") -> Tensor:
    """Mean over foreground classes (and samples) of (2 TP + s) / (2 TP + FP + FN + s + 1e-8).

    TP = sum of p over the class's voxels; 2 TP + FP + FN = sum of p + size of the class; s = 1e-5.
    A class that a sample lacks counts with its Dice of nearly 0, as in nnU-Net. Classes are
    compared with the label one at a time, so that no one-hot label is made.

    Args:
        p: probabilities (B, C, Z, Y, X), background first.
        label: class indices (B, Z, Y, X).
        dice_over: whether the sums run over each sample's voxels or over those of the whole batch
            (on one device).
    """
    axes = (1, 2, 3) if dice_over == "sample" else (0, 1, 2, 3)
    dice = []
    for index, p_class in enumerate(p.unbind(1)[1:], start=1):
        of_class = label == index
        true_positive = (p_class * of_class).sum(axes)
        size = p_class.sum(axes) + of_class.sum(axes)
        dice.append((2 * true_positive + SMOOTH) / (size + SMOOTH + EPSILON))
    return torch.stack(dice).mean()
