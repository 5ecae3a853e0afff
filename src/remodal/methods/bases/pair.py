"""Methods that see two images at once, in fixed or in exchanged roles."""

from collections.abc import Mapping, Sequence

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from remodal.errors import UserError
from remodal.methods.base import listed
from remodal.methods.bases.mask import MaskMethod
from remodal.settings import NetworkSettings
from remodal.settings.section import Section


class RoleOptions(Section):
    """Options of a method that sees two images."""

    specialised: bool = Field(
        False,
        description="Whether each image always has the same role; if not, their roles are swapped "
        "at random in training, for each sample.",
    )


class PairMethod(MaskMethod):
    """A U-Net that sees two images as channels."""

    Options = RoleOptions
    fewest_modalities = 2

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        if len(modalities) > 2:
            raise UserError(
                f"method `{self.name}` cannot be built for {listed(modalities)}",
                expected="two modalities",
            )
        super().__init__(modalities, classes, network, options)

    @property
    def channels(self) -> tuple[int, int]:
        """Two images, one mask."""
        return (2, 1)

    def as_channels(self, images: Mapping[str, Tensor], first: str) -> Tensor:
        """Both images, (B, 2, Z, Y, X), the given one first."""
        order = sorted(self.modalities, key=lambda name: name != first)
        return torch.cat([images[name] for name in order], dim=1)
