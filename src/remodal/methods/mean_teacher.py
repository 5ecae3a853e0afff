"""Mean teacher: unlabelled samples are drawn to what the network's moving average makes of them.

Source: HiLab-git/SSL4MIS, train_mean_teacher_3D.py; yulequan/UA-MT (Tarvainen and Valpola 2017).
Loss = that of V-Net + w * mean squared difference of the softmax outputs on the unlabelled samples,
w = 0.1 with a ramp-up. The teacher sees the images with noise and is in training mode; its batch
norm keeps statistics of its own. The row `MT` of the DTC paper's Table 2.
"""

from copy import deepcopy

import torch
from pydantic import Field
from torch import Tensor, nn

from remodal.methods.vnet import GrowingOptions, VNetMethod, with_growing
from remodal.networks.moving_average import move_average
from remodal.networks.perturbation import clamped_noise
from remodal.objectives.batch import Batch, Step
from remodal.objectives.certainty import squared_difference
from remodal.settings import NetworkSettings

TEACHER = "teacher"


class Options(GrowingOptions):
    """Options of the mean teacher."""

    weight: float = Field(0.1, ge=0, description="Largest weight of the consistency.")
    decay: float = Field(
        0.99,
        ge=0,
        le=1,
        description="Share of the teacher that stays in a step, at most: 1 - 1/(t + 1) in step t "
        "while that is less.",
    )
    noise: float = Field(
        0.1, ge=0, description="Standard deviation of the noise in the teacher's images."
    )
    noise_bound: float = Field(0.2, ge=0, description="What that noise is clamped to.")


class MeanTeacher(VNetMethod):
    """A V-Net and its teacher; only the V-Net predicts."""

    Options = Options
    takes_unlabelled = True
    needs_unlabelled = True

    def build_companions(self, network: NetworkSettings) -> dict[str, nn.Module]:
        """The teacher, which begins as the network."""
        return {TEACHER: deepcopy(self.network).requires_grad_(False)}

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The supervised loss and the weighted consistency; both are logged."""
        if batch.labelled.all():
            return super().objective(batch, step)
        image, unlabelled = self.image(batch.images), ~batch.labelled
        (logits,) = self.network(image)
        supervised = self.supervised(logits, batch)
        student = torch.softmax(logits[unlabelled].float(), 1)
        consistency = self.consistency(student, image[unlabelled], step)
        return with_growing(supervised, "consistency", consistency, self.options, step)

    def consistency(self, student: Tensor, image: Tensor, step: Step) -> Tensor:
        """How far the student is from the teacher.

        Args:
            student: its probabilities of the unlabelled samples, (B, classes + 1, Z, Y, X).
            image: these samples, (B, modalities, Z, Y, X).
            step: how far the training has come.
        """
        return squared_difference(student, self.taught(image))

    @torch.no_grad()
    def taught(self, image: Tensor) -> Tensor:
        """The teacher's probabilities of images with noise; no gradient passes."""
        noisy = clamped_noise(image, self.options.noise, self.options.noise_bound)
        (logits,) = self.companions[TEACHER](noisy)
        return torch.softmax(logits.float(), 1)

    def after_step(self, step: Step) -> None:
        """The teacher follows, quickly at first."""
        decay = min(1 - 1 / (step.number + 1), self.options.decay)
        move_average(self.companions[TEACHER], self.network, decay)


METHOD = MeanTeacher
