"""A network without any stride, which takes images of any size."""

import torch
from torch import Tensor, nn

from remodal.methods.base import Method
from remodal.objectives.segmentation import segmentation_loss


class AnySize(Method):
    """A network without any stride, which takes images of any size."""

    @classmethod
    def patch_multiple(cls, network):
        return (1, 1, 1)

    def build(self, network):
        inputs = len(self.modalities)
        return nn.Sequential(
            nn.Conv3d(inputs, 6, 3, padding=1), nn.ReLU(), nn.Conv3d(6, self.classes + 1, 1)
        )

    def log_probabilities(self, images) -> Tensor:
        return self.network(torch.cat(self.in_order(images), dim=1)).log_softmax(1)

    def objective(self, batch, step):
        return {"loss": segmentation_loss(self.log_probabilities(batch.images), batch.label)}

    def probabilities(self, images):
        return self.log_probabilities(images).exp()


METHOD = AnySize
