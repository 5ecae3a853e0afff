"""Dice loss with squared sums, and its mean with cross-entropy.

Source: yulequan/UA-MT, utils/losses.py and train_LA_meanteacher.py; HiLab-git/DTC uses the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SMOOTH = 1e-5


def squared_dice_loss(p: Tensor, target: Tensor) -> Tensor:
    """1 - (2 sum(p y) + s) / (sum(p^2) + sum(y^2) + s), s = 1e-5; 0 at best.

    The sums run over all voxels of all samples, so that there is one Dice for the batch. Without
    samples the loss is 0.

    Args:
        p: probabilities of the foreground, of any shape.
        target: the true mask y, of the same shape.
    """
    p, y = p.float(), target.float()
    both, sizes = (p * y).sum(), p.square().sum() + y.sum()
    return 1 - (2 * both + SMOOTH) / (sizes + SMOOTH)


def cross_entropy_and_dice(logits: Tensor, label: Tensor) -> Tensor:
    """0.5 (mean voxel cross-entropy + squared Dice loss, the mean over classes); 0 at best.

    Args:
        logits: (B, C, Z, Y, X) of the background and the classes.
        label: class indices (B, Z, Y, X), int64.
    """
    if not len(label):  # a mean over no voxel is not a number
        return logits.float().sum()
    log_p = F.log_softmax(logits.float(), dim=1)
    dice = [
        squared_dice_loss(p, label == index)
        for index, p in enumerate(log_p.exp().unbind(1)[1:], start=1)
    ]
    return 0.5 * (F.nll_loss(log_p, label) + torch.stack(dice).mean())
