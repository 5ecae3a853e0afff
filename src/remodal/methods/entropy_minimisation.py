"""Entropy minimisation: predictions are to be certain, with and without a label.

Source: HiLab-git/SSL4MIS, train_entropy_minimization_3D.py (Vu et al. 2019). Loss = that of V-Net
+ w * mean entropy of all samples / ln C, w = 0.1 with a ramp-up. The row `Entropy Mini` of the DTC
paper's Table 2.
"""

import torch
from pydantic import Field
from torch import Tensor

from remodal.methods.vnet import GrowingOptions, VNetMethod, with_growing
from remodal.objectives.batch import Batch, Step
from remodal.objectives.certainty import relative_entropy


class Options(GrowingOptions):
    """Options of entropy minimisation."""

    weight: float = Field(0.1, ge=0, description="Largest weight of the entropy.")


class EntropyMinimisation(VNetMethod):
    """A V-Net that is to be certain."""

    Options = Options
    takes_unlabelled = True

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The supervised loss and the weighted entropy; both are logged."""
        (logits,) = self.network(self.image(batch.images))
        supervised = self.supervised(logits, batch)
        uncertain = relative_entropy(torch.softmax(logits.float(), 1))
        return with_growing(supervised, "entropy", uncertain, self.options, step)


METHOD = EntropyMinimisation
