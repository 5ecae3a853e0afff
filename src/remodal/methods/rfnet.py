"""RFNet: fusion of whichever modalities are there, region by region.

Source: dyh127/RFNet, models.py, train.py and job.sh (Ding et al. 2021). Loss = that of the fused
prediction, of every modality segmented alone by a shared decoder, and of the probability maps of
all scales, each a weighted cross-entropy plus Dice. Its authors train by Adam with AMSGrad at a
rate of 2e-4, decaying as (1 - t/T)^0.9 over 300 epochs of 150 steps, with an L2 penalty of 1e-4,
two patches of 80^3, rotations of up to 10 degrees, flips and changes of intensity.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from remodal.methods.base import Method, some_of
from remodal.methods.bases.layouts import reduced_layout
from remodal.methods.bases.optimisation import Optimisation, minimised_together
from remodal.networks.residual_encoder import SeparateDecoder, initialise
from remodal.networks.rfnet import RFNet
from remodal.networks.unet import Layout
from remodal.objectives.batch import Batch, Step
from remodal.objectives.class_weighted import class_weighted_loss
from remodal.objectives.subsets import Draw, draw_subset
from remodal.settings import NetworkSettings, RecipeSettings
from remodal.settings.section import Section


class Options(Section):
    """Options of RFNet."""

    draw: Draw = Field(
        "subset",
        description="Which modalities the fusion sees in a training step: every `subset` is as "
        "likely (the repository), or every number of them (`size`).",
    )
    apart: float = Field(
        1 / 15,
        ge=0,
        le=1,
        description="Share of the epochs, at the beginning, without the loss of the fused "
        "prediction (20 of 300 in the repository's job.sh).",
    )


class RFNetMethod(Method):
    """One network for every subset of its modalities; each step is trained on a random one."""

    Options = Options

    def build(self, network: NetworkSettings) -> nn.Module:
        """Four stages of half the settings' width: 16, 32, 64 and 128 channels of 32."""
        return RFNet(len(self.modalities), self.classes + 1, self.layout(network))

    @classmethod
    def patch_multiple(cls, network: NetworkSettings) -> tuple[int, int, int]:
        """That of its own down-samplings, which are fewer than the study's."""
        return cls.layout(network).factor

    @classmethod
    def layout(cls, network: NetworkSettings) -> Layout:
        """Sizes of the encoders and decoders."""
        return reduced_layout(network, share=2, strides=3)

    def separate(self, layout: Layout) -> SeparateDecoder:
        """The decoder that segments each modality alone."""
        return SeparateDecoder(self.classes + 1, layout)

    def build_companions(self, network: NetworkSettings) -> dict[str, nn.Module]:
        """The shared decoder of single modalities."""
        decoder = self.separate(self.layout(network))
        initialise(decoder)
        return {"separate": decoder}

    def optimisations(self, recipe: RecipeSettings) -> dict[str, Optimisation]:
        """One loss trains the network and the shared decoder."""
        return minimised_together([self.network, self.companions["separate"]], recipe)

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The sum of the losses of the fused prediction, of all modalities alone, of all scales.

        The fused prediction and the scales are of a random subset, the same for the whole batch.
        """
        label, decoder = batch.label, self.companions["separate"]
        encoded = self.network.encode(self.in_order(batch.images))
        drawn = draw_subset(self.modalities, self.options.draw)
        seen = [stages if m in drawn else None for m, stages in zip(self.modalities, encoded)]
        fused, scales = self.fused(seen)
        terms = {
            "separate": sum(
                class_weighted_loss(torch.softmax(decoder(stages).float(), 1), label)
                for stages in encoded
            ),
            "scales": sum(class_weighted_loss(p, label) for p in scales),
        }
        if step.epoch >= self.options.apart * step.epochs:
            terms["fused"] = class_weighted_loss(fused, label)
        logged = {name: term.detach() for name, term in terms.items()}
        return {"loss": sum(terms.values()), **logged}

    def fused(self, encoded: Sequence[list[Tensor] | None]) -> tuple[Tensor, list[Tensor]]:
        """Probabilities, and those that each scale was resized from, all at full resolution.

        Args:
            encoded: features of each modality, or None where it is to be unseen.
        """
        logits, maps = self.network.decode(encoded)
        return torch.softmax(logits.float(), 1), maps

    def supports(self, present: Iterable[str]) -> bool:
        """Any of its modalities."""
        return some_of(self.modalities, present)

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Of whichever modalities are there."""
        self.require_support(images)
        logits, _ = self.network.decode(self.network.encode(self.in_slots(images)))
        return torch.softmax(logits.float(), 1)


METHOD = RFNetMethod
