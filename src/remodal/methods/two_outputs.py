"""Two inputs, two outputs: a 3-D U-Net that segments two images at once.

Each mask lies in the geometry of its own image. In a specialised network the channels are the
modalities in their order; for an unspecialised one, images and masks are swapped together at random
in training, and the image to segment is channel 0 at prediction. The loss is the mean over both
masks, so that a case needs both labels.

Source: Couteaux et al. (2021), arXiv 2101.06979 (liver in T1 and T2). No public code.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from remodal.methods.bases.mask import drawn_first, in_drawn_order, masks_of, of_background_too
from remodal.methods.bases.pair import PairMethod
from remodal.objectives.batch import Batch, Step
from remodal.objectives.masks import binary_cross_entropy


class TwoOutputs(PairMethod):
    """A U-Net of two channels that gives the masks of both."""

    @property
    def channels(self) -> tuple[int, int]:
        """Two images, two masks."""
        return (2, 2)

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The mean loss of both masks."""
        images = torch.cat(self.in_order(batch.images), dim=1)
        masks = masks_of(batch, self.modalities)
        if not self.options.specialised:
            order = drawn_first(torch.ones(masks.shape[:2], device=masks.device))
            images, masks = (in_drawn_order(each, order) for each in (images, masks))
        return {"loss": binary_cross_entropy(self.network(images), masks)}

    def probabilities_of(self, images: Mapping[str, Tensor], target: str) -> Tensor:
        """Those of the image to segment: its own output, or output 0 of an unspecialised network.

        If all images share one truth, they are those of the first image.
        """
        self.require_support(images)
        self.require_target(target, images)
        wanted, output = target or self.modalities[0], 0
        first = wanted
        if self.options.specialised:
            first, output = self.modalities[0], self.modalities.index(wanted)
        logits = self.network(self.as_channels(images, first))
        return of_background_too(logits[:, output : output + 1])


METHOD = TwoOutputs
