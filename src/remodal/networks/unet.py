"""The 3-D U-Net of nnU-Net, in the parts that the multi-modal networks are built from.

Source: MIC-DKFZ/nnUNet, branch nnunetv1, planner v21 and generic U-Net (widths, strides, blocks,
initialisation); for v2 its master and MIC-DKFZ/dynamic-network-architectures, unet_decoder.py; the
MAML paper, 2.1, uses it for each modality.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.instance_norm import InstanceNorm

Triple = tuple[int, int, int]
Version = Literal["v1", "v2"]

SLOPE = 0.01  # of every LeakyReLU, and `a` of the He initialisation


@dataclass(frozen=True)
class Layout:
    """Sizes of a U-Net's stages, full resolution first.

    Attributes:
        widths: channels of each stage.
        strides: down-sampling (z, y, x) into each stage after the first.
        kernels: convolution kernel (z, y, x) of each encoder stage.
        version: that of nnU-Net. In v1, a decoder stage has the kernel of the encoder stage below
            it, and up-convolutions and heads have no bias. In v2, it has the kernel of its own
            level, and they have biases.
    """

    widths: tuple[int, ...]
    strides: tuple[Triple, ...]
    kernels: tuple[Triple, ...]
    version: Version = "v1"

    @property
    def decoder_kernels(self) -> tuple[Triple, ...]:
        """Kernel of each decoder stage, full resolution first."""
        return self.kernels[1:] if self.version == "v1" else self.kernels[:-1]

    @property
    def biased(self) -> bool:
        """Whether up-convolutions and heads have a bias."""
        return self.version == "v2"

    @property
    def factor(self) -> Triple:
        """What each side of a patch must be a multiple of."""
        z, y, x = (math.prod(axis) for axis in zip(*self.strides))
        return z, y, x


def plan_layout(
    base_width: int,
    max_width: int,
    strides: Sequence[Triple],
    anisotropic: bool = False,
    version: Version = "v1",
    kernels: Sequence[Triple] | None = None,
) -> Layout:
    """Widths that double at each stage up to a cap, and the kernels.

    Kernels are as given; or else 3 x 3 x 3 or, if `anisotropic`, as nnU-Net mostly plans them for
    thick slices: 1 along an axis in the stages before that axis is down-sampled for the first time
    (while its spacing is at least twice the finest), 3 from there on, and 3 everywhere in the last
    stage.
    """
    widths = tuple(min(base_width * 2**stage, max_width) for stage in range(len(strides) + 1))
    down = tuple(tuple(stride) for stride in strides)
    if kernels is not None:
        return Layout(widths, down, tuple(map(tuple, kernels)), version)
    found: list[Triple] = []
    reached = [not anisotropic] * 3
    for stride in strides:
        reached = [known or step > 1 for known, step in zip(reached, stride)]
        found.append(tuple(3 if known else 1 for known in reached))
    return Layout(widths, down, (*found, (3, 3, 3)), version)


def convolve_parts(conv: nn.Conv3d, parts: Sequence[Tensor]) -> Tensor:
    """`conv(torch.cat(parts, 1))`, without the copy.

    A convolution is linear in its input channels, so each part is convolved with its share of the
    weights and the results are added: no concatenated tensor is made, or kept for the backward pass
    (at 128^3 that tensor would be the largest in a decoder).
    """
    if len(parts) == 1:
        return conv(parts[0])
    first, *others = zip(parts, conv.weight.split([part.shape[1] for part in parts], 1))
    total = F.conv3d(*first, conv.bias, conv.stride, conv.padding)
    for part, weight in others:
        total += F.conv3d(part, weight, None, conv.stride, conv.padding)
    return total


class ConvBlock(nn.Module):
    """Convolution with bias, InstanceNorm, LeakyReLU.

    It takes its input whole or in parts, which it treats as if they were concatenated.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: Triple, stride: Triple = (1, 1, 1)
    ) -> None:
        super().__init__()
        padding = tuple(size // 2 for size in kernel)
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, padding)
        self.norm = InstanceNorm(outputs)

    def forward(self, *parts: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X), whole or in parts, to (B, outputs, Z / stride, ...)."""
        return F.leaky_relu_(self.norm(convolve_parts(self.conv, parts)), SLOPE)


class Stage(nn.Module):
    """Two blocks; the first one changes the width and the resolution."""

    def __init__(
        self, inputs: int, outputs: int, kernel: Triple, stride: Triple = (1, 1, 1)
    ) -> None:
        super().__init__()
        self.first = ConvBlock(inputs, outputs, kernel, stride)
        self.second = ConvBlock(outputs, outputs, kernel)

    def forward(self, *parts: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X), whole or in parts, to (B, outputs, Z / stride, ...)."""
        return self.second(self.first(*parts))


class Encoder(nn.Module):
    """The way down."""

    def __init__(self, inputs: int, layout: Layout) -> None:
        super().__init__()
        widths = (inputs, *layout.widths)
        strides = ((1, 1, 1), *layout.strides)
        self.stages = nn.ModuleList(
            Stage(*sizes) for sizes in zip(widths, layout.widths, layout.kernels, strides)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of every stage of an image (B, inputs, Z, Y, X), full resolution first."""
        features = []
        for stage in self.stages:
            image = stage(image)
            features.append(image)
        return features


class Decoder(nn.Module):
    """The way up: transposed convolution (kernel = stride), skip, stage.

    Args:
        layout: sizes.
        stage: what a stage is: two blocks, or one.
    """

    def __init__(self, layout: Layout, stage: type[nn.Module] = Stage) -> None:
        super().__init__()
        levels = list(zip(layout.widths, layout.widths[1:], layout.strides, layout.decoder_kernels))
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(below, width, stride, stride, bias=layout.biased)
            for width, below, stride, _ in levels
        )
        self.stages = nn.ModuleList(
            stage(2 * width, width, kernel) for width, _, _, kernel in levels
        )

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Features of every level, full resolution first, from those of the encoder's stages."""
        *skips, features = skips
        levels = []
        for up, stage, skip in zip(reversed(self.up), reversed(self.stages), reversed(skips)):
            features = stage(up(features), skip)
            levels.append(features)
        return levels[::-1]


class Heads(nn.ModuleList):
    """A 1 x 1 x 1 convolution to logits for each of the first `count` levels."""

    def __init__(self, outputs: int, layout: Layout, count: int | None = None) -> None:
        widths = layout.widths[:-1][:count]
        super().__init__(nn.Conv3d(width, outputs, 1, bias=layout.biased) for width in widths)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Logits (B, outputs, Z, Y, X) of each of the given levels, full resolution first."""
        return [head(level) for head, level in zip(self, features)]

    def train_only(self, levels: int) -> None:
        """Freeze the heads below the first `levels`, which no objective reaches."""
        for level, head in enumerate(self):
            head.requires_grad_(level < levels)


class UNet(nn.Module):
    """Encoder, decoder and heads.

    Args:
        inputs: channels of the image.
        outputs: channels of the logits (the classes and the background).
        layout: sizes.
        heads: number of decoder levels that have a head, full resolution first; None: all.

    Attributes:
        way_down: what the encoder is.
        stage_up: what a stage of the decoder is.
    """

    way_down: type[nn.Module] = Encoder
    stage_up: type[nn.Module] = Stage

    def __init__(self, inputs: int, outputs: int, layout: Layout, heads: int | None = None) -> None:
        super().__init__()
        self.encoder = self.way_down(inputs, layout)
        self.decoder = Decoder(layout, self.stage_up)
        self.heads = Heads(outputs, layout, heads)
        initialise(self)

    def features(self, image: Tensor) -> list[Tensor]:
        """Output of each decoder stage, full resolution (F_i of the MAML paper) first.

        Args:
            image: (B, inputs, Z, Y, X); its sides are multiples of the layout's `factor`.
        """
        return self.decoder(self.encoder(image))

    def forward(self, image: Tensor, levels: int = 1) -> list[Tensor]:
        """Logits of the first `levels` decoder levels, full resolution first.

        Args:
            image: (B, inputs, Z, Y, X); its sides are multiples of the layout's `factor`.
            levels: how many heads to evaluate.
        """
        return self.heads(self.features(image)[:levels])


def initialise(module: nn.Module) -> None:
    """He-normal weights for LeakyReLU (a = 0.01) and zero bias in every convolution below."""
    for part in module.modules():
        if isinstance(part, nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(part.weight, a=SLOPE)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
