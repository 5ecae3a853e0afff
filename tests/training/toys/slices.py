"""2.5-D: a 2-D network that sees three slices and predicts the middle one."""

import torch
from torch import Tensor, nn

from remodal.methods.base import Method
from remodal.objectives.segmentation import segmentation_loss


class Slices(Method):
    """2.5-D: a 2-D network that sees three slices and predicts the middle one."""

    @property
    def context(self) -> tuple[int, int, int]:
        return (1, 0, 0)

    def build(self, network):
        seen = 3 * len(self.modalities)
        return nn.Sequential(
            nn.Conv2d(seen, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, self.classes + 1, 1)
        )

    def log_probabilities(self, images) -> Tensor:
        slices = torch.cat(self.in_order(images), dim=1)
        return self.network(slices.flatten(1, 2)).unsqueeze(2).log_softmax(1)

    def objective(self, batch, step):
        return {"loss": segmentation_loss(self.log_probabilities(batch.images), batch.label)}

    def probabilities(self, images):
        return self.log_probabilities(images).exp()


METHOD = Slices
