"""Distillation: a student of one modality and a frozen teacher of all."""

from remodal.methods.nnunet import NNUNet
from remodal.objectives.batch import Batch, Step


class Student(NNUNet):
    """A U-Net that is drawn to what a trained model predicts from the same images."""

    roles = frozenset({"start", "teacher"})

    def objective(self, batch: Batch, step: Step):
        """Segmentation, and the distance from the teacher."""
        losses = super().objective(batch, step)
        teacher = self.inputs["teacher"].probabilities(batch.images)
        distance = (self.probabilities(batch.images) - teacher).square().mean()
        return {"loss": losses["loss"] + distance, "distance": distance.detach()}


METHOD = Student
