"""Decoder of four levels of 2-D features, joined at the resolution of the first.

Source: the SAM and URIM paper on multi-phase liver tumours (levels up-sampled, concatenated and
convolved); a released implementation of it for the widths, dropout and ASPP, of which the paper
says nothing.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.slice_backbones import unit
from remodal.networks.slices import resized

#: Of the atrous convolutions of the ASPP.
DILATIONS = (6, 12, 18)


class AtrousPyramid(nn.Module):
    """ASPP: a 1 x 1, three dilated 3 x 3 convolutions and the mean, joined by a 1 x 1 (DeepLab)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [unit(inputs, width, 1), *(unit(inputs, width, 3, step) for step in DILATIONS)]
        )
        self.of_mean = nn.Conv2d(inputs, width, 1)
        self.joined = unit((len(DILATIONS) + 2) * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, Y, X) from (B, inputs, Y, X)."""
        found = [branch(features) for branch in self.branches]
        mean = F.relu(self.of_mean(features.mean((2, 3), keepdim=True)))
        found.append(mean.expand_as(found[0]))
        return self.joined(torch.cat(found, dim=1))


class LevelDecoder(nn.Module):
    """Each level convolved to one width, up-sampled to the first, all concatenated and convolved.

    Args:
        widths: channels of the levels, the highest resolution first.
        width: channels of the result.
        dropout: share of the values dropped in training after the first of the two convolutions at
            the end, and a fifth of that after the second one.
        aspp: whether the last level first passes atrous spatial pyramid pooling.
    """

    def __init__(self, widths: Sequence[int], width: int, dropout: float, aspp: bool) -> None:
        super().__init__()
        self.pyramid = AtrousPyramid(widths[-1], width) if aspp else nn.Identity()
        entered = [*widths[:-1], width if aspp else widths[-1]]
        self.levels = nn.ModuleList(unit(inputs, width) for inputs in entered)
        self.joined = nn.Sequential(
            unit(len(widths) * width, width),
            nn.Dropout(dropout),
            unit(width, width),
            nn.Dropout(dropout / 5),
        )

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Decision features (B, width, Y, X) from the levels, (B, widths[i], ...)."""
        *higher, last = levels
        found = [conv(level) for conv, level in zip(self.levels, [*higher, self.pyramid(last)])]
        size = found[0].shape[2:]
        return self.joined(torch.cat([resized(level, size) for level in found], dim=1))
