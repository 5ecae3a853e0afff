"""One input: a 3-D U-Net that segments whichever image it is shown, or always the same one.

With one modality it is specialised. With several it is unspecialised: for each sample, one of the
images is drawn at random in training, with its own mask; at prediction, it sees only the image that
is to be segmented.

Source: Couteaux et al. (2021), arXiv 2101.06979 (liver in T1 and T2): Adam at 1e-4,
constant, one crop of random size in a batch, 900 epochs of 150 steps. No public code.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from remodal.methods.base import some_of
from remodal.methods.bases.mask import (
    MaskMethod,
    drawn_first,
    in_drawn_order,
    labelled_images,
    masks_of,
    of_background_too,
)
from remodal.objectives.batch import Batch, Step
from remodal.objectives.masks import binary_cross_entropy, cross_entropy_and_dice, dice_loss
from remodal.settings.section import Section

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": binary_cross_entropy,
    "dice": dice_loss,
    "bce_dice": cross_entropy_and_dice,
}


class Options(Section):
    """Options of one input."""

    loss: Literal["bce", "dice", "bce_dice"] = Field(
        "bce", description="What is minimised: cross-entropy, Dice, or their sum."
    )


class OneInput(MaskMethod):
    """A U-Net of one channel."""

    Options = Options
    one_label_will_do = True

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The loss of one image of each sample, drawn among those that have a label."""
        image, mask = self.drawn(batch)
        return {"loss": LOSSES[self.options.loss](self.network(image), mask)}

    def drawn(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One image of each sample and its mask, both (B, 1, Z, Y, X)."""
        order = drawn_first(labelled_images(batch, self.modalities))[:, :1]
        images = torch.cat(self.in_order(batch.images), dim=1)
        return (
            in_drawn_order(images, order),
            in_drawn_order(masks_of(batch, self.modalities), order),
        )

    def supports(self, present: Iterable[str]) -> bool:
        """Any of its modalities."""
        return some_of(self.modalities, present)

    def probabilities_of(self, images: Mapping[str, Tensor], target: str) -> Tensor:
        """From the image to segment alone; the mean over the images if all share one truth."""
        self.require_support(images)
        self.require_target(target, images)
        shown = [images[target]] if target else images.values()
        return torch.stack([of_background_too(self.network(image)) for image in shown]).mean(0)


METHOD = OneInput
