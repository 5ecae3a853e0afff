"""A 2-D network of several phases: streams, their fusion, a decoder, an answer and its refinement.

Source: the SAM and URIM paper on multi-phase liver tumours, which fuses after the blocks 2 to 5 of
the backbones.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from remodal.networks.level_decoder import LevelDecoder
from remodal.networks.slice_backbones import Backbone
from remodal.networks.slices import resized
from remodal.networks.uncertain_region import UncertainRegion

#: Where the features of all phases are fused: after so many blocks.
FUSED_BLOCKS = 4


@dataclass(frozen=True)
class Answer:
    """What the network makes of slices, at their resolution.

    Attributes:
        initial: logits (B, outputs, Y, X) of the first answer.
        final: those of the refined one; the first one where nothing refines it.
        weights: mean over channels of each phase's weights (B, 1, Y, X) after block 2; empty
            without a fusion that has some.
        certainty: (B, 1, Y, X) before the refinement and after it; empty without one.
    """

    initial: Tensor
    final: Tensor
    weights: list[Tensor]
    certainty: list[Tensor]


class Streams(nn.Module):
    """A backbone for each phase, or one for all (Siamese), fused after each of the blocks 2 to 5.

    Args:
        backbones: one, or one for each phase.
        fusions: one for each block; none: the phases stay apart.
        exchange: whether the next block of a phase sees (F_i + F_aggr) / 2 instead of F_i.
    """

    def __init__(
        self, backbones: Iterable[Backbone], fusions: Iterable[nn.Module], exchange: bool
    ) -> None:
        super().__init__()
        self.backbones = nn.ModuleList(backbones)
        self.fusions = nn.ModuleList(fusions)
        self.exchange = exchange

    def forward(self, images: Sequence[Tensor]) -> tuple[list[list[Tensor]], list[Tensor]]:
        """For each block the fused features alone or those of each phase; the first weights.

        Args:
            images: (B, inputs, Y, X) of each phase.
        """
        features = of_each([backbone.first for backbone in self.backbones], images)
        levels, shown = [], []
        for number in range(FUSED_BLOCKS):
            blocks = [backbone.blocks[number] for backbone in self.backbones]
            features = of_each(blocks, features)
            if not self.fusions:
                levels.append(features)
                continue
            fused, weights = self.fusions[number](features)
            levels.append([fused])
            shown = shown or weights
            if self.exchange:
                features = [(own + fused) / 2 for own in features]
        return levels, shown


class MultiPhaseNet(nn.Module):
    """Streams, a decoder (or one for each stream that stays apart), a head and a refinement.

    Args:
        streams: the backbones and their fusion.
        decoders: one, or one for each stream; their features are concatenated.
        head: from decision features to logits.
        region: what refines the first answer, if anything does.
    """

    def __init__(
        self,
        streams: Streams,
        decoders: Iterable[LevelDecoder],
        head: nn.Module,
        region: UncertainRegion | None,
    ) -> None:
        super().__init__()
        self.streams, self.head, self.region = streams, head, region
        self.decoders = nn.ModuleList(decoders)

    def forward(self, images: Sequence[Tensor]) -> Answer:
        """The answer to slices.

        Args:
            images: (B, inputs, Y, X) of each stream; sides are multiples of the backbone's
                `SHRINKS_BY`.
        """
        size = images[0].shape[2:]
        levels, weights = self.streams(images)
        features = torch.cat(self._decoded(levels), dim=1)
        initial = final = self.head(features)
        certainty: Sequence[Tensor] = []
        if self.region is not None:
            final, certainty = self.region(features, initial)
        return Answer(
            resized(initial, size),
            resized(final, size),
            [resized(weight.mean(1, keepdim=True), size) for weight in weights],
            [resized(mask, size) for mask in certainty],
        )

    def _decoded(self, levels: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        if len(self.decoders) > 1:
            return [decode(stream) for decode, stream in zip(self.decoders, zip(*levels))]
        (decode,) = self.decoders
        return list(decode([torch.cat(level) for level in levels]).chunk(len(levels[0])))


def of_each(
    modules: Sequence[Callable[[Tensor], Tensor]], inputs: Sequence[Tensor]
) -> list[Tensor]:
    """What each module makes of its input; one module alone takes all of them.

    It takes them in one batch, so that batch norm has the same statistics for all in training, as
    it has in evaluation.
    """
    if len(modules) > 1:
        return [module(one) for module, one in zip(modules, inputs, strict=True)]
    return list(modules[0](torch.cat(list(inputs))).chunk(len(inputs)))
