"""Discriminators: was this map predicted for a labelled image?

Source: kleinzcy/SASSnet, networks/discriminator.py (`FC3DDiscriminator` and `FCDiscriminatorDAP`).
Convolutions are 4 x 4 x 4 with a stride of 2; LeakyReLU has a slope of 0.2. The repository averages
over 7 x 7 x 5 voxels, which are all that is left of its patches of 112 x 112 x 80; here the average
is over all that is left of any patch. Published, they are 64 channels wide.
"""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
#: Four halvings leave one voxel of it; smaller patches are padded with zeros up to it.
LEAST = 16


class MapImageDiscriminator(nn.Module):
    """Sees a map and the image that it belongs to.

    Args:
        channels: of the map.
        modalities: channels of the image.
        width: channels after the first convolution.
    """

    def __init__(self, channels: int, modalities: int, width: int) -> None:
        super().__init__()
        self.map_stem, self.image_stem = _halve(channels, width), _halve(modalities, width)
        self.convolutions = nn.ModuleList(_halve(width * n, 2 * width * n) for n in (1, 2, 4))
        self.dropout = nn.Dropout3d(0.5)
        self.classifier = nn.Linear(8 * width, 2)

    def forward(self, map: Tensor, image: Tensor) -> Tensor:
        """Log-odds (B,) of labelled against unlabelled.

        Args:
            map: (B, channels, Z, Y, X).
            image: (B, modalities, Z, Y, X).
        """
        flow = self.map_stem(_large_enough(map)) + self.image_stem(_large_enough(image))
        for convolve in self.convolutions:
            flow = convolve(self.dropout(F.leaky_relu(flow, SLOPE)))
        pooled = F.leaky_relu(flow, SLOPE).mean((2, 3, 4))
        unlabelled, labelled = self.classifier(pooled).unbind(1)
        return labelled - unlabelled


class MapDiscriminator(nn.Module):
    """Sees a map alone, and judges each of its places.

    The repository resizes what it says to the map's size; the losses here are means over places.

    Args:
        channels: of the map.
        width: channels after the first convolution.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width, 1)
        self.convolutions = nn.ModuleList(_halve(*pair) for pair in pairwise(widths))

    def forward(self, map: Tensor) -> Tensor:
        """Log-odds (B, 1, Z / 16, Y / 16, X / 16) of labelled against unlabelled.

        Args:
            map: (B, channels, Z, Y, X).
        """
        return self.judged(self.features(map))

    def features(self, map: Tensor) -> Tensor:
        """What the last convolution but one gives, (B, 4 width, Z / 8, Y / 8, X / 8).

        Args:
            map: (B, channels, Z, Y, X).
        """
        flow = self.convolutions[0](_large_enough(map))
        for convolve in self.convolutions[1:-1]:
            flow = convolve(F.leaky_relu(flow, SLOPE))
        return flow

    def judged(self, features: Tensor) -> Tensor:
        """The verdicts of `forward`, from `features`."""
        return self.convolutions[-1](F.leaky_relu(features, SLOPE))


def _halve(inputs: int, outputs: int) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, 4, 2, 1)


def _large_enough(features: Tensor) -> Tensor:
    lacking = [max(LEAST - size, 0) for size in reversed(features.shape[2:])]
    return F.pad(features, [side for n in lacking for side in (0, n)]) if any(lacking) else features
