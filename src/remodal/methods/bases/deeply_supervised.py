"""Methods whose networks are trained at several resolutions."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, Field
from torch import Tensor

from remodal.methods.base import LossOptions, Method
from remodal.objectives.batch import Batch, Step
from remodal.objectives.deep_supervision import deeply_supervised_loss, level_weights
from remodal.settings import NetworkSettings


class DeepSupervisionOptions(LossOptions):
    """Options of a method that is trained at several resolutions."""

    deep_supervision: bool = Field(
        True,
        description="Train a head at every decoder level but the lowest, with weights 1, 1/2, "
        "1/4, ... normalised to sum 1 (nnU-Net), instead of at full resolution only.",
    )


class DeeplySupervisedMethod(Method):
    """A method whose network gives one prediction, at several resolutions in training."""

    Options: ClassVar[type[BaseModel]] = DeepSupervisionOptions

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        self.weights = training_weights(network, options.deep_supervision)
        super().__init__(modalities, classes, network, options)

    @abstractmethod
    def log_probabilities(self, images: Mapping[str, Tensor], levels: int) -> list[Tensor]:
        """Log-probabilities (B, classes + 1, z, y, x) of the first `levels` decoder levels.

        Args:
            images: for each modality that is present a (B, 1, Z, Y, X) image.
            levels: how many to compute, full resolution first.
        """

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The deeply supervised segmentation loss."""
        log_p = self.log_probabilities(batch.images, len(self.weights))
        return {
            "loss": deeply_supervised_loss(log_p, batch.label, self.weights, self.options.dice_over)
        }

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Probabilities from the full-resolution head; no other head is computed."""
        self.require_support(images)
        return self.log_probabilities(images, levels=1)[0].exp()


def training_weights(network: NetworkSettings, deep_supervision: bool) -> list[float]:
    """Weights of the decoder levels that are trained, full resolution first."""
    return level_weights(len(network.strides)) if deep_supervision else [1.0]
