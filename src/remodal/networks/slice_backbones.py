"""2-D backbones that give features of five blocks: ResNet-50, ResNeXt-50 and a U-Net's encoder.

Source: He et al. (2016), Xie et al. (2017) and, for where the stride is, the initialisation and the
names of the weights, pytorch/vision, models/resnet.py. Its files of weights load by name; the
classifier at the end, `fc`, is not there. Published with 64 channels after block 1.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import gcd
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.batch_norm import BatchNorm2d

Name = Literal["resnext50", "resnet50", "unet"]

#: Bottlenecks of the blocks 2 to 5, and by how much wider than inside they are at their end.
DEPTHS, EXPANSION = (3, 4, 6, 3), 4

#: What the sides of a slice are multiples of (16 would do for the U-Net's encoder).
SHRINKS_BY = 32


class Backbone(nn.Module, ABC):
    """Five blocks, of which the first one comes before the features that are used.

    Attributes:
        widths: channels of the features of the blocks 2 to 5.
    """

    widths: list[int]

    @abstractmethod
    def first(self, image: Tensor) -> Tensor:
        """Block 1: (B, width, y, x) from slices (B, inputs, Y, X)."""

    @property
    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """The blocks 2 to 5, each of which halves the resolution; a ResNet's first one keeps it."""

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights by their names.

        Raises:
            RuntimeError: they do not fit.
        """
        self.load_state_dict(weights)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 (grouped, with the stride) and 1 x 1 convolutions, added to their input."""

    def __init__(self, inputs: int, inside: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inside, 1, bias=False)
        self.bn1 = BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, outputs, 1, bias=False)
        self.bn3 = BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """(B, outputs, Y / stride, X / stride) from (B, inputs, Y, X)."""
        beside = features if self.downsample is None else self.downsample(features)
        features = F.relu_(self.bn1(self.conv1(features)))
        features = F.relu_(self.bn2(self.conv2(features)))
        return F.relu_(self.bn3(self.conv3(features)) + beside)


class ResNet(Backbone):
    """ResNet-50 (features at 1/4, 1/8, 1/16 and 1/32 of the resolution) or ResNeXt-50.

    Args:
        inputs: channels of the slices.
        widths: channels after block 1, then inside the blocks 2 to 5: 64, 64, 128, 256 and 512 as
            published, where features have four times as many.
        grouped: ResNeXt, whose bottlenecks are twice as wide inside, in as many groups as make 4
            channels each in block 2 (32 as published).
    """

    def __init__(self, inputs: int, widths: Sequence[int], grouped: bool) -> None:
        super().__init__()
        width, *stages = widths
        self.widths = [EXPANSION * stage for stage in stages]
        self.conv1 = nn.Conv2d(inputs, width, 7, 2, 3, bias=False)
        self.bn1 = BatchNorm2d(width)
        for number, (stage, depth) in enumerate(zip(stages, DEPTHS), start=1):
            inside, groups = stage, 1
            if grouped:
                inside = 2 * stage
                groups = gcd(max(stages[0] // 2, 1), inside)
            bottlenecks = []
            for step in range(depth):
                stride = 2 if step == 0 and number > 1 else 1
                bottlenecks.append(Bottleneck(width, inside, EXPANSION * stage, stride, groups))
                width = EXPANSION * stage
            setattr(self, f"layer{number}", nn.Sequential(*bottlenecks))
        initialise(self)

    def first(self, image: Tensor) -> Tensor:
        """A convolution and a pooling, each of stride 2."""
        return F.max_pool2d(F.relu_(self.bn1(self.conv1(image))), 3, 2, 1)

    @property
    def blocks(self) -> list[nn.Module]:
        """Those that torchvision calls layers 1 to 4."""
        return [getattr(self, f"layer{number}") for number in range(1, 5)]

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights with torchvision's names, but for those of `fc`.

        If there are several images in the place of one, each gets an equal share of the first
        convolution, so that equal images give what one of them would.

        Raises:
            RuntimeError: they do not fit.
        """
        own = {key: value for key, value in weights.items() if not key.startswith("fc.")}
        first = own.get("conv1.weight")
        inputs = self.conv1.in_channels
        if first is not None and first.dim() == 4 and inputs % first.shape[1] == 0:
            images = inputs // first.shape[1]
            own["conv1.weight"] = torch.cat([first / images] * images, dim=1)
        super().load(own)


class UNetEncoder(Backbone):
    """A plain U-Net's: two convolutions at each of five resolutions (features at 1/2 to 1/16).

    Args:
        inputs: channels of the slices.
        widths: channels of the five blocks.
    """

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = list(widths[1:])
        self.block1 = convolutions(inputs, widths[0])
        for number, (above, width) in enumerate(zip(widths, self.widths), start=2):
            block = nn.Sequential(nn.MaxPool2d(2), convolutions(above, width))
            setattr(self, f"block{number}", block)
        initialise(self)

    def first(self, image: Tensor) -> Tensor:
        """Two convolutions at full resolution."""
        return self.block1(image)

    @property
    def blocks(self) -> list[nn.Module]:
        """A pooling and two convolutions each."""
        return [getattr(self, f"block{number}") for number in range(2, 6)]


def convolutions(inputs: int, width: int) -> nn.Sequential:
    """Two 3 x 3 convolutions with batch norm and ReLU."""
    return nn.Sequential(unit(inputs, width), unit(width, width))


def unit(inputs: int, width: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, batch norm and ReLU."""
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(inputs, width, kernel, 1, padding, dilation, bias=False)
    return nn.Sequential(convolution, BatchNorm2d(width), nn.ReLU(inplace=True))


def initialise(network: nn.Module) -> None:
    """He-normal weights by the number of outputs in every convolution below (torchvision)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def make_backbone(name: Name, inputs: int, width: int) -> Backbone:
    """A backbone by name.

    Args:
        name: which one.
        inputs: channels of the slices.
        width: channels after block 1 (64 as published), doubled from block to block.
    """
    doubled = [width * 2**step for step in range(5)]
    if name == "unet":
        return UNetEncoder(inputs, doubled)
    return ResNet(inputs, [width, *doubled[:4]], grouped=name == "resnext50")
