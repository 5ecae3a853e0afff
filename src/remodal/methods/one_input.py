"""One input: a 3-D U-Net that segments whichever image it is shown, or always the same one.

With one modality it is specialised. With several it is unspecialised: for each sample, one of the
images is drawn at random in training, with its own mask; at prediction, it sees only the image that
is to be segmented.

Source: Couteaux et al. (2021), arXiv 2101.06979 (liver in T1 and T2): Adam at 1e-4, constant, one
crop of random size in a batch, 900 epochs of 150 steps. No public code. With an adversarial loss,
another network learns from the same batches, one step for each of the segmentor's; such trainings
start from a model that was trained with cross-entropy (`inputs: {start: ...}`). The paper names
neither their networks nor their recipe: the discriminator is that of SASSNet's repository for maps
alone, the gambler a small U-Net, and both learn by Adam at 1e-4.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from remodal.methods.base import some_of
from remodal.methods.bases.layouts import reduced_layout
from remodal.methods.bases.mask import (
    MaskMethod,
    drawn_first,
    in_drawn_order,
    labelled_images,
    masks_of,
    of_background_too,
)
from remodal.methods.bases.optimisation import Optimisation, by_own_adam
from remodal.networks.discriminators import MapDiscriminator
from remodal.networks.genesis import GenesisUNet
from remodal.objectives.batch import Batch, Step
from remodal.objectives.mask_adversaries import embedding_losses, gambling_losses, gan_losses
from remodal.objectives.masks import binary_cross_entropy, cross_entropy_and_dice, dice_loss
from remodal.settings import NetworkSettings, RecipeSettings
from remodal.settings.section import Section

#: Losses that need no other network.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": binary_cross_entropy,
    "dice": dice_loss,
    "bce_dice": cross_entropy_and_dice,
}
#: The network that learns against the segmentor, by loss.
OPPONENTS = {"gan": "discriminator", "embedding": "discriminator", "gambling": "gambler"}
#: Width of the discriminator in that of the settings: 64 of 32.
TIMES_AS_WIDE = 2
#: The gambler has this share of the width (16 to 128 channels where the segmentor has 64 to 512)
#: and so many down-samplings.
GAMBLER_SHARE, GAMBLER_STRIDES = 4, 3


class Options(Section):
    """Options of one input."""

    loss: Literal["bce", "dice", "bce_dice", "gan", "embedding", "gambling"] = Field(
        "bce",
        description="What is minimised: cross-entropy, Dice, their sum, or cross-entropy plus what "
        "another network makes: a discriminator of masks (`gan`), its features (`embedding`), or a "
        "gambler's bets on the voxels that are segmented worst (`gambling`).",
    )
    weight: float = Field(
        1.0, ge=0, description="Weight of what the other network makes, beside cross-entropy."
    )
    opponent_rate: float = Field(
        1e-4, gt=0, description="Learning rate of the other network, by Adam, constant."
    )
    smoothing: float = Field(
        0.02, gt=0, description="Added to a gambler's bets (0 to 1) before they are normalised."
    )


class OneInput(MaskMethod):
    """A U-Net of one channel."""

    Options = Options
    one_label_will_do = True

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The loss of one image of each sample, drawn among those that have a label."""
        image, mask = self.drawn(batch)
        logits, chosen = self.network(image), self.options.loss
        if chosen in LOSSES:
            return {"loss": LOSSES[chosen](logits, mask)}
        supervised = binary_cross_entropy(logits, mask)
        term, of_opponent = self.against(image, logits, mask)
        return {
            "loss": supervised + self.options.weight * term,
            "supervised": supervised.detach(),
            chosen: term.detach(),
            OPPONENTS[chosen]: of_opponent,
        }

    def against(self, image: Tensor, logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the other network adds to the loss, and what it minimises itself.

        Args:
            image: (B, 1, Z, Y, X).
            logits: of the foreground, of the same shape.
            mask: the true mask, of the same shape.
        """
        (opponent,) = self.companions.values()
        if self.options.loss == "gambling":
            return gambling_losses(opponent, image, logits, mask, self.options.smoothing)
        losses = gan_losses if self.options.loss == "gan" else embedding_losses
        return losses(opponent, logits, mask)

    def build_companions(self, network: NetworkSettings) -> dict[str, nn.Module]:
        """The network that learns against the segmentor, if the loss needs one."""
        name = OPPONENTS.get(self.options.loss)
        if name == "discriminator":
            return {name: MapDiscriminator(1, TIMES_AS_WIDE * network.base_width)}
        if name == "gambler":
            layout = reduced_layout(network, GAMBLER_SHARE, GAMBLER_STRIDES)
            return {name: GenesisUNet(2, 1, layout)}
        return {}

    def optimisations(self, recipe: RecipeSettings) -> dict[str, Optimisation]:
        """The other network has an Adam of its own."""
        return super().optimisations(recipe) | {
            name: by_own_adam(network, recipe, self.options.opponent_rate)
            for name, network in self.companions.items()
        }

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
