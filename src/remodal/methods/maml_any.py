"""MAML for any number of missing modalities, which its paper leaves to future work.

The network is MAML's. F_dual and F_att become sums over the modalities that are there, times M / n
of M modalities of which n are there (remodal.networks.maml): a convolution of concatenated F_i is
a sum of convolutions of each, so the weights of any subset are a part of those of all, and none is
trained or kept for a certain number. Dropout of modalities makes the joint head see every subset:
in each step L_joint is of a random one, beside the L_intra of all modalities as in eq. 3. From all
modalities it predicts as MAML does; its model may `start` from a MAML's. Ours: no paper has it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor

from remodal.methods import maml
from remodal.methods.base import some_of
from remodal.objectives.segmentation import log_probabilities
from remodal.objectives.subsets import Draw, draw_subset


class Options(maml.Options):
    """Options of MAML for any subset."""

    draw: Draw = Field(
        "size",
        description="Which modalities L_joint is of in a training step: every number of them is "
        "as likely (`size`), or every `subset`.",
    )
    alone: Literal["joint", "own"] = Field(
        "own",
        description="What predicts from a single modality: its `own` head, as in MAML, so that "
        "L_joint is of two or more; or the `joint` head, as from any other subset.",
    )


class MAMLAny(maml.MAML):
    """MAML that predicts from any of its modalities."""

    Options = Options

    def outputs(self, images: Sequence[Tensor]) -> tuple[Tensor, list[list[Tensor]]]:
        """As MAML's, with the joint logits of a random subset, the same for the whole batch."""
        least = 2 if self.options.alone == "own" else 1
        drawn = draw_subset(self.modalities, self.options.draw, least)
        chosen = [self.modalities.index(name) for name in drawn]
        return self.network(images, len(self.weights), chosen)

    def supports(self, present: Iterable[str]) -> bool:
        """Any of its modalities."""
        return some_of(self.modalities, present)

    def answered_by(self, present: Iterable[str]) -> str:
        """As in MAML if a single modality has its own head, else always the joint head."""
        return super().answered_by(present) if self.options.alone == "own" else "the joint head"

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Those of the joint head, or of a single modality's own if `alone` says so."""
        self.require_support(images)
        if len(images) == 1 and self.options.alone == "own":
            return self.of_own_head(images)
        joint, _ = self.network(self.in_slots(images))
        return log_probabilities(joint).exp()


METHOD = MAMLAny
