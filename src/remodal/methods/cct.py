"""CCT: decoders of perturbed features are to agree with the main decoder.

Source: HiLab-git/SSL4MIS, train_cross_consistency_training_2D.py (Ouali et al. 2020); in 3-D it is
re-implemented, with the three decoders that the number of parameters in the DTC paper tells of
(15,664,776). Each sees the features of all the encoder's stages with one kind of change: noise,
channels dropped, or the voxels that respond most dropped. Loss = mean over all four decoders of
V-Net's loss + w * mean over the three of the mean squared difference from the main decoder's
softmax on the unlabelled samples, w = 0.1 with a ramp-up. The main decoder is drawn to the others
too. The row `CCT` of the DTC paper's Table 2.
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from remodal.methods.bases.layouts import layout_of
from remodal.methods.bases.optimisation import Optimisation, minimised_together
from remodal.methods.vnet import GrowingOptions, VNetMethod, with_growing
from remodal.networks.perturbation import channel_dropout, feature_noise, strongest_dropout
from remodal.networks.vnet import Decoder
from remodal.objectives.batch import Batch, Step
from remodal.objectives.certainty import squared_difference
from remodal.settings import NetworkSettings, RecipeSettings

#: Range of the relative noise, share of the channels dropped, and range of the share of the
#: largest response from which on voxels are dropped.
NOISE, DROPPED, RESPONSE = 0.3, 0.3, (0.7, 0.9)


class Options(GrowingOptions):
    """Options of CCT."""

    weight: float = Field(0.1, ge=0, description="Largest weight of the consistency.")


class CrossConsistency(VNetMethod):
    """A V-Net with three more decoders in training."""

    Options = Options
    takes_unlabelled = True
    needs_unlabelled = True

    def build_companions(self, network: NetworkSettings) -> dict[str, nn.Module]:
        """A decoder for each kind of change."""
        layout, dropout = layout_of(network), self.options.dropout
        return {
            name: Decoder([self.classes + 1], layout, dropout)
            for name in ("noise", "dropout", "strongest")
        }

    def optimisations(self, recipe: RecipeSettings) -> dict[str, Optimisation]:
        """One loss trains the network and all decoders."""
        return minimised_together([self.network, *self.companions.values()], recipe)

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The mean supervised loss and the weighted mean consistency; both are logged."""
        features = self.network.encoder(self.image(batch.images))
        (main,) = self.network.decoder(features)
        others = self.auxiliary(features)
        logits = [main, *others.values()]
        supervised = torch.stack([self.supervised(each, batch) for each in logits]).mean()
        if batch.labelled.all():
            return {"loss": supervised}
        p, *perturbed = (torch.softmax(each[~batch.labelled].float(), 1) for each in logits)
        consistency = torch.stack([squared_difference(p, each) for each in perturbed]).mean()
        return with_growing(supervised, "consistency", consistency, self.options, step)

    def auxiliary(self, features: list[Tensor]) -> Mapping[str, Tensor]:
        """Logits (B, classes + 1, Z, Y, X) of the decoders of perturbed features, by name."""
        changed = {
            "noise": [feature_noise(each, NOISE) for each in features],
            "dropout": [channel_dropout(each, DROPPED) for each in features],
            "strongest": [strongest_dropout(each, *RESPONSE) for each in features],
        }
        return {name: self.companions[name](each)[0] for name, each in changed.items()}


METHOD = CrossConsistency
