"""PA-ResSeg: residual encoders of two phases, joined at every scale by attention.

Source: csying/PA-ResSeg, network/resnet.py and network/modules.py (Xu et al. 2021). The published
network has 64 channels at full resolution, six scales and PyTorch's own initialisation. Its
convolutions have biases except before the attention, in shortcuts and in the up-samplings.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from remodal.networks.batch_norm import BatchNorm2d
from remodal.networks.slices import SEEN

Pair = tuple[int, int]
Attention = Literal["as_released", "column_sums"]

#: Channels of each scale, in multiples of the first one's.
MULTIPLES = (1, 2, 4, 8, 8, 8)


def convolution(inputs: int, outputs: int, bias: bool = True) -> nn.Sequential:
    """A 3 x 3 convolution, batch norm and ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    return nn.Sequential(conv, BatchNorm2d(outputs), nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut, which is one of 1 x 1 where the width changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            convolution(inputs, outputs), *convolution(outputs, outputs)[:2]
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, bias=False)
            self.shortcut = nn.Sequential(projection, BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, Y, X) to (B, outputs, Y, X)."""
        return torch.relu_(self.convolutions(features) + self.shortcut(features))


class Encoder(nn.Module):
    """One phase's features at every scale: two convolutions, then pairs of residual blocks.

    Args:
        widths: channels of each scale.
        strides: of the max-pooling into each scale after the first.
    """

    def __init__(self, widths: Sequence[int], strides: Sequence[Pair]) -> None:
        super().__init__()
        self.first = nn.Sequential(convolution(SEEN, widths[0]), convolution(widths[0], widths[0]))
        self.scales = nn.ModuleList(
            nn.Sequential(
                nn.MaxPool2d(stride, stride),
                ResidualBlock(before, width),
                ResidualBlock(width, width),
            )
            for before, width, stride in zip(widths, widths[1:], strides)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of slices (B, 3, Y, X), full resolution first."""
        features = [self.first(image)]
        for scale in self.scales:
            features.append(scale(features[-1]))
        return features


def likeness(features: Tensor, others: Tensor) -> Tensor:
    """Softmax of "maximum minus energy" of each channel with those of `others`, (B, C, C).

    The energy of two channels is the sum over pixels of their product; each row sums to 1. In
    float32, since the sums are large.

    Args:
        features: (B, C, Y, X), whose channels are the rows.
        others: (B, C, Y, X), whose channels are the columns.
    """
    # Autocast knows no tensors without values, of which only sizes are asked.
    device = "cpu" if features.is_meta else features.device.type
    with torch.autocast(device, enabled=False):
        energy = features.float().flatten(2) @ others.float().flatten(2).transpose(1, 2)
        return torch.softmax(energy.amax(-1, keepdim=True) - energy, dim=-1)


def channel_scale(attention: Tensor, kind: Attention) -> Tensor:
    """Factor of each channel of the phase that is attended to, (B, C).

    Args:
        attention: (B, C, C); rows are that phase's channels, columns those of the target.
        kind: whether rows or columns are summed. The released code sums the rows of a softmax, each
            of which is 1, so that every factor is sigmoid(1) = 0.731, whatever the phases show.
            Sums of columns differ from channel to channel.
    """
    return torch.sigmoid(attention.sum(2 if kind == "as_released" else 1))


def of_itself(target: Tensor) -> Tensor:
    """Each of the target's channels (B, C, Y, X) as a mean over those that it is unlike."""
    mixed = likeness(target, target).to(target.dtype) @ target.flatten(2)
    return mixed.view_as(target)


def of_phase(features: Tensor, target: Tensor, kind: Attention) -> Tensor:
    """A phase's channels (B, C, Y, X), each times its factor (`channel_scale`)."""
    scale = channel_scale(likeness(features, target), kind)
    return scale[:, :, None, None].to(features.dtype) * features


class Fusion(nn.Module):
    """The target's features, which attend to themselves, and the other phases', joined.

    Attributes:
        gammas: how strong each phase's attention is; 0 at first. The first is the target's.

    Args:
        phases: number of phases, the target among them.
        inputs: channels of each phase; a quarter of them go into the attention.
        attention: how the phase attention weighs channels.
    """

    def __init__(self, phases: int, inputs: int, attention: Attention) -> None:
        super().__init__()
        self.kind, self.width = attention, max(inputs // 4, 1)
        self.before = nn.ModuleList(
            convolution(inputs, self.width, bias=False) for _ in range(phases)
        )
        self.gammas = nn.Parameter(torch.zeros(phases))
        self.after = nn.ModuleList(
            convolution(self.width, self.width, bias=False) for _ in range(phases)
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """(B, phases inputs / 4, Y, X) from (B, inputs, Y, X) of each, the target first."""
        target, *others = (before(part) for before, part in zip(self.before, features))
        attended = [of_itself(target), *(of_phase(part, target, self.kind) for part in others)]
        gains = zip(self.gammas, attended, (target, *others))
        summed = [gamma * found + part for gamma, found, part in gains]
        return torch.cat([after(part) for after, part in zip(self.after, summed)], dim=1)


def up_sampling(inputs: int, outputs: int, strides: Sequence[Pair]) -> nn.Sequential:
    """To full resolution and `outputs` channels, which are halved in each step.

    Args:
        inputs: channels at the scale.
        outputs: channels at full resolution.
        strides: into the scale, full resolution first; the first scale has none, and is
            convolved.
    """
    if not strides:
        return convolution(inputs, outputs)
    steps, width = [], outputs * 2 ** (len(strides) - 1)
    for stride in reversed(strides):
        steps.append(up_convolution(inputs, width, stride))
        inputs, width = width, width // 2
    return nn.Sequential(*steps)


def up_convolution(inputs: int, outputs: int, stride: Pair) -> nn.Sequential:
    """A transposed convolution (4 x 4 for a stride of 2), batch norm and ReLU."""
    padding = tuple(-(-step // 2) for step in stride)
    kernel = tuple(step + 2 * more for step, more in zip(stride, padding))
    conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, bias=False)
    return nn.Sequential(conv, BatchNorm2d(outputs), nn.ReLU(inplace=True))


class PAResSeg(nn.Module):
    """An encoder for each phase; every scale is fused, up-sampled to full resolution and joined.

    Args:
        phases: number of phases, the target among them.
        outputs: channels of the logits (the classes and the background).
        width: channels of the first scale; a quarter of it for each scale at full resolution.
        strides: into each scale after the first.
        attention: how the phase attention weighs channels.
    """

    def __init__(
        self,
        phases: int,
        outputs: int,
        width: int,
        strides: Sequence[Pair],
        attention: Attention = "as_released",
    ) -> None:
        super().__init__()
        widths = [multiple * width for multiple in MULTIPLES[: len(strides) + 1]]
        self.encoders = nn.ModuleList(Encoder(widths, strides) for _ in range(phases))
        self.fusions = nn.ModuleList(Fusion(phases, inputs, attention) for inputs in widths)
        risen = max(width // 4, 1)
        self.up = nn.ModuleList(
            up_sampling(phases * fusion.width, risen, strides[:scale])
            for scale, fusion in enumerate(self.fusions)
        )
        joined = risen * len(widths)
        self.head = nn.Sequential(convolution(joined, joined), nn.Conv2d(joined, outputs, 1))

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        """Logits (B, outputs, Y, X).

        Args:
            images: for each phase (B, 3, Y, X), the target first; sides are multiples of the
                strides' product.
        """
        scales = zip(*(encoder(image) for encoder, image in zip(self.encoders, images)))
        fused = (fusion(parts) for fusion, parts in zip(self.fusions, scales))
        return self.head(torch.cat([up(part) for up, part in zip(self.up, fused)], dim=1))
