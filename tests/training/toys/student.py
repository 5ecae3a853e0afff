"""Distillation: a student of one modality and a frozen teacher of all."""

from collections.abc import Sequence

from remodal.methods.nnunet import NNUNet
from remodal.objectives.batch import Batch, Step


class Student(NNUNet):
    """A U-Net that is drawn to what a trained model predicts from the same images."""

    @classmethod
    def roles(cls, modalities: Sequence[str]) -> set[str]:
        """A teacher, or weights to start from."""
        return {"start", "teacher"}

    def objective(self, batch: Batch, step: Step):
        """Segmentation, and the distance from the teacher."""
        losses = super().objective(batch, step)
        teacher = self.inputs["teacher"].probabilities(batch.images)
        distance = (self.probabilities(batch.images) - teacher).square().mean()
        return {"loss": losses["loss"] + distance, "distance": distance.detach()}


METHOD = Student
