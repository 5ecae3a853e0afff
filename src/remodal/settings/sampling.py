"""Where a training's samples come from: pools of cases, and the size of a patch."""

from collections.abc import Callable, Sequence
from math import gcd, prod
from typing import Any, Literal

from pydantic import Field, model_serializer, model_validator

from remodal.settings.section import Section

Sides = tuple[int, int, int]


class PatchSettings(Section):
    """Size of a training patch (z, y, x) in voxels; three numbers alone are a fixed size.

    With `least` below `most` every batch has a size of its own, uniform over the multiples of
    `multiple`, and no larger than its images.
    """

    least: Sides = Field(description="Smallest sides.")
    most: Sides = Field(description="Largest sides; prediction in windows is of this size.")
    multiple: Sides = Field((1, 1, 1), description="Sides are multiples of this.")
    voxels: int | None = Field(
        None, description="Most voxels of a patch: a larger one is drawn again."
    )

    @property
    def fixed(self) -> bool:
        """Whether all patches have one size."""
        return self.least == self.most

    def __str__(self) -> str:
        sizes = [" x ".join(map(str, sides)) for sides in (self.least, self.most)]
        return sizes[0] if self.fixed else f"{sizes[0]} to {sizes[1]}"

    @property
    def typical(self) -> float:
        """About how many voxels a patch has: half-way between the least and the most."""
        return prod((low + high) / 2 for low, high in zip(self.least, self.most))

    def fits(self, factor: Sequence[int]) -> bool:
        """Whether a network that shrinks its input by `factor` (z, y, x) takes every patch.

        More than one voxel must be left, as there is nothing to normalise over otherwise.
        """
        steps = [
            low if low == high else gcd(low, step)
            for low, high, step in zip(self.least, self.most, self.multiple)
        ]
        return self.least != tuple(factor) and not any(s % f for s, f in zip(steps, factor))

    @model_serializer(mode="wrap")
    def _shortly(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any] | list[int]:
        plain = self.fixed and self.multiple == (1, 1, 1) and self.voxels is None
        return list(self.most) if plain else dump(self)

    @model_validator(mode="before")
    @classmethod
    def _of_one_size(cls, given: Any) -> Any:
        return {"least": given, "most": given} if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def _has_sizes(self) -> "PatchSettings":
        if min(*self.least, *self.multiple) < 1:
            raise ValueError("least and multiple must be at least 1 along each axis")
        sides = zip(self.least, self.most, self.multiple)
        if any(low > high or low % step or high % step for low, high, step in sides):
            raise ValueError(
                f"least {list(self.least)} and most {list(self.most)} must be multiples of "
                f"{list(self.multiple)}, the least not above the most"
            )
        if self.voxels is not None and self.voxels < prod(self.least):
            raise ValueError(
                f"voxels: {self.voxels} are fewer than the {prod(self.least)} of the least patch"
            )
        return self


class PoolSettings(Section):
    """Cases that a number of the samples of every batch come from."""

    cases: Literal["labelled", "unlabelled"] = Field(
        description="`labelled`: training cases with their labels; `unlabelled`: those that have "
        "none, and those whose label is withheld (`labelled`)."
    )
    samples: int = Field(ge=1, description="Samples of a batch, summed over devices.")
