"""FCN-8s on a VGG16 trunk for each phase, joined before the classifier (MC-FCN).

Source: MC-FCN (Sun et al. 2017) has no public code. It is re-implemented from its description: one
fully convolutional network for each phase, whose high-layer features are concatenated. The branch
is FCN-8s (Long et al. 2015): VGG16 with its fully connected layers as convolutions, and
classifiers of the last three resolutions that are resized bilinearly and added up. The published
trunk has 64 channels at full resolution.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from remodal.networks.batch_norm import BatchNorm2d
from remodal.networks.slices import SEEN, resized

Pair = tuple[int, int]

#: Convolutions of VGG16's stages, and channels in multiples of the first stage's.
CONVOLUTIONS, MULTIPLES = (2, 2, 3, 3, 3), (1, 2, 4, 8, 8)

#: Channels of the layers that were fully connected, in multiples of the first stage's (4,096).
CONNECTED = 64

#: Resolutions that are classified: 8, 16 and 32 times coarser than the image.
CLASSIFIED = 3


def convolution(inputs: int, outputs: int, size: int, batch_norm: bool = False) -> list[nn.Module]:
    """A convolution of `size` x `size` that keeps the resolution, and ReLU."""
    conv = nn.Conv2d(inputs, outputs, size, padding=size // 2)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(conv.bias)
    norm = [BatchNorm2d(outputs)] if batch_norm else []
    return [conv, *norm, nn.ReLU(inplace=True)]


class Trunk(nn.ModuleList):
    """The stages of VGG16, each of which ends in a max-pooling.

    Args:
        width: channels of the first stage.
        strides: of each stage's pooling.
        batch_norm: whether a norm follows each convolution.
    """

    def __init__(self, width: int, strides: Sequence[Pair], batch_norm: bool) -> None:
        stages, entered = [], SEEN
        for stride, count, multiple in zip(strides, CONVOLUTIONS, MULTIPLES):
            layers = []
            for _ in range(count):
                layers += convolution(entered, multiple * width, 3, batch_norm)
                entered = multiple * width
            stages.append(nn.Sequential(*layers, nn.MaxPool2d(stride, stride)))
        super().__init__(stages)

    @property
    def widths(self) -> list[int]:
        """Channels of each stage."""
        return [stage[0].out_channels for stage in self]

    def forward(self, image: Tensor) -> list[Tensor]:
        """What each stage pools of slices (B, 3, Y, X), the finest resolution first."""
        features = []
        for stage in self:
            image = stage(image)
            features.append(image)
        return features


class Branch(nn.Module):
    """One phase's features of the last three resolutions, the coarsest first.

    Args:
        width: channels of the first stage.
        strides: of each stage's pooling.
        batch_norm: whether a norm follows each convolution of the trunk.
        dropout: share of the coarsest features that are dropped in training.
    """

    def __init__(
        self, width: int, strides: Sequence[Pair], batch_norm: bool, dropout: float
    ) -> None:
        super().__init__()
        self.trunk = Trunk(width, strides, batch_norm)
        last, connected = self.trunk.widths[-1], CONNECTED * width
        self.connected = nn.Sequential(
            *convolution(last, connected, 7),
            nn.Dropout(dropout),
            *convolution(connected, connected, 1),
            nn.Dropout(dropout),
        )
        self.widths = [connected, *reversed(self.trunk.widths[:-1])][:CLASSIFIED]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of slices (B, 3, Y, X)."""
        *pooled, last = self.trunk(image)
        return [self.connected(last), *reversed(pooled)][:CLASSIFIED]

    def take_over(self, weights: Mapping[str, Tensor]) -> None:
        """Start from torchvision's VGG16, whose three colours become the three slices.

        Args:
            weights: by its names (`features.0.weight` ... `classifier.6.bias`); of its last layer,
                which tells ImageNet's classes apart, nothing is used.

        Raises:
            RuntimeError: a layer has another size.
            ValueError: there is another number of layers.
        """
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | BatchNorm2d)]
        for layer, given in zip(layers, _layers(weights)[:-1], strict=True):
            own = layer.state_dict()
            layer.load_state_dict({k: value.reshape(own[k].shape) for k, value in given.items()})


class MCFCN(nn.Module):
    """A branch for each phase, and a classifier of their joined features at each resolution.

    Args:
        phases: number of images.
        outputs: channels of the logits (the classes and the background).
        width: channels of a trunk's first stage.
        strides: of each stage's pooling.
        batch_norm: whether a norm follows each convolution of the trunks.
        dropout: share of the coarsest features that are dropped in training.
    """

    def __init__(
        self,
        phases: int,
        outputs: int,
        width: int,
        strides: Sequence[Pair],
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            Branch(width, strides, batch_norm, dropout) for _ in range(phases)
        )
        self.scores = nn.ModuleList(
            nn.Conv2d(phases * joined, outputs, 1) for joined in self.branches[0].widths
        )

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        """Logits (B, outputs, Y, X).

        Args:
            images: for each phase (B, 3, Y, X); sides are multiples of the strides' product.
        """
        levels = zip(*(branch(image) for branch, image in zip(self.branches, images)))
        coarsest, *finer = (score(torch.cat(parts, 1)) for score, parts in zip(self.scores, levels))
        flow = coarsest
        for score in finer:
            flow = score + resized(flow, score.shape[2:])
        return resized(flow, images[0].shape[2:])


def _layers(weights: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The tensors of each layer, in the order of torchvision's numbers, whatever the file's."""

    def layer(name: str) -> tuple[bool, int]:
        part, number, _ = name.split(".")
        return part == "classifier", int(number)

    names = sorted(weights, key=layer)
    return [{n.rpartition(".")[2]: weights[n] for n in group} for _, group in groupby(names, layer)]
