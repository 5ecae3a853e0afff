"""A network whose weights are the moving average of another's (a mean teacher)."""

import torch
from torch import nn


def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average on by one step: decay * average + (1 - decay) * network, in place.

    This affects parameters only: buffers, such as running statistics, are the average's own
    (yulequan/UA-MT).
    """
    with torch.no_grad():
        for mean, current in zip(average.parameters(), network.parameters(), strict=True):
            mean.mul_(decay).add_(current, alpha=1 - decay)
