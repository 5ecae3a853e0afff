"""Residual encoders and plain decoders that RFNet and mmFormer share.

Source: dyh127/RFNet, models.py; YaoZhang93/mmFormer, mmformer.py. Convolutions have biases,
InstanceNorm has neither scale nor offset, LeakyReLU a slope of 0.2, and 3 x 3 x 3 convolutions of
encoders and decoders pad by reflection. RFNet normalises after a convolution, mmFormer before it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.instance_norm import InstanceNorm
from remodal.networks.missing import convolve_present
from remodal.networks.unet import Layout, Triple

SLOPE = 0.2


class PlainInstanceNorm(InstanceNorm):
    """InstanceNorm without scale and offset: they are 1 and 0, and no parameters."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        del self.weight, self.bias
        self.register_buffer("weight", torch.ones(channels), persistent=False)
        self.register_buffer("bias", torch.zeros(channels), persistent=False)


class Unit(nn.Module):
    """A convolution with InstanceNorm and LeakyReLU after it, or before it.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel: of the convolution.
        stride: of the convolution.
        normalise_first: whether norm and activation come before the convolution (mmFormer).
        reflect: whether to pad by reflection, where there is more than one voxel, or by zeros.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Triple = (3, 3, 3),
        stride: Triple = (1, 1, 1),
        normalise_first: bool = False,
        reflect: bool = True,
    ) -> None:
        super().__init__()
        self.first, self.reflect = normalise_first, reflect
        self.padding = tuple(size // 2 for size in kernel)
        padding = (0, 0, 0) if reflect else self.padding
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, padding)
        self.norm = PlainInstanceNorm(inputs if normalise_first else outputs)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X) to (B, outputs, Z / stride, ...)."""
        if self.first:
            return self.conv(self._padded(self._active(features)))
        return self._active(self.conv(self._padded(features)))

    def _active(self, features: Tensor) -> Tensor:
        return F.leaky_relu_(self.norm(features), SLOPE)

    def _padded(self, features: Tensor) -> Tensor:
        return pad_by_reflection(features, self.padding) if self.reflect else features


class Joined(nn.Module):
    """A `Unit` of kernel 1 for the features of several modalities, of which some may be missing.

    Missing features count as zeros, which neither the norm nor the activation changes.
    """

    def __init__(
        self, modalities: int, width: int, outputs: int, normalise_first: bool = False
    ) -> None:
        super().__init__()
        self.first = normalise_first
        self.conv = nn.Conv3d(modalities * width, outputs, 1)
        self.norm = PlainInstanceNorm(width if normalise_first else outputs)

    def forward(self, features: Sequence[Tensor | None]) -> Tensor:
        """(B, outputs, Z, Y, X) from (B, width, Z, Y, X) of each modality, None where missing."""
        if self.first:
            active = [None if part is None else self._active(part) for part in features]
            return convolve_present(self.conv, active)
        return self._active(convolve_present(self.conv, features))

    def _active(self, features: Tensor) -> Tensor:
        return F.leaky_relu_(self.norm(features), SLOPE)


class ResidualEncoder(nn.Module):
    """The way down for one modality: x + f(g(x)) at each stage, after a convolution into it."""

    def __init__(self, layout: Layout, normalise_first: bool = False) -> None:
        super().__init__()
        stages = list(zip(layout.widths, layout.widths[1:], layout.strides))
        first: nn.Module = Unit(1, layout.widths[0])
        if normalise_first:  # the image itself is not normalised
            first = ReflectedConv(1, layout.widths[0])
        self.into = nn.ModuleList(
            [
                first,
                *(Unit(*sizes, (3, 3, 3), stride, normalise_first) for *sizes, stride in stages),
            ]
        )
        self.residual = nn.ModuleList(
            nn.Sequential(*(Unit(width, width, normalise_first=normalise_first) for _ in range(2)))
            for width in layout.widths
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of every stage of an image (B, 1, Z, Y, X), full resolution first."""
        features = []
        for into, residual in zip(self.into, self.residual):
            entered = into(features[-1] if features else image)
            features.append(entered + residual(entered))
        return features


class ReflectedConv(nn.Module):
    """A bare 3 x 3 x 3 convolution that pads by reflection."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X) to (B, outputs, Z, Y, X)."""
        return self.conv(pad_by_reflection(features, (1, 1, 1)))


class Step(nn.Module):
    """One step up: from the level below to the skip's, and both together."""

    def __init__(self, below: int, width: int, normalise_first: bool = False) -> None:
        super().__init__()
        self.rise = Unit(below, width, normalise_first=normalise_first)
        self.join = nn.Sequential(
            Unit(2 * width, width, normalise_first=normalise_first),
            Unit(width, width, (1, 1, 1), normalise_first=normalise_first),
        )

    def up(self, below: Tensor, size: Sequence[int]) -> Tensor:
        """The features of the level below at the size (z, y, x) of this one."""
        return self.rise(resized(below, size))

    def forward(self, skip: Tensor, raised: Tensor) -> Tensor:
        """This level's features, from its skip and what came `up`."""
        return self.join(torch.cat([skip, raised], dim=1))


class SeparateDecoder(nn.Module):
    """Segments one modality alone, from its encoder's features; the same weights for each.

    It helps in training only: every encoder learns to segment.
    """

    def __init__(self, outputs: int, layout: Layout, normalise_first: bool = False) -> None:
        super().__init__()
        levels = zip(layout.widths[1:], layout.widths)
        self.steps = nn.ModuleList(Step(*sizes, normalise_first) for sizes in levels)
        self.head = nn.Conv3d(layout.widths[0], outputs, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits (B, outputs, Z, Y, X) from features of every stage, full resolution first."""
        *skips, flow = features
        for step, skip in zip(reversed(self.steps), reversed(skips)):
            flow = step(skip, step.up(flow, skip.shape[2:]))
        return self.head(flow)


def resized(features: Tensor, size: Sequence[int]) -> Tensor:
    """Trilinear, the corners' centres kept in place."""
    return F.interpolate(features, tuple(size), mode="trilinear", align_corners=True)


def pad_by_reflection(features: Tensor, padding: Triple) -> Tensor:
    """The features with their border mirrored outwards; a single voxel of an axis is repeated."""
    z, y, x = padding
    mode = "reflect" if all(n > p for n, p in zip(features.shape[2:], padding)) else "replicate"
    return F.pad(features, (x, x, y, y, z, z), mode=mode) if any(padding) else features


def initialise(module: nn.Module) -> None:
    """He-normal weights for ReLU in every convolution below; other weights are PyTorch's."""
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            nn.init.kaiming_normal_(part.weight)
