"""Networks of several modalities, some of which may be missing."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.unet import convolve_parts

Output = TypeVar("Output")


def of_each_present(
    modules: Iterable[Callable[[Tensor], Output]], images: Sequence[Tensor | None]
) -> list[Output | None]:
    """What each modality's network makes of its image; None where the image is missing."""
    pairs = zip(modules, images, strict=True)
    return [None if image is None else module(image) for module, image in pairs]


def convolve_present(conv: nn.Conv3d, parts: Sequence[Tensor | None], scale: float = 1.0) -> Tensor:
    """`conv` of the concatenated parts, where those that are missing count as zeros.

    A convolution is linear in its input channels, so a missing part is left out with its share of
    the weights: nothing is computed for it, and nothing that it might hold can matter.

    Args:
        conv: zero-padded, with the same number of input channels for each part.
        parts: (B, C, Z, Y, X) each, or None; at least one is there.
        scale: factor of what the parts add up to, without the bias.
    """
    present = [part for part in parts if part is not None]
    if len(present) == len(parts) and scale == 1:
        return convolve_parts(conv, present)
    shares = conv.weight.split(conv.in_channels // len(parts), 1)
    total = sum(
        F.conv3d(part, share, None, conv.stride, conv.padding)
        for part, share in zip(parts, shares, strict=True)
        if part is not None
    )
    if scale != 1:
        total = scale * total
    return total if conv.bias is None else total + conv.bias[:, None, None, None]
