"""What an objective is given: a batch of patches, and how far the training is."""

from dataclasses import dataclass

from torch import Tensor

#: Every voxel of the label of a sample that has none: no class, and no index that a loss accepts.
UNLABELLED = -1


@dataclass(frozen=True)
class Batch:
    """Patches that a method is trained on together.

    Attributes:
        images: for each modality (B, 1, Z, Y, X) float32.
        labels: for each image that has a label (B, Z, Y, X) int64 class indices; all of a sample
            that is not labelled is `UNLABELLED`, which no loss may use.
        labelled: (B,) bool, the samples that have labels.
    """

    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    labelled: Tensor

    @property
    def label(self) -> Tensor:
        """The only label, (B, Z, Y, X) int64, of a study whose images share one truth.

        Raises:
            ValueError: there is none, or one for each of several images.
        """
        (label,) = self.labels.values()
        return label


@dataclass(frozen=True)
class Step:
    """How far a training is, for what changes as it goes on, such as a ramp-up.

    Attributes:
        epoch: finished epochs.
        iteration: finished iterations of the epoch after those.
        epochs: epochs of the whole training.
        iterations: iterations of an epoch.
    """

    epoch: int
    iteration: int
    epochs: int
    iterations: int

    @property
    def number(self) -> int:
        """Finished iterations since the start."""
        return self.epoch * self.iterations + self.iteration

    @property
    def total(self) -> int:
        """Iterations of the whole training."""
        return self.epochs * self.iterations
