"""The 3-D U-Net of Models Genesis: a stage doubles its width on the way down, and pools by maximum.

Source: MrGiovanni/ModelsGenesis, pytorch/unet3d.py: 19.07 million parameters with one input and one
output at a `base_width` of 32 and three down-samplings (64, 128, 256 and 512 channels). There every
convolution is followed by batch norm that always uses the batch's own statistics. Here it is
InstanceNorm, which is the same for a batch of one. The initialisation is PyTorch's own, as there.
"""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.unet import ConvBlock, Layout, Triple, convolve_parts

#: Stages of the released network, by the number of channels that each gives.
RELEASED = (64, 128, 256, 512)


class Block(ConvBlock):
    """Convolution with bias, InstanceNorm, ReLU; it takes its input whole or in parts."""

    def forward(self, *parts: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X), whole or in parts, to (B, outputs, Z, Y, X)."""
        return F.relu_(self.norm(convolve_parts(self.conv, parts)))


class Stage(nn.Module):
    """Two blocks of the same kernel."""

    def __init__(self, inputs: int, between: int, outputs: int, kernel: Triple) -> None:
        super().__init__()
        self.first = Block(inputs, between, kernel)
        self.second = Block(between, outputs, kernel)

    def forward(self, *parts: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X), whole or in parts, to (B, outputs, Z, Y, X)."""
        return self.second(self.first(*parts))


class Up(nn.Module):
    """A transposed convolution that keeps the width, then a stage that also sees the skip."""

    def __init__(self, below: int, width: int, stride: Triple, kernel: Triple) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(below, below, stride, stride)
        self.stage = Stage(below + width, width, width, kernel)

    def forward(self, flow: Tensor, skip: Tensor) -> Tensor:
        """Features of the stage below, (B, below, z, y, x), to those of the skip's size."""
        return self.stage(self.up(flow), skip)


class GenesisUNet(nn.Module):
    """Encoder, decoder and one head.

    Args:
        inputs: channels of the image.
        outputs: channels of the logits.
        layout: sizes. A stage of width w has w channels after its first convolution and 2 w after
            its second; a decoder stage has 2 w after both.
    """

    def __init__(self, inputs: int, outputs: int, layout: Layout) -> None:
        super().__init__()
        widths = [2 * width for width in layout.widths]
        self.down = nn.ModuleList(
            Stage(*sizes) for sizes in zip((inputs, *widths), layout.widths, widths, layout.kernels)
        )
        self.strides = layout.strides
        self.up = nn.ModuleList(
            Up(*sizes) for sizes in zip(widths[1:], widths, layout.strides, layout.kernels)
        )
        self.head = nn.Conv3d(widths[0], outputs, 1)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Features of every stage of an image (B, inputs, Z, Y, X), full resolution first."""
        features = [self.down[0](image)]
        for stride, stage in zip(self.strides, self.down[1:]):
            features.append(stage(F.max_pool3d(features[-1], stride)))
        return features

    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """Logits (B, outputs, Z, Y, X) from the features of every stage."""
        *skips, flow = features
        for up, skip in zip(reversed(self.up), reversed(skips)):
            flow = up(flow, skip)
        return self.head(flow)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, outputs, Z, Y, X); their sigmoid is the probability of each mask.

        Args:
            image: (B, inputs, Z, Y, X); its sides are multiples of the layout's `factor`.
        """
        return self.decode(self.encode(image))


def from_released(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the released network under this one's names, without its head.

    The released head restores images; it says nothing about masks.

    Args:
        weights: by the names of ModelsGenesis, with or without the `module.` of several devices.

    Raises:
        KeyError: one is missing.
    """
    given = {name.removeprefix("module."): weight for name, weight in weights.items()}
    found = {}
    *upper, _ = RELEASED
    stages = {f"down.{n}": f"down_tr{width}" for n, width in enumerate(RELEASED)}
    stages |= {f"up.{n}.stage": f"up_tr{width}" for n, width in enumerate(upper)}
    for ours, theirs in stages.items():
        for number, block in enumerate(("first", "second")):
            for part, name in (("conv", "conv1"), ("norm", "bn1")):
                for kind in ("weight", "bias"):
                    source = f"{theirs}.ops.{number}.{name}.{kind}"
                    found[f"{ours}.{block}.{part}.{kind}"] = given[source]
    for number, width in enumerate(upper):
        for kind in ("weight", "bias"):
            found[f"up.{number}.up.{kind}"] = given[f"up_tr{width}.up_conv.{kind}"]
    return found


def is_released(weights: Mapping[str, Tensor]) -> bool:
    """Whether these weights have the names of ModelsGenesis."""
    return any(name.removeprefix("module.").startswith("down_tr") for name in weights)
