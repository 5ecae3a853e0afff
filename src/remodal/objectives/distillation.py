"""Losses by which a student learns from a frozen teacher.

Source: KD-Net (Hu et al. 2020), which has no public code: re-implemented from its description.
"""

import torch
from torch import Tensor

SMOOTH = 1e-5
#: Keeps the logarithms finite.
LEAST = 1e-6


def softened(logits: Tensor, temperature: float) -> Tensor:
    """Softmax of logits / temperature over channels in float32, (B, C, Z, Y, X)."""
    return torch.softmax(logits.float() / temperature, dim=1)


def one_hot(label: Tensor, channels: int) -> Tensor:
    """(B, C, Z, Y, X) float32 of class indices (B, Z, Y, X)."""
    return torch.stack([label == index for index in range(channels)], dim=1).float()


def soft_target_loss(p: Tensor, target: Tensor) -> Tensor:
    """Dice loss of the foreground plus binary cross-entropy of all channels; 0 at best for 0 and 1.

    Dice loss = 1 - mean over samples and foreground classes of
    (2 sum(p q) + s) / (sum(p) + sum(q) + s), s = 1e-5. Cross-entropy is the mean over channels and
    voxels of -q log p - (1 - q) log(1 - p).

    Args:
        p: probabilities (B, C, Z, Y, X), background first.
        target: probabilities q to be reached, or a label as `one_hot`, of the same shape.
    """
    bounded = p.clamp(LEAST, 1 - LEAST)
    entropy = -(target * bounded.log() + (1 - target) * (1 - bounded).log()).mean()
    both = (p * target)[:, 1:].sum((2, 3, 4))
    size = p[:, 1:].sum((2, 3, 4)) + target[:, 1:].sum((2, 3, 4))
    return 1 - ((2 * both + SMOOTH) / (size + SMOOTH)).mean() + entropy


def feature_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of features that a softmax makes distributions over channels.

    The mean over samples, voxels and channels (PyTorch's default). The description names no
    reduction: the published weight of 50 lifts this mean towards the size of the other terms; with
    the sum over channels this term would be some fifteen times as large as the others together.

    Args:
        student: features (B, C, z, y, x).
        teacher: those of the teacher, of the same shape.
    """
    log_s, log_t = (torch.log_softmax(features.float(), dim=1) for features in (student, teacher))
    return (log_t.exp() * (log_t - log_s)).mean()
