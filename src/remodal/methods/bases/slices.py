"""Methods that segment slice by slice, each seen with its two neighbours (2.5-D)."""

from collections.abc import Mapping
from math import prod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from remodal.methods.base import Method
from remodal.networks.slices import as_volumes, neighbourhoods
from remodal.objectives.batch import Batch, Step
from remodal.objectives.segmentation import log_probabilities
from remodal.settings import NetworkSettings


class SliceMethod(Method):
    """A 2-D network of all modalities, trained with cross-entropy.

    Its network takes a list with the slices of each modality, (B, 3, Y, X), and gives logits
    (B, classes + 1, Y, X).
    """

    #: Down-samplings of the published network; a study with fewer `network.strides` has fewer.
    down_samplings: ClassVar[int]

    @property
    def context(self) -> tuple[int, int, int]:
        """One slice on either side."""
        return (1, 0, 0)

    @classmethod
    def strides(cls, network: NetworkSettings) -> list[tuple[int, int]]:
        """Its down-samplings within a slice, (y, x): the study's first ones."""
        return [(y, x) for _, y, x in network.strides[: cls.down_samplings]]

    @classmethod
    def patch_multiple(cls, network: NetworkSettings) -> tuple[int, int, int]:
        """That of its own down-samplings: a patch may have any number of slices."""
        y, x = (prod(steps) for steps in zip(*cls.strides(network)))
        return 1, y, x

    def logits(self, images: Mapping[str, Tensor]) -> Tensor:
        """Of every slice, (B, classes + 1, Z, Y, X).

        Args:
            images: for each modality a (B, 1, Z + 2, Y, X) image.
        """
        slices = [neighbourhoods(image) for image in self.in_order(images)]
        samples = len(images[self.modalities[0]])
        return as_volumes(self.network(slices), samples)

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The mean cross-entropy of all voxels."""
        return {"loss": F.nll_loss(log_probabilities(self.logits(batch.images)), batch.label)}

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Softmax of the network's logits."""
        self.require_support(images)
        return torch.softmax(self.logits(images).float(), dim=1)
