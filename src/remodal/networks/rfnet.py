"""RFNet: features of the modalities are weighed region by region, where each class is probable.

Source: dyh127/RFNet, models.py and layers.py (Ding et al. 2021). At each scale a map of the classes
is predicted first; for each class, the features under its map are averaged, from the averages each
modality gets a weight, and the weighted features of all classes are joined.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.missing import of_each_present
from remodal.networks.residual_encoder import (
    SLOPE,
    Joined,
    ResidualEncoder,
    Step,
    Unit,
    initialise,
    resized,
)
from remodal.networks.unet import Layout

EPSILON = 1e-7


class ProbabilityMap(nn.Module):
    """Where each class is probable, from the features of the modalities that are there.

    Args:
        modalities: number of all modalities.
        outputs: the classes and the background.
        width: channels of a modality's features.
        hidden: channels before the map.
        guided: whether the decoder's features from the level below are used too.
    """

    def __init__(
        self, modalities: int, outputs: int, width: int, hidden: int, guided: bool
    ) -> None:
        super().__init__()
        narrow = max(width // 4, 1)
        self.join = Joined(modalities, width, narrow)
        self.embed = nn.Sequential(Unit(narrow, narrow), Unit(narrow, width, (1, 1, 1)))
        self.mix = Unit((2 if guided else 1) * width, hidden, (1, 1, 1))
        self.head = nn.Conv3d(hidden, outputs, 1)

    def forward(self, features: Sequence[Tensor | None], guide: Tensor | None) -> Tensor:
        """Probabilities (B, outputs, Z, Y, X).

        Args:
            features: (B, width, Z, Y, X) of each modality, or None where it is missing.
            guide: the decoder's, of that shape; None in the last stage.
        """
        embedded = self.embed(self.join(features))
        mixed = embedded if guide is None else torch.cat([guide, embedded], dim=1)
        return torch.softmax(self.head(self.mix(mixed)).float(), dim=1)


class RegionWeights(nn.Module):
    """A weight in 0..1 of each modality in one class's region, from averages over the region."""

    def __init__(self, modalities: int, width: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(modalities * width + 1, hidden)
        self.second = nn.Linear(hidden, modalities)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight)

    def forward(self, averages: Tensor, size: Tensor) -> Tensor:
        """Weights (B, M) from averages (B, M, C) of the features and the region's share (B, 1)."""
        known = torch.cat([averages.flatten(1), size], dim=1)
        return torch.sigmoid(self.second(F.leaky_relu(self.first(known), SLOPE)))


class RegionAwareFusion(nn.Module):
    """The modalities' features, weighed in each region, beside a plain join of them.

    Args:
        modalities: number of all modalities.
        outputs: the classes and the background.
        width: channels of a modality's features, and of the result.
        hidden: channels between a region's averages and its weights.
    """

    def __init__(self, modalities: int, outputs: int, width: int, hidden: int) -> None:
        super().__init__()
        self.weights = nn.ModuleList(
            RegionWeights(modalities, width, hidden) for _ in range(outputs)
        )
        half = width // 2
        self.regions = nn.Sequential(
            Unit(outputs * width, width, (1, 1, 1)),
            Unit(width, width),
            Unit(width, half, (1, 1, 1)),
        )
        self.join = Joined(modalities, width, width)
        self.short_cut = nn.Sequential(Unit(width, width), Unit(width, width - half, (1, 1, 1)))

    def forward(self, features: Sequence[Tensor | None], probable: Tensor) -> Tensor:
        """(B, width, Z, Y, X) from features of that shape, None where missing, and a map."""
        fused = [
            self._in_region(weigh, features, region)
            for weigh, region in zip(self.weights, probable.split(1, dim=1))
        ]
        regions = self.regions(torch.cat(fused, dim=1))
        return torch.cat([regions, self.short_cut(self.join(features))], dim=1)

    def _in_region(
        self, weigh: RegionWeights, features: Sequence[Tensor | None], region: Tensor
    ) -> Tensor:
        """The region times the sum of the weighted features; missing ones have averages of 0."""
        share = region.mean((2, 3, 4)) + EPSILON
        present = [part for part in features if part is not None]
        nothing = torch.zeros_like(present[0][:, :, 0, 0, 0], dtype=torch.float32)
        averages = [
            nothing if part is None else (part.float() * region).mean((2, 3, 4)) / share
            for part in features
        ]
        weights = weigh(torch.stack(averages, dim=1), share)
        total = sum(
            part * weight[:, None, None, None, None]
            for part, weight in zip(features, weights.unbind(1))
            if part is not None
        )
        return total * region


class RFNet(nn.Module):
    """An encoder for each modality, and a decoder that fuses them region by region.

    Args:
        modalities: number of images.
        outputs: channels of the logits (the classes and the background).
        layout: sizes; the repository's are 16, 32, 64 and 128.
    """

    def __init__(self, modalities: int, outputs: int, layout: Layout) -> None:
        super().__init__()
        widths = layout.widths
        deepest = len(widths) - 1
        self.encoders = nn.ModuleList(ResidualEncoder(layout) for _ in range(modalities))
        self.maps = nn.ModuleList(
            ProbabilityMap(modalities, outputs, width, widths[0], guided=stage < deepest)
            for stage, width in enumerate(widths)
        )
        self.fusions = nn.ModuleList(
            RegionAwareFusion(modalities, outputs, width, 8 * widths[0]) for width in widths
        )
        self.steps = nn.ModuleList(Step(*sizes) for sizes in zip(widths[1:], widths))
        self.head = nn.Conv3d(widths[0], outputs, 1)
        initialise(self)

    def encode(self, images: Sequence[Tensor | None]) -> list[list[Tensor] | None]:
        """Features of every stage of each image, full resolution first; None where missing."""
        return of_each_present(self.encoders, images)

    def decode(self, encoded: Sequence[list[Tensor] | None]) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, outputs, Z, Y, X), and the probability maps of all scales at that size.

        Args:
            encoded: features of every stage for each modality, or None where it is to be unseen.
        """
        *scales, last = (
            [None if stages is None else stages[scale] for stages in encoded]
            for scale in range(len(self.maps))
        )
        maps = [self.maps[-1](last, None)]
        # A map learns from its own loss only.
        flow = self.fusions[-1](last, maps[0].detach())
        for scale, features in reversed(list(enumerate(scales))):
            step = self.steps[scale]
            raised = step.up(flow, next(part for part in features if part is not None).shape[2:])
            maps.append(self.maps[scale](features, raised))
            flow = step(self.fusions[scale](features, maps[-1].detach()), raised)
        size = flow.shape[2:]
        return self.head(flow), [resized(probable, size) for probable in reversed(maps)]
