"""The networks' size."""

from math import prod
from typing import Literal

from pydantic import Field

from remodal.settings.section import Section


class NetworkSettings(Section):
    """Size of the networks (the same for every method)."""

    base_width: int = Field(32, ge=1, description="Channels of the first stage.")
    max_width: int = Field(320, ge=1, description="Cap of the doubling.")
    strides: list[tuple[int, int, int]] = Field(
        [(2, 2, 2)] * 5,
        min_length=1,
        description="Down-sampling (z, y, x) into each stage after the first.",
    )
    anisotropic_kernels: bool = Field(
        False,
        description="Kernels of 1 along an axis until its first down-sampling (1 x 3 x 3, as "
        "nnU-Net plans for thick slices), instead of 3 x 3 x 3 everywhere.",
    )
    version: Literal["v1", "v2"] = Field(
        "v1",
        description="Whose U-Net: nnU-Net `v1` (as in the MAML paper's time), or `v2`, where "
        "up-convolutions and heads have biases and a decoder stage has its own level's kernel.",
    )

    @property
    def factor(self) -> tuple[int, int, int]:
        """Total factor by which a network shrinks (z, y, x): each side of a patch is a multiple."""
        z, y, x = (prod(steps) for steps in zip(*self.strides))
        return z, y, x
