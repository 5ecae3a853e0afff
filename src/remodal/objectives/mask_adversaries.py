"""Losses of one mask that another network makes, which learns at the same time.

Each function gives two losses of the same weights: what is added to the mean cross-entropy of the
segmentor, and what the other network minimises. A loss is to leave gradients in its own network
only, although that of the segmentor passes through the other network, which is not detached.

Source: Couteaux et al. (2021), arXiv 2101.06979; gambling: Samson et al. (2019), ICCV workshops,
laurenssam's repository, betting_model.py.
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from remodal.objectives.adversarial import verdict_loss


class Judge(Protocol):
    """A discriminator in two parts."""

    def features(self, map: Tensor) -> Tensor:
        """Those that its last convolution sees, before their activation."""

    def judged(self, features: Tensor) -> Tensor:
        """Log-odds that what has these features is a true mask."""


def gan_losses(
    judge: Callable[[Tensor], Tensor], logits: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Vanilla GAN: BCE(D(S), 1) for the segmentor, BCE(D(y), 1) + BCE(D(S), 0) for D; as printed.

    D sees masks alone. Its verdicts are means over places.

    Args:
        judge: gives log-odds that a mask (B, 1, Z, Y, X) is a true one, (B, ...).
        logits: of the foreground, (B, 1, Z, Y, X); S is their sigmoid.
        mask: the true mask y, 0 or 1, of the same shape.
    """
    of_predicted, of_true = judge(torch.sigmoid(logits.float())), judge(mask.float())
    return _verdict(of_predicted, True), _verdict(of_true, True) + _verdict(of_predicted, False)


def embedding_losses(judge: Judge, logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of (D_k(S) - D_k(y))^2 for the segmentor; the discriminator learns as in a vanilla GAN.

    D_k are the features of D's last convolution but one; the paper does not say which it takes.
    Printed beside it is BCE(S, x), with the image x in the place of the mask y.

    Args:
        judge: the discriminator D.
        logits: of the foreground, (B, 1, Z, Y, X); S is their sigmoid.
        mask: the true mask y, 0 or 1, of the same shape.
    """
    seen, true = judge.features(torch.sigmoid(logits.float())), judge.features(mask.float())
    told = _verdict(judge.judged(true), True) + _verdict(judge.judged(seen), False)
    return F.mse_loss(seen.float(), true.float()), told


def gambling_losses(
    gambler: Callable[[Tensor], Tensor],
    image: Tensor,
    logits: Tensor,
    mask: Tensor,
    smoothing: float,
) -> tuple[Tensor, Tensor]:
    """Sum G CE(S, y) for the segmentor, -sum G CE(S, y) with CE detached for the gambler.

    The bets G sum to 1 over a patch, so that the sum is a weighted mean of the cross-entropy: the
    gambler wins by betting on the voxels that are segmented worst, and the segmentor loses what is
    won. Printed is L_G = -sum G y log S, which the gambler minimises, and L_S = BCE - L_G. As
    -y log S is a cross-entropy, that gambler would bet on the easy voxels, and the segmentor would
    be rewarded for errors; with the sign of L_G reversed, both are what is implemented here and in
    the repository.

    Args:
        gambler: gives the logits of bets, (B, 1, Z, Y, X), from image and prediction, (B, 2, Z, Y,
            X); the prediction is not detached.
        image: (B, 1, Z, Y, X).
        logits: of the foreground, of the same shape; S is their sigmoid.
        mask: the true mask y, 0 or 1, of the same shape.
        smoothing: see `bets`.
    """
    shown = torch.cat([image.float(), torch.sigmoid(logits.float())], dim=1)
    crossed = F.binary_cross_entropy_with_logits(logits.float(), mask.float(), reduction="none")
    placed = bets(gambler(shown), smoothing)
    return gambled(placed, crossed), -gambled(placed, crossed.detach())


def bets(logits: Tensor, smoothing: float) -> Tensor:
    """A sigmoid plus a constant, divided by its sum over the voxels of a sample, which becomes 1.

    Args:
        logits: of the bets, (B, 1, Z, Y, X).
        smoothing: the least that is bet on a voxel, before the division.
    """
    placed = torch.sigmoid(logits.float()) + smoothing
    return placed / placed.sum(dim=(1, 2, 3, 4), keepdim=True)


def gambled(placed: Tensor, crossed: Tensor) -> Tensor:
    """Sum G CE over the voxels, the mean over samples.

    Args:
        placed: the bets G, (B, 1, Z, Y, X).
        crossed: the cross-entropy of each voxel, of the same shape.
    """
    return (placed * crossed).flatten(1).sum(1).mean()


def _verdict(odds: Tensor, believed: bool) -> Tensor:
    return verdict_loss(odds, torch.full((len(odds),), believed))
