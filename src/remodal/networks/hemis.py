"""U-HeMIS: an encoder for each modality, whose features are fused by their mean and variance.

Source: ReubenDo/U-HVED, u_hemis_net.py: HeMIS (Havaei et al. 2016) in the form of a U-Net (Dorent
et al. 2019). This is what the rows `HeMIS` of later papers report. Convolutions have no bias, and
weights are He-normal, as in NiftyNet.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.instance_norm import InstanceNorm
from remodal.networks.missing import of_each_present
from remodal.networks.unet import SLOPE, Layout, Triple, convolve_parts, initialise


class PreNormBlock(nn.Module):
    """Twice InstanceNorm, LeakyReLU and a convolution.

    It takes its input whole or in parts, which it treats as if they were concatenated.
    """

    def __init__(self, inputs: Sequence[int], middle: int, outputs: int, kernel: Triple) -> None:
        super().__init__()
        padding = tuple(size // 2 for size in kernel)
        self.norms = nn.ModuleList(InstanceNorm(width) for width in inputs)
        self.first = nn.Conv3d(sum(inputs), middle, kernel, padding=padding, bias=False)
        self.norm = InstanceNorm(middle)
        self.second = nn.Conv3d(middle, outputs, kernel, padding=padding, bias=False)

    def forward(self, *parts: Tensor) -> Tensor:
        """(B, sum of inputs, Z, Y, X), whole or in parts, to (B, outputs, Z, Y, X)."""
        # The norm of a channel does not depend on the others, so each part has its own.
        active = [F.leaky_relu_(norm(part), SLOPE) for norm, part in zip(self.norms, parts)]
        middle = convolve_parts(self.first, active)
        return self.second(F.leaky_relu_(self.norm(middle), SLOPE))


class HemisEncoder(nn.Module):
    """The way down for one modality: a 1 x 1 x 1 convolution, then blocks and max-pooling.

    Args:
        layout: sizes; a block's first convolution has the stage's width n.
        outputs: channels that each stage puts out, full resolution first.
    """

    def __init__(self, layout: Layout, outputs: Sequence[int]) -> None:
        super().__init__()
        widths = layout.widths
        self.strides = layout.strides
        self.stem = nn.Conv3d(1, widths[0], 1, bias=False)
        self.blocks = nn.ModuleList(
            PreNormBlock([before], width, out, kernel)
            for before, width, out, kernel in zip(
                (widths[0], *outputs), widths, outputs, layout.kernels
            )
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of every stage of an image (B, 1, Z, Y, X), full resolution first."""
        first, *others = self.blocks
        features = [first(F.leaky_relu_(self.stem(image), SLOPE))]
        for block, stride in zip(others, self.strides):
            features.append(block(F.max_pool3d(features[-1], stride)))
        return features


class HemisDecoder(nn.Module):
    """The way up: linear resizing, skip, block of (n, n / 2) channels; a head without bias.

    Args:
        outputs: channels of the result.
        layout: sizes.
        skips: channels of the fused features of each stage, full resolution first.
    """

    def __init__(self, outputs: int, layout: Layout, skips: Sequence[int]) -> None:
        super().__init__()
        halves = [half(width) for width in layout.widths]
        below = [*halves[1:-1], skips[-1]]
        levels = zip(layout.widths, below, skips, halves, layout.decoder_kernels)
        self.blocks = nn.ModuleList(
            PreNormBlock([under, skip], width, half_width, kernel)
            for width, under, skip, half_width, kernel in levels
        )
        self.head = nn.Conv3d(halves[0], outputs, 1, bias=False)

    def forward(self, skips: Sequence[Tensor]) -> Tensor:
        """(B, outputs, Z, Y, X) from the fused features, full resolution first."""
        *skips, flow = skips
        for block, skip in zip(reversed(self.blocks), reversed(skips)):
            size = skip.shape[2:]
            flow = block(F.interpolate(flow, size, mode="trilinear", align_corners=False), skip)
        return self.head(flow)


class UHemis(nn.Module):
    """Encoders, fusion by mean and variance at every scale, and one decoder.

    Args:
        modalities: number of images.
        outputs: channels of the logits (the classes and the background).
        layout: sizes; the repository's are 8, 16, 32 and 64.
    """

    def __init__(self, modalities: int, outputs: int, layout: Layout) -> None:
        super().__init__()
        halves = [half(width) for width in layout.widths]
        self.encoders = nn.ModuleList(HemisEncoder(layout, halves) for _ in range(modalities))
        self.decoder = HemisDecoder(outputs, layout, [2 * width for width in halves])
        initialise(self)

    def forward(self, images: Sequence[Tensor | None]) -> Tensor:
        """Logits (B, outputs, Z, Y, X).

        Args:
            images: for each modality (B, 1, Z, Y, X), or None where it is missing.
        """
        features = filter(None, of_each_present(self.encoders, images))
        return self.decoder([mean_and_variance(scale) for scale in zip(*features)])


def mean_and_variance(features: Sequence[Tensor]) -> Tensor:
    """Mean and population variance over the modalities present, concatenated: (B, 2 C, Z, Y, X).

    Of a single modality the variance is 0.

    Args:
        features: (B, C, Z, Y, X) of each modality that is there.
    """
    mean = sum(features) / len(features)
    variance = sum((feature - mean).square() for feature in features) / len(features)
    return torch.cat([mean, variance], dim=1)


def half(width: int) -> int:
    """Half of a stage's channels, at least one."""
    return max(width // 2, 1)
