"""Slices of a volume for 2-D networks, and back."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

#: Slices that a 2.5-D network sees at once: the one that it segments, and its neighbours.
SEEN = 3


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps (B, C, y, x) at another size (Y, X), bilinearly; the pixels' borders stay in place."""
    if maps.shape[2:] == tuple(size):
        return maps
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)


def neighbourhoods(image: Tensor, count: int = SEEN) -> Tensor:
    """Each slice with its neighbours as channels, (B * Z, count, Y, X).

    Args:
        image: (B, 1, Z + count - 1, Y, X); the slices at both ends are only neighbours.
        count: slices of a neighbourhood, an odd number.
    """
    return image[:, 0].unfold(1, count, 1).movedim(-1, 2).flatten(0, 1)


def as_volumes(maps: Tensor, samples: int) -> Tensor:
    """Maps of slices (B * Z, C, Y, X) as maps of volumes (B, C, Z, Y, X).

    Args:
        maps: those of each sample's slices, one sample after the other.
        samples: B.
    """
    return maps.unflatten(0, (samples, -1)).transpose(1, 2)
