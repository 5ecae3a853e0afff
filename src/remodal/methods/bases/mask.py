"""Methods that segment one class, by a sigmoid, in images that may each have a mask of their own.

They share a 3-D U-Net, and are told at prediction which image to segment. With several images, the
roles of these may be fixed (specialised) or drawn at random in training (unspecialised).
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from pydantic import BaseModel
from torch import Tensor

from remodal.errors import UserError
from remodal.methods.base import Method
from remodal.methods.bases.layouts import layout_of
from remodal.networks.genesis import GenesisUNet, from_released, is_released
from remodal.objectives.batch import Batch
from remodal.settings import NetworkSettings


class MaskMethod(Method):
    """A 3-D U-Net that gives a mask for some of its channels."""

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        if classes != 1:
            raise UserError(
                f"method `{self.name}` segments one class, not {classes}",
                expected="a study of one class",
            )
        super().__init__(modalities, classes, network, options)

    @property
    def channels(self) -> tuple[int, int]:
        """How many images the network sees, and how many masks it gives."""
        return (1, 1)

    def build(self, network: NetworkSettings) -> GenesisUNet:
        """A U-Net of `channels`."""
        return GenesisUNet(*self.channels, layout_of(network))

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Weights of this network, or those that Models Genesis released; its head stays random.

        Raises:
            RuntimeError: they do not fit.
            KeyError: some are missing.
        """
        if is_released(weights):
            head = {f"head.{name}": part for name, part in self.network.head.state_dict().items()}
            weights = from_released(weights) | head
        super().load(weights)

    @abstractmethod
    def probabilities_of(self, images: Mapping[str, Tensor], target: str) -> Tensor:
        """As `Method.probabilities_of`; without a target, all images share one truth."""

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """As `probabilities_of`, where all images share one truth."""
        return self.probabilities_of(images, "")


def of_background_too(logits: Tensor) -> Tensor:
    """Probabilities (B, 2, Z, Y, X) of background and foreground.

    Args:
        logits: of the foreground, (B, 1, Z, Y, X).
    """
    p = torch.sigmoid(logits.float())
    return torch.cat([1 - p, p], dim=1)


def masks_of(batch: Batch, modalities: Sequence[str]) -> Tensor:
    """The masks of the images of a batch, (B, M, Z, Y, X) float32, 0 or 1.

    An image without a label has an empty mask; `labelled_images` tells.
    """
    return torch.stack([(batch.label_of(name) == 1).float() for name in modalities], dim=1)


def labelled_images(batch: Batch, modalities: Sequence[str]) -> Tensor:
    """Which images of a batch have a label, (B, M) bool."""
    return torch.stack([batch.has_label_of(name) for name in modalities], dim=1)


def drawn_first(able: Tensor) -> Tensor:
    """A random order of the images of each sample, (B, M), in which one that is able comes first.

    Each of those is as likely to be the first; the others follow in their order.

    Args:
        able: (B, M) of 0 and 1, at least one of each sample.
    """
    first = torch.multinomial(able.float(), 1)
    places = torch.arange(able.shape[1], device=able.device).expand_as(able)
    return torch.where(places == first, -1, places).argsort(dim=1, stable=True)


def in_drawn_order(channels: Tensor, order: Tensor) -> Tensor:
    """The channels of each sample of (B, M, Z, Y, X) in the sample's own order (B, M)."""
    samples = torch.arange(len(order), device=order.device)[:, None]
    return channels[samples, order]
