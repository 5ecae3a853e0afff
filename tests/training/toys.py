"""Methods as small as they get, each of a kind that the liver study has not."""

import torch
from torch import Tensor, nn

from remodal.methods.base import Method
from remodal.objectives.segmentation import segmentation_loss


def convolutions(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3-D convolutions that take any size."""
    return nn.Sequential(nn.Conv3d(inputs, 6, 3, padding=1), nn.ReLU(), nn.Conv3d(6, outputs, 1))


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


class AnySize(Method):
    """A network without any stride, which takes images of any size."""

    def build(self, network):
        return convolutions(len(self.modalities), self.classes + 1)

    def log_probabilities(self, images) -> Tensor:
        return self.network(torch.cat(self.in_order(images), dim=1)).log_softmax(1)

    def objective(self, batch, step):
        return {"loss": segmentation_loss(self.log_probabilities(batch.images), batch.label)}

    def probabilities(self, images):
        return self.log_probabilities(images).exp()


class Entropy(AnySize):
    """Segmentation of the labelled samples, and little entropy in the unlabelled ones."""

    takes_unlabelled = True

    def objective(self, batch, step):
        log_p = self.log_probabilities(batch.images)
        labelled = batch.labelled
        entropy = -(log_p.exp() * log_p)[~labelled].sum(1).mean()
        supervised = segmentation_loss(log_p[labelled], batch.label[labelled])
        return {"loss": supervised + 0.1 * entropy, "entropy": entropy.detach()}
