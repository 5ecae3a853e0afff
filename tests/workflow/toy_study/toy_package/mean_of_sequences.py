"""One small network for the mean of whichever sequences are there."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from remodal.methods.base import LossOptions, Method
from remodal.objectives.batch import Batch, Step
from remodal.objectives.segmentation import log_probabilities, segmentation_loss
from remodal.settings import NetworkSettings


class MeanOfSequences(Method):
    """Predicts from any of its modalities."""

    Options = LossOptions

    def build(self, network: NetworkSettings) -> nn.Module:
        """Two convolutions."""
        width = network.base_width
        return nn.Sequential(
            nn.Conv3d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv3d(width, self.classes + 1, 1),
        )

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Cross-entropy and Dice."""
        log_p = log_probabilities(self._logits(batch.images))
        return {"loss": segmentation_loss(log_p, batch.label, self.options.dice_over)}

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Softmax of the same network, whatever is there."""
        self.require_support(images)
        return self._logits(images).softmax(1)

    def supports(self, present: Iterable[str]) -> bool:
        """Any of its modalities."""
        return set() < set(present) <= set(self.modalities)

    def _logits(self, images: Mapping[str, Tensor]) -> Tensor:
        return self.network(torch.stack(list(images.values())).mean(0))


METHOD = MeanOfSequences
