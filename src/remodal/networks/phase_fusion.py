"""Ways of fusing the features of several phases that SAM is compared with.

Each takes the features (B, C, Y, X) of all phases and gives the aggregated ones of that shape, and
weights to be shown (none here), as `SpatialAggregation` does. The modules are those of MW-UNet and
PA-ResSeg (csying/PA-ResSeg, network/modules.py), put in the place of SAM.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from remodal.networks.pa_resseg import Attention, of_itself, of_phase


class Addition(nn.Module):
    """F_aggr = sum of F_i: aggregation with constant weights of 1."""

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """F_aggr (B, C, Y, X) from the F_i of that shape."""
        return sum(features), []


class TrainedWeights(nn.Module):
    """F_aggr = sum of w_i F_i, with a trained number w_i for each phase (MW), 0.5 at first."""

    def __init__(self, phases: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((phases,), 0.5))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """F_aggr (B, C, Y, X) from the F_i of that shape."""
        return sum(weight * part for weight, part in zip(self.weights, features)), []


class PhaseAttention(nn.Module):
    """F_aggr = sum of F_i + gamma_i A_i (PA), with the attention A_i of PA-ResSeg.

    The target's channels attend to each other. Those of another phase are each scaled by their
    likeness to the target's. There are no convolutions before and after, unlike in PA-ResSeg, as
    features keep their width.

    Args:
        phases: number of F_i.
        target: index of the target phase.
        attention: how channels of the other phases are scaled.
    """

    def __init__(self, phases: int, target: int, attention: Attention) -> None:
        super().__init__()
        self.target, self.attention = target, attention
        self.gammas = nn.Parameter(torch.zeros(phases))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """F_aggr (B, C, Y, X) from the F_i of that shape."""
        target = features[self.target]
        gains = [
            of_itself(part) if part is target else of_phase(part, target, self.attention)
            for part in features
        ]
        return sum(features) + sum(gamma * gain for gamma, gain in zip(self.gammas, gains)), []
