"""SASSNet: a V-Net with a level set, whose shape a discriminator judges beside the image.

Source: Li et al. (2020), MICCAI; kleinzcy/SASSnet, train_gan_sdfloss.py: Dice + 0.3 mean
(z - T(y))^2 of the labelled samples + w * cross-entropy of the discriminator's verdicts on the
unlabelled ones with "labelled". The discriminator sees level set and image and is trained by Adam
at 1e-4 with betas of 0.9 and 0.99. The weight w is 0.01 with 16 labelled cases and 0.015 with 8; no
public source says what it was for the pancreas. The recipe is the V-Net's, with 2 labelled and 2
unlabelled samples in a batch.
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from remodal.methods.dan import AdversarialMethod, DiscriminatorOptions
from remodal.methods.dtc import LevelSetMethod, LevelSetOptions
from remodal.networks.discriminators import MapImageDiscriminator
from remodal.objectives.batch import Batch, Step


class Options(LevelSetOptions, DiscriminatorOptions):
    """Options of SASSNet."""

    weight: float = Field(
        0.01,
        ge=0,
        description="Largest weight of the adversarial loss (0.01 with 16 labelled cases, 0.015 "
        "with 8 in the repository).",
    )


class SASSNet(AdversarialMethod, LevelSetMethod):
    """A V-Net of two heads and a discriminator of its level set."""

    Options = Options

    def discriminator(self, width: int) -> MapImageDiscriminator:
        """One that sees the level set and the image."""
        return MapImageDiscriminator(1, len(self.modalities), width)

    def shown(self, images: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """The level set and the image."""
        return self.beside(self.predicted(images), images)

    def beside(
        self, predicted: Mapping[str, Tensor], images: Mapping[str, Tensor]
    ) -> tuple[Tensor, ...]:
        """A predicted level set and its image."""
        return predicted["level_set"], torch.cat(self.in_order(images), dim=1)

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Dice + beta * level set with an adversarial loss, and the discriminator's."""
        predicted = self.predicted(batch.images)
        terms = self.supervised(predicted, batch)
        loss = terms["dice"] + self.options.beta * terms["level_set"]
        losses = self.with_adversary(loss, self.beside(predicted, batch.images), batch, step)
        return losses | {name: term.detach() for name, term in terms.items()}


METHOD = SASSNet
