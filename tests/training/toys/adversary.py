"""Adversarial training: a discriminator with a loss and an optimiser of its own."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from remodal.methods import nnunet
from remodal.methods.bases.optimisation import Optimisation, trainable
from remodal.objectives.batch import Batch, Step
from remodal.settings import NetworkSettings, RecipeSettings


class Options(nnunet.Options):
    """Options of the toy."""

    weight: float = 0.1
    pause: int = 0


class Adversary(nnunet.NNUNet):
    """A U-Net whose predictions are to look like labels to a discriminator."""

    Options = Options

    def build_companions(self, network: NetworkSettings) -> dict[str, nn.Module]:
        """A discriminator of maps, which gives one value for each voxel."""
        return {"discriminator": nn.Conv3d(self.classes + 1, 1, 3, padding=1)}

    def optimisations(self, recipe: RecipeSettings) -> dict[str, Optimisation]:
        """The discriminator has an Adam of its own, at a constant rate."""
        own = {"optimiser": "adam", "learning_rate": 0.01, "schedule": "constant"}
        groups = [{"params": trainable(self.companions["discriminator"]), "betas": (0.9, 0.99)}]
        return super().optimisations(recipe) | {
            "discriminator": Optimisation(groups, recipe.model_copy(update=own))
        }

    def objective(self, batch: Batch, step: Step):
        """Both losses in one pass; the discriminator's begins after a pause."""
        judge = self.companions["discriminator"]
        predicted = self.probabilities(batch.images)
        drawn = one_hot(batch.label, self.classes + 1).movedim(-1, 1).float()
        looks_drawn = judge(predicted)
        losses = super().objective(batch, step)
        losses["loss"] = losses["loss"] + self.options.weight * binary_cross_entropy_with_logits(
            looks_drawn, torch.ones_like(looks_drawn)
        )
        if step.number >= self.options.pause:
            false, true = judge(predicted.detach()), judge(drawn)
            losses["discriminator"] = binary_cross_entropy_with_logits(
                false, torch.zeros_like(false)
            ) + binary_cross_entropy_with_logits(true, torch.ones_like(true))
        return losses


METHOD = Adversary
