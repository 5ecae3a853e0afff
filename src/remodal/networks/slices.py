"""Slices of a volume for 2-D networks, and back."""

from torch import Tensor


def neighbourhoods(image: Tensor, count: int = 3) -> Tensor:
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
