"""Spatial aggregation module (SAM): weights of the phases, for each channel and pixel.

Source: the SAM and URIM paper on multi-phase liver tumours, the section on the spatial aggregation
module. It leaves open whether a phase's weights are computed from the maps of all phases, how
global average pooling and the 7 x 7 convolution are joined, and how wide a branch is.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from remodal.networks.batch_norm import BatchNorm2d

Maps = Literal["both", "own"]
Pooling = Literal["parallel", "sequential"]


class Mapping(nn.Module):
    """From maps of the phases to one phase's scores: local and global branches, then joined.

    The local branches are a 3 x 3 and a 5 x 5 convolution. The global ones are a 7 x 7 convolution
    and, `parallel` to it, the mean over all pixels with a 1 x 1 convolution; or, `sequential`, one
    branch of the mean with a 7 x 7 convolution, of which on a single pixel only the middle counts.
    Each has a quarter of the width and batch norm.

    Args:
        inputs: number of maps.
        width: channels C of the scores.
        pooling: how the global branches are joined.
        squashed: whether the scores pass batch norm and a sigmoid, which confines the weights of
            two phases to 0.27..0.73.
    """

    def __init__(self, inputs: int, width: int, pooling: Pooling, squashed: bool) -> None:
        super().__init__()
        quarter = max(width // 4, 1)
        kernels = {"parallel": (3, 5, 7), "sequential": (3, 5)}[pooling]
        self.branches = nn.ModuleList(
            nn.Sequential(_convolution(inputs, quarter, kernel), BatchNorm2d(quarter))
            for kernel in kernels
        )
        self.of_mean = _convolution(inputs, quarter, 1 if pooling == "parallel" else 7)
        self.norm_of_mean = BatchNorm2d(quarter)
        self.joined = nn.Conv2d((len(kernels) + 1) * quarter, width, 3, padding=1)
        self.squash: nn.Module = nn.Identity()
        if squashed:
            self.squash = nn.Sequential(BatchNorm2d(width), nn.Sigmoid())

    def forward(self, maps: Tensor) -> Tensor:
        """Scores (B, C, Y, X) from maps (B, inputs, Y, X)."""
        found = [branch(maps) for branch in self.branches]
        mean = self.of_mean(maps.mean((2, 3), keepdim=True))
        # Batch norm comes after the up-sampling, so that one sample alone can be normalised too.
        found.append(self.norm_of_mean(mean.expand(-1, -1, *maps.shape[2:])))
        return self.squash(self.joined(torch.cat(found, dim=1)))


class SpatialAggregation(nn.Module):
    """F_aggr = sum of w_i * F_i over the phases, with sum of w_i = 1 in each channel and pixel.

    Args:
        phases: number of F_i.
        width: their channels C.
        maps: whether a phase's scores are computed from the maps of `both` (of all) phases, as
            weights between phases need, or from its `own`.
        pooling: see `Mapping`.
        squashed: see `Mapping`.
    """

    def __init__(
        self,
        phases: int,
        width: int,
        maps: Maps = "both",
        pooling: Pooling = "parallel",
        squashed: bool = False,
    ) -> None:
        super().__init__()
        self.maps = maps
        inputs = 2 * phases if maps == "both" else 2
        self.mappings = nn.ModuleList(
            Mapping(inputs, width, pooling, squashed) for _ in range(phases)
        )

    def weights(self, features: Sequence[Tensor]) -> list[Tensor]:
        """w_i (B, C, Y, X) float32 of each phase: a softmax of the scores across the phases."""
        own = [mean_and_maximum(part) for part in features]
        seen = [torch.cat(own, dim=1)] * len(own) if self.maps == "both" else own
        scores = [mapping(maps) for mapping, maps in zip(self.mappings, seen)]
        return list(torch.softmax(torch.stack(scores).float(), dim=0))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """F_aggr (B, C, Y, X) and the weights, from the F_i of that shape."""
        weights = self.weights(features)
        return sum(weight.to(part.dtype) * part for weight, part in zip(weights, features)), weights


def mean_and_maximum(features: Tensor) -> Tensor:
    """Mean and maximum over channels, (B, 2, Y, X)."""
    return torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], dim=1)


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
