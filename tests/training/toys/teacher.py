"""Mean teacher: a companion whose weights follow the network's."""

from copy import deepcopy

import torch
from torch import nn

from remodal.methods.nnunet import NNUNet
from remodal.networks.moving_average import move_average
from remodal.objectives.batch import Batch, Step
from remodal.settings import NetworkSettings

DECAY = 0.75


class MeanTeacher(NNUNet):
    """A U-Net that is also drawn to what its own moving average predicts."""

    def build_companions(self, network: NetworkSettings) -> dict[str, nn.Module]:
        """The teacher, which begins as the network."""
        return {"teacher": deepcopy(self.network).requires_grad_(False)}

    def objective(self, batch: Batch, step: Step):
        """Segmentation, and a consistency that grows with the iterations."""
        losses = super().objective(batch, step)
        image = torch.cat(self.in_order(batch.images), dim=1)
        student, teacher = (
            network(image, 1)[0].softmax(1)
            for network in (self.network, self.companions["teacher"])
        )
        consistency = (student - teacher).square().mean()
        ramp = step.number / step.total
        return {
            "loss": losses["loss"] + ramp * consistency,
            "consistency": consistency.detach(),
        }

    def after_step(self, step: Step) -> None:
        """The teacher follows."""
        move_average(self.companions["teacher"], self.network, DECAY)


METHOD = MeanTeacher
