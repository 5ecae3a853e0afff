"""What an objective is given: a batch of patches, and how far the training has come."""

from dataclasses import dataclass

from torch import Tensor

#: Fills the label of an unlabelled sample: neither a class nor an index that a loss accepts.
UNLABELLED = -1


@dataclass(frozen=True)
class Batch:
    """Patches that a method is trained on together.

    Attributes:
        images: for each modality (B, 1, Z, Y, X) float32.
        labels: (B, Z, Y, X) int64 class indices for each image that has a label; for an unlabelled
            sample every voxel is `UNLABELLED`, which no loss may use.
        labelled: (B,) bool, the samples that have labels: all of them or, for a method that makes
            do with one (`Method.one_label_will_do`), at least one.
    """

    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    labelled: Tensor

    @property
    def label(self) -> Tensor:
        """The only label, (B, Z, Y, X) int64, in a study whose images share one ground truth.

        Raises:
            ValueError: there is no label, or one for each of several images.
        """
        (label,) = self.labels.values()
        return label

    def label_of(self, image: str) -> Tensor:
        """The truth of an image, (B, Z, Y, X) int64: its own label, or the one that all share."""
        own = self.labels.get(image)
        return self.label if own is None else own

    def has_label_of(self, image: str) -> Tensor:
        """The samples that have the label of this image, (B,) bool."""
        return self.label_of(image)[:, 0, 0, 0] != UNLABELLED


@dataclass(frozen=True)
class Step:
    """How far a training has come, for anything that changes with time, such as a ramp-up.

    Attributes:
        epoch: finished epochs.
        iteration: finished iterations of the epoch in progress.
        epochs: epochs of the whole training.
        iterations: iterations per epoch.
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
