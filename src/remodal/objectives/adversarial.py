"""What a discriminator's verdicts cost, and networks put in evaluation mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn


def verdict_loss(odds: Tensor, labelled: Tensor) -> Tensor:
    """Mean binary cross-entropy between verdicts and what is true, or is to be believed.

    Of two logits, it is their cross-entropy. Without samples it is 0.

    Args:
        odds: log-odds of "labelled", (B, ...).
        labelled: (B,) bool.
    """
    if not len(odds):
        return odds.float().sum()
    shape = (-1, *[1] * (odds.dim() - 1))
    target = labelled.to(odds.device).float().view(shape).expand_as(odds)
    return F.binary_cross_entropy_with_logits(odds.float(), target)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Without dropout, normalised by running statistics; afterwards as before."""
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)
