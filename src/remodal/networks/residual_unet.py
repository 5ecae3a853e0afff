"""The U-Net with residual encoders (ResUNet), as nnU-Net v2 has it (ResEnc).

Source: MIC-DKFZ/dynamic-network-architectures, building_blocks/residual.py (`BasicBlockD`) and
architectures/unet.py (`ResidualEncoderUNet`), with the numbers of blocks and convolutions of
MIC-DKFZ/nnUNet, residual_encoder_unet_planners.py (Isensee et al. 2024).
"""

from itertools import chain, pairwise, repeat

import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.instance_norm import InstanceNorm
from remodal.networks.unet import SLOPE, ConvBlock, Layout, Triple, UNet

#: Blocks of the encoder's stages; those of further stages are as many as the last one's.
BLOCKS = (1, 3, 4, 6)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, which is pooled where they stride (ResNet-D).

    Where the width changes, the shortcut has a 1 x 1 x 1 convolution without bias and InstanceNorm.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: Triple, stride: Triple = (1, 1, 1)
    ) -> None:
        super().__init__()
        self.first = ConvBlock(inputs, outputs, kernel, stride)
        padding = tuple(size // 2 for size in kernel)
        self.conv = nn.Conv3d(outputs, outputs, kernel, padding=padding)
        self.norm = InstanceNorm(outputs)
        self.stride = stride
        self.shortcut = nn.Sequential()
        if inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, bias=False), InstanceNorm(outputs)
            )

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X) to (B, outputs, Z / stride, ...)."""
        strides = any(step > 1 for step in self.stride)
        pooled = F.avg_pool3d(features, self.stride, self.stride) if strides else features
        found = self.norm(self.conv(self.first(features)))
        return F.leaky_relu(found + self.shortcut(pooled), SLOPE)


class ResidualStages(nn.Module):
    """The way down: a convolution, then stages of residual blocks of which the first strides."""

    def __init__(self, inputs: int, layout: Layout) -> None:
        super().__init__()
        widths, kernels = layout.widths, layout.kernels
        self.stem = ConvBlock(inputs, widths[0], kernels[0])
        sizes = zip(pairwise((widths[0], *widths)), kernels, ((1, 1, 1), *layout.strides))
        counts = chain(BLOCKS, repeat(BLOCKS[-1]))
        self.stages = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(below, width, kernel, stride),
                *(ResidualBlock(width, width, kernel) for _ in range(count - 1)),
            )
            for ((below, width), kernel, stride), count in zip(sizes, counts)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of every stage of an image (B, inputs, Z, Y, X), full resolution first."""
        flow, features = self.stem(image), []
        for stage in self.stages:
            flow = stage(flow)
            features.append(flow)
        return features


class ResidualUNet(UNet):
    """A U-Net with residual stages on the way down and one convolution per stage on the way up."""

    way_down = ResidualStages
    stage_up = ConvBlock
