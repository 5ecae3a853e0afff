"""V-Net without residual connections, as the semi-supervised methods share it.

Source: yulequan/UA-MT, networks/vnet.py; HiLab-git/DTC, networks/vnet_sdf.py (batch norm, additive
skips, dropout after the bottleneck and before the heads, PyTorch's own initialisation). The
published network has 16 channels at full resolution and four down-samplings.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from remodal.networks.batch_norm import BatchNorm
from remodal.networks.unet import Layout, Triple

#: Most convolutions of a stage; the first stage has one, the second two.
MOST = 3


def unit(convolution: nn.Module) -> nn.Sequential:
    """A convolution, batch norm and ReLU."""
    return nn.Sequential(convolution, BatchNorm(convolution.out_channels), nn.ReLU(inplace=True))


def stage(inputs: int, width: int, kernel: Triple, depth: int) -> nn.Sequential:
    """The convolutions of a stage: 1, 2, 3, 3, ... by its depth, which is 0 at full resolution."""
    padding = tuple(size // 2 for size in kernel)
    widths = [inputs, *[width] * min(depth + 1, MOST)]
    return nn.Sequential(
        *(unit(nn.Conv3d(*pair, kernel, padding=padding)) for pair in pairwise(widths))
    )


class Encoder(nn.Module):
    """The way down; kernel and stride of a down-sampling are the same."""

    def __init__(self, inputs: int, layout: Layout, dropout: float) -> None:
        super().__init__()
        widths = layout.widths
        self.down = nn.ModuleList(
            unit(nn.Conv3d(above, width, stride, stride))
            for above, width, stride in zip(widths, widths[1:], layout.strides)
        )
        entered = (inputs, *widths[1:])
        self.stages = nn.ModuleList(
            stage(*sizes, depth) for depth, sizes in enumerate(zip(entered, widths, layout.kernels))
        )
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of every stage of an image (B, inputs, Z, Y, X), full resolution first.

        In training, whole channels of the last stage are dropped.
        """
        features = [self.stages[0](image)]
        for down, convolve in zip(self.down, self.stages[1:]):
            features.append(convolve(down(features[-1])))
        features[-1] = self.dropout(features[-1])
        return features


class Decoder(nn.Module):
    """The way up, to one or more heads.

    Args:
        heads: number of channels of each head.
        layout: sizes.
        dropout: share of the channels dropped before the heads in training.
    """

    def __init__(self, heads: Sequence[int], layout: Layout, dropout: float) -> None:
        super().__init__()
        widths = layout.widths
        self.up = nn.ModuleList(
            unit(nn.ConvTranspose3d(below, width, stride, stride))
            for below, width, stride in zip(widths[1:], widths, layout.strides)
        )
        self.stages = nn.ModuleList(
            stage(width, width, kernel, depth)
            for depth, (width, kernel) in enumerate(zip(widths[:-1], layout.kernels))
        )
        self.dropout = nn.Dropout3d(dropout)
        self.heads = nn.ModuleList(nn.Conv3d(widths[0], channels, 1) for channels in heads)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Each head's values (B, channels, Z, Y, X), from the features of the encoder's stages."""
        *skips, flow = features
        for up, convolve, skip in zip(reversed(self.up), reversed(self.stages), reversed(skips)):
            flow = convolve(up(flow) + skip)
        flow = self.dropout(flow)
        return [head(flow) for head in self.heads]


class VNet(nn.Module):
    """Encoder and decoder.

    Args:
        inputs: channels of the image.
        heads: number of channels of each head.
        layout: sizes.
        dropout: share of the channels dropped in training, at the bottleneck and before the heads.
    """

    def __init__(
        self, inputs: int, heads: Sequence[int], layout: Layout, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.encoder = Encoder(inputs, layout, dropout)
        self.decoder = Decoder(heads, layout, dropout)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Each head's values (B, channels, Z, Y, X).

        Args:
            image: (B, inputs, Z, Y, X); its sides are multiples of the layout's `factor`.
        """
        return self.decoder(self.encoder(image))
