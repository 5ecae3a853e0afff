"""Modality-weighted U-Net: an encoder for each phase, merged by trainable weights (MW-UNet).

Source: MW-UNet (Wu et al. 2019) has no public code. It is re-implemented from its description (a
trainable weight for each phase at every level) with the widths of U-Net (Ronneberger et al. 2015,
64 to 1,024 channels) and nnU-Net's blocks, whose 3-D layers are flat here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from remodal.networks.slices import SEEN
from remodal.networks.unet import Decoder, Encoder, Heads, Layout, initialise

Pair = tuple[int, int]


def flat_layout(width: int, strides: Sequence[Pair]) -> Layout:
    """Sizes of a U-Net of 1 x 3 x 3 kernels whose width doubles at each of these strides."""
    stages = len(strides) + 1
    widths = tuple(width * 2**stage for stage in range(stages))
    return Layout(widths, tuple((1, *stride) for stride in strides), ((1, 3, 3),) * stages)


class MWUNet(nn.Module):
    """Encoders whose features are summed at each level, each phase with a weight of its own.

    Attributes:
        layout: sizes of each encoder and of the decoder.
        weights: (levels, phases), full resolution first. No softmax is taken of them.

    Args:
        phases: number of images.
        outputs: channels of the logits (the classes and the background).
        width: channels at full resolution.
        strides: into each stage after the first.
        weight: what each phase counts at first.
    """

    def __init__(
        self,
        phases: int,
        outputs: int,
        width: int,
        strides: Sequence[Pair],
        weight: float = 0.5,
    ) -> None:
        super().__init__()
        self.layout = layout = flat_layout(width, strides)
        self.encoders = nn.ModuleList(Encoder(SEEN, layout) for _ in range(phases))
        self.weights = nn.Parameter(torch.full((len(layout.widths), phases), weight))
        self.decoder = Decoder(layout)
        self.heads = Heads(outputs, layout, count=1)
        initialise(self)

    def merge(self, features: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """The weighted sum over the phases at each level, from each phase's features."""
        return [
            sum(weight * part for weight, part in zip(of_level, parts))
            for of_level, parts in zip(self.weights, zip(*features))
        ]

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        """Logits (B, outputs, Y, X).

        Args:
            images: for each phase (B, 3, Y, X); sides are multiples of the strides' product.
        """
        features = [encoder(image.unsqueeze(2)) for encoder, image in zip(self.encoders, images)]
        (logits,) = self.heads(self.decoder(self.merge(features))[:1])
        return logits.squeeze(2)
