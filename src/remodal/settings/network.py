"""The networks' size."""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_serializer, model_validator

from remodal.settings.section import Section

Triple = tuple[int, int, int]


class Planned(Section):
    """What a plan was made from."""

    cases: int = Field(ge=1, description="Number of training cases.")
    gpu_memory: float = Field(gt=0, description="GB that it was made for.")
    method: str = Field("", description="The method that needs the most memory for a patch.")
    times: float = Field(1.0, ge=1, description="How many times that of one U-Net.")
    file: str = Field("", description="Name of the plan's file.")


class NetworkSettings(Section):
    """Size of the networks (the same for every method); `auto` is short for `{plan: auto}`."""

    plan: Literal["auto"] | Path | None = Field(
        None,
        description="`auto`: strides and kernels, `recipe.patch` and `recipe.batch`, and "
        "`preprocessing.spacing` where that is empty, are planned as nnU-Net v2 plans them, from "
        "the training cases and `gpu_memory`; the plan is `preprocessed/plan.yaml` among the "
        "study's results. The path of such a file: that plan. Empty: they are as said here.",
    )
    gpu_memory: float = Field(
        8.0,
        gt=0,
        description="GB of the GPU, for a plan: the study's most demanding method trains within "
        "it.",
    )
    planned: Planned | None = Field(
        None,
        description="What the plan was made from; remodal writes it, and nothing reads it "
        "but the report.",
    )
    base_width: int = Field(32, ge=1, description="Channels of the first stage.")
    max_width: int = Field(320, ge=1, description="Cap of the doubling.")
    strides: list[Triple] = Field(
        [(2, 2, 2)] * 5,
        min_length=1,
        description="Down-sampling (z, y, x) into each stage after the first.",
    )
    anisotropic_kernels: bool = Field(
        False,
        description="Kernels of 1 along an axis until its first down-sampling (1 x 3 x 3, as "
        "nnU-Net plans for thick slices), instead of 3 x 3 x 3 everywhere.",
    )
    kernels: list[Triple] | None = Field(
        None,
        description="Kernel (z, y, x) of each stage, one more than `strides`; empty: as "
        "`anisotropic_kernels` says.",
    )
    version: Literal["v1", "v2"] = Field(
        "v1",
        description="Whose U-Net: nnU-Net `v1` (as in the MAML paper's time), or `v2`, where "
        "up-convolutions and heads have biases and a decoder stage has its own level's kernel.",
    )

    @property
    def unplanned(self) -> bool:
        """Whether a plan is wanted that is not made yet."""
        return self.plan == "auto"

    @model_validator(mode="before")
    @classmethod
    def _a_word_is_a_plan(cls, content: Any) -> Any:
        return {"plan": content} if isinstance(content, str) else content

    @model_validator(mode="after")
    def _kernels_are_of_stages(self) -> "NetworkSettings":
        if self.kernels is not None and len(self.kernels) != len(self.strides) + 1:
            raise ValueError(
                f"kernels: {len(self.kernels)} of them; {len(self.strides)} strides make "
                f"{len(self.strides) + 1} stages"
            )
        if self.kernels and any(
            side < 1 or not side % 2 for kernel in self.kernels for side in kernel
        ):
            raise ValueError("kernels: their sides must be odd")
        return self

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        content = dump(self)
        unused = ["kernels"] if self.kernels is None else []
        unused += ["plan", "gpu_memory"] if self.plan is None else []
        unused += ["planned"] if self.planned is None else []
        return {key: value for key, value in content.items() if key not in unused}

    @property
    def factor(self) -> Triple:
        """Total factor by which a network shrinks (z, y, x): each side of a patch is a multiple."""
        z, y, x = (prod(steps) for steps in zip(*self.strides))
        return z, y, x
