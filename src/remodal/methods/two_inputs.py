"""Two inputs, one output: a 3-D U-Net that segments one image with the help of another.

Channel 0 is the image to segment, channel 1 the auxiliary one; the mask is that of channel 0, in
its geometry. A specialised network always segments the same image; for an unspecialised one, the
roles are swapped at random in training.

Source: Couteaux et al. (2021), arXiv 2101.06979 (liver in T1 and T2). No public code.
"""

from collections.abc import Mapping, Sequence

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from remodal.errors import UserError
from remodal.methods.base import named_modality
from remodal.methods.bases.mask import (
    drawn_first,
    in_drawn_order,
    labelled_images,
    masks_of,
    of_background_too,
)
from remodal.methods.bases.pair import PairMethod, RoleOptions
from remodal.objectives.batch import Batch, Step
from remodal.objectives.masks import binary_cross_entropy
from remodal.settings import NetworkSettings


class Options(RoleOptions):
    """Options of two inputs with one output."""

    target: str = Field(
        "",
        description="The image that a specialised network segments; empty: the first. An "
        "unspecialised one segments either.",
    )


class TwoInputs(PairMethod):
    """A U-Net of two channels that gives the mask of the first."""

    Options = Options

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        if options.target and not options.specialised:
            raise UserError(
                f"method `{self.name}`, option `target`: an unspecialised network segments either",
                expected="no target, or `specialised: true`",
            )
        wanted = options.target or modalities[0]
        self.target = named_modality(self.name, "target", wanted, modalities)
        super().__init__(modalities, classes, network, options)

    @property
    def one_label_will_do(self) -> bool:
        """Whether the image that has a label can be the one to segment: if unspecialised."""
        return not self.options.specialised

    def learnt_labels(self, labels: Sequence[str]) -> list[str]:
        """Those of the images that are segmented; the only one if all images share one truth."""
        return [name for name in labels if self.segments(name)] or list(labels)

    def segments(self, target: str) -> bool:
        """Either image, or the one that it is specialised in."""
        return target == self.target if self.options.specialised else super().segments(target)

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The loss of the image to segment, which is drawn for each sample if unspecialised."""
        if self.options.specialised:
            image = self.as_channels(batch.images, self.target)
            mask = masks_of(batch, [self.target])
        else:
            order = drawn_first(labelled_images(batch, self.modalities))
            image = in_drawn_order(torch.cat(self.in_order(batch.images), dim=1), order)
            mask = in_drawn_order(masks_of(batch, self.modalities), order[:, :1])
        return {"loss": binary_cross_entropy(self.network(image), mask)}

    def probabilities_of(self, images: Mapping[str, Tensor], target: str) -> Tensor:
        """Those of the image to segment, which is put first."""
        self.require_support(images)
        self.require_target(target, images)
        return of_background_too(self.network(self.as_channels(images, target or self.target)))


METHOD = TwoInputs
