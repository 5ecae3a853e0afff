"""DAN, a deep adversarial network: unlabelled predictions are to look like labelled ones.

Source: Zhang et al. (2017), MICCAI; HiLab-git/SSL4MIS, train_adversarial_network_3D.py: 0.5
(cross-entropy + Dice) of the labelled samples + w * cross-entropy of the discriminator's verdicts
on the unlabelled ones with "labelled". The discriminator is trained by Adam at 1e-4 with betas of
0.9 and 0.99. That repository's discriminator also sees the image; the DTC paper's number of
weights, 12.09 million in its Table 2, is that of the one for maps alone in kleinzcy/SASSnet, which
is what is used here. The recipe is the V-Net's, with 2 labelled and 2 unlabelled samples in a
batch.
"""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from remodal.methods.base import Method
from remodal.methods.bases.optimisation import Optimisation, by_own_adam
from remodal.methods.vnet import GrowingOptions, VNetMethod
from remodal.networks.discriminators import MapDiscriminator
from remodal.objectives.adversarial import evaluating, verdict_loss
from remodal.objectives.batch import Batch, Step
from remodal.objectives.ramp_up import ramp_up
from remodal.settings import NetworkSettings, RecipeSettings
from remodal.settings.section import Section

#: Width of the discriminators in that of the V-Net: 64 of 16.
TIMES_AS_WIDE = 4


class DiscriminatorOptions(Section):
    """Options of a discriminator."""

    discriminator_rate: float = Field(
        1e-4, gt=0, description="Learning rate of the discriminator, by Adam, constant."
    )


class Options(GrowingOptions, DiscriminatorOptions):
    """Options of DAN."""

    weight: float = Field(
        0.1, ge=0, description="Largest weight of the adversarial loss (SSL4MIS)."
    )


class AdversarialMethod(Method):
    """A method whose predictions for unlabelled images are to look like those for labelled ones."""

    takes_unlabelled = True
    needs_unlabelled = True

    @abstractmethod
    def discriminator(self, width: int) -> nn.Module:
        """The discriminator, which takes what is `shown` and gives log-odds of "labelled"."""

    @abstractmethod
    def shown(self, images: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """What the discriminator sees of a batch of images."""

    def build_companions(self, network: NetworkSettings) -> dict[str, nn.Module]:
        """The discriminator."""
        return {"discriminator": self.discriminator(TIMES_AS_WIDE * network.base_width)}

    def optimisations(self, recipe: RecipeSettings) -> dict[str, Optimisation]:
        """The discriminator has an Adam of its own."""
        judge, rate = self.companions["discriminator"], self.options.discriminator_rate
        own = by_own_adam(judge, recipe, rate, betas=(0.9, 0.99))
        return super().optimisations(recipe) | {"discriminator": own}

    def with_adversary(
        self, supervised: Tensor, shown: tuple[Tensor, ...], batch: Batch, step: Step
    ) -> dict[str, Tensor]:
        """The loss with its growing adversarial part, which is logged, and the discriminator's.

        As in the repositories, the discriminator judges without dropout, and learns from
        predictions without dropout that are normalised by running statistics. They are those of
        before the step (in the repositories: after it), so that one objective gives both losses.

        Args:
            supervised: loss of the labelled samples.
            shown: what the discriminator sees, with gradients of the network.
            batch: the batch.
            step: how far the training has come.
        """
        judge, options = self.companions["discriminator"], self.options
        with evaluating(judge):
            odds = judge(*(part[~batch.labelled] for part in shown))
        fooled = verdict_loss(odds, torch.ones(len(odds)))
        with evaluating(self.network), torch.no_grad():
            seen = self.shown(batch.images)
        weight = options.weight * ramp_up(step, options.ramp_up)
        return {
            "loss": supervised + weight * fooled,
            "adversarial": fooled.detach(),
            "discriminator": verdict_loss(judge(*seen), batch.labelled),
        }


class DAN(AdversarialMethod, VNetMethod):
    """A V-Net and a discriminator of its probabilities."""

    Options = Options

    def discriminator(self, width: int) -> MapDiscriminator:
        """One that sees the probabilities of background and classes."""
        return MapDiscriminator(self.classes + 1, width)

    def shown(self, images: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """The probabilities."""
        return (self.probabilities(images),)

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The V-Net's loss with an adversarial one, and the discriminator's."""
        (logits,) = self.network(self.image(batch.images))
        shown = (torch.softmax(logits.float(), dim=1),)
        return self.with_adversary(self.supervised(logits, batch), shown, batch, step)


METHOD = DAN
