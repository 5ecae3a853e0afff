"""Modality-specific models joined by the modality-aware (MA) module.

Source: MAML paper, 2.1 and 2.2 (eq. 1 and 2); YaoZhang93/MAML, generic_MAML.py, for what the
paper leaves open.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from remodal.networks.missing import convolve_present, of_each_present
from remodal.networks.unet import ConvBlock, Layout, UNet

Variant = Literal["repo", "paper"]


class Gate(nn.Module):
    """A_i = sigmoid(f_a([F_i; F_dual])): a weight for each channel and voxel of F_i (eq. 1).

    f_a is a 3 x 3 x 3 convolution, InstanceNorm and LeakyReLU, then

    - `repo`: a bare 3 x 3 x 3 convolution. The gate spans (0, 1).
    - `paper`: a 1 x 1 x 1 convolution with InstanceNorm and LeakyReLU, as eq. 1 is printed.
      LeakyReLU presses negative values towards 0, so that the gate cannot close: it never falls
      below about 0.44.
    """

    def __init__(self, width: int, variant: Variant) -> None:
        super().__init__()
        self.first = ConvBlock(2 * width, width, (3, 3, 3))
        self.second = (
            nn.Conv3d(width, width, 3, padding=1)
            if variant == "repo"
            else ConvBlock(width, width, (1, 1, 1))
        )

    def forward(self, own: Tensor, dual: Tensor) -> Tensor:
        """A_i (B, C, Z, Y, X) from F_i and F_dual of the same shape."""
        return torch.sigmoid(self.second(self.first(own, dual)))


class ModalityAwareModule(nn.Module):
    """F_att = sum of A_i * F_i over the modalities (eq. 2), not normalised across them.

    F_dual is one bare 3 x 3 x 3 convolution of all F_i (the paper gives no kernel size; the
    repository has neither norm nor activation) and reaches F_att only through the gates. Weights
    have PyTorch's default initialisation, as in the repository.

    Any of the F_i may be missing (the paper has all of them): then F_dual and F_att are sums over
    those that are there, times the number of all modalities divided by that of those present, as
    in inverted dropout. Both sums then have the same size on average whatever is missing, no weight
    depends on the number, and with all of them the factor is 1.

    Args:
        modalities: number of F_i.
        width: their channels C.
        variant: form of the gates.
    """

    def __init__(self, modalities: int, width: int, variant: Variant = "repo") -> None:
        super().__init__()
        self.dual = nn.Conv3d(modalities * width, width, 3, padding=1)
        self.attention = nn.ModuleList(Gate(width, variant) for _ in range(modalities))

    def gates(self, features: Sequence[Tensor | None]) -> Iterator[Tensor]:
        """A_i of each modality that is there, one at a time.

        Args:
            features: F_i (B, C, Z, Y, X) of each modality, or None where it is missing.
        """
        dual = convolve_present(self.dual, features, _scale(features))
        for gate, own in zip(self.attention, features):
            if own is not None:
                yield gate(own, dual)

    def forward(self, features: Sequence[Tensor | None]) -> Tensor:
        """F_att (B, C, Z, Y, X) from the F_i of that shape; None where one is missing."""
        return self.weighted(features, self.gates(features))

    def weighted(self, features: Sequence[Tensor | None], gates: Iterator[Tensor]) -> Tensor:
        """F_att of the F_i and what `gates` gives of them."""
        first, *others = (own for own in features if own is not None)
        total = next(gates) * first
        for gate, own in zip(gates, others):
            total = torch.addcmul(total, gate, own)
        scale = _scale(features)
        return total if scale == 1 else scale * total


def _scale(features: Sequence[Tensor | None]) -> float:
    """All modalities by those that are there."""
    return len(features) / sum(own is not None for own in features)


class ModalityAwareNet(nn.Module):
    """U-Nets, one a modality, the MA module on their features and the joint head on F_att.

    Args:
        modalities: number of images.
        outputs: channels of the logits (the classes and the background).
        layout: sizes of each U-Net.
        variant: form of the MA module's gates.
        heads: number of levels at which each U-Net has a head of its own; None: all.
    """

    def __init__(
        self,
        modalities: int,
        outputs: int,
        layout: Layout,
        variant: Variant = "repo",
        heads: int | None = None,
    ) -> None:
        super().__init__()
        self.models = nn.ModuleList(UNet(1, outputs, layout, heads) for _ in range(modalities))
        self.fusion = ModalityAwareModule(modalities, layout.widths[0], variant)
        self.joint = nn.Conv3d(layout.widths[0], outputs, 1, bias=False)

    def forward(
        self, images: Sequence[Tensor | None], levels: int = 0, fused: Collection[int] | None = None
    ) -> tuple[Tensor, list[list[Tensor]]]:
        """Joint logits, and for each image that is there the logits of its U-Net's first heads.

        Args:
            images: for each modality (B, 1, Z, Y, X), or None where it is missing; sides are
                multiples of the layout's `factor`.
            levels: how many heads of each U-Net to evaluate, full resolution first.
            fused: the modalities, by number, that the joint head sees; None: all that are there.
        """
        features = of_each_present((model.features for model in self.models), images)
        own = [
            model.heads(level[:levels])
            for model, level in zip(self.models, features)
            if level is not None
        ]
        seen = [
            None if level is None or (fused is not None and number not in fused) else level[0]
            for number, level in enumerate(features)
        ]
        return self.joint(self.fusion(seen)), own

    def gates(self, images: Sequence[Tensor]) -> Iterator[Tensor]:
        """A_i (B, C, Z, Y, X) of each image, one at a time."""
        return self.fusion.gates(self._features(images))

    def with_gates(
        self, images: Sequence[Tensor], shown: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Joint logits as by `forward`, and what `shown` makes of each A_i, in one pass."""
        features = self._features(images)
        kept = []

        def gates() -> Iterator[Tensor]:
            for gate in self.fusion.gates(features):
                kept.append(shown(gate))
                yield gate

        return self.joint(self.fusion.weighted(features, gates())), kept

    def _features(self, images: Sequence[Tensor]) -> list[Tensor]:
        """F_i of each image."""
        return [model.features(image)[0] for model, image in zip(self.models, images)]
