"""How models are trained: all that changes what comes out."""

from typing import Literal

from pydantic import Field, model_validator

from remodal.settings.augmentation import AugmentationSettings
from remodal.settings.sampling import PatchSettings, PoolSettings
from remodal.settings.section import Section


class RecipeSettings(Section):
    """How models are trained: all that changes what comes out. A method may have its own."""

    patch: PatchSettings = Field(
        default_factory=lambda: PatchSettings.model_validate((128, 128, 128)),
        description="Patch (z, y, x) in voxels: three numbers (128 x 128 x 128 by default) "
        "or a range to draw from.",
    )
    batch: int = Field(2, ge=1, description="Patches in a batch, summed over devices.")
    labelled: int | list[str] | None = Field(
        None,
        description="Training cases whose labels are used: so many (the first of the fold's), or "
        "these; the other labels are withheld and never read. Default: all.",
    )
    pools: list[PoolSettings] = Field(
        [],
        description="Where the samples of a batch come from, in this order. Default: all from the "
        "labelled cases.",
    )
    epochs: int = Field(600, ge=1, description="Epochs (600 in the MAML paper).")
    iterations: int = Field(250, ge=1, description="Batches in an epoch (250 in nnU-Net).")
    optimiser: Literal["adam", "sgd"] = Field(
        "adam", description="`adam`: Adam with AMSGrad (paper); `sgd`: Nesterov 0.99 (repository)."
    )
    learning_rate: float = Field(3e-4, gt=0, description="Initial learning rate.")
    weight_decay: float = Field(3e-5, ge=0, description="L2 penalty.")
    schedule: Literal["plateau", "poly", "constant"] = Field(
        "plateau",
        description="`plateau`: times 0.2 when the smoothed training loss has not improved for "
        "`patience` epochs (legacy nnU-Net); `poly`: (1 - epoch/epochs)^0.9 (repository).",
    )
    plateau_factor: float = Field(0.2, gt=0, lt=1, description="Factor of a plateau step.")
    patience: int = Field(30, ge=1, description="Epochs without improvement before a step.")
    plateau_threshold: float = Field(1e-3, ge=0, description="Absolute improvement that counts.")
    loss_smoothing: float = Field(0.93, ge=0, lt=1, description="Weight of the old loss average.")
    gradient_clip: float = Field(12.0, gt=0, description="Largest L2 norm of the gradient.")
    foreground: float = Field(
        0.33, ge=0, le=1, description="Share of a batch centred on foreground (at least the last)."
    )
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="`auto`: bf16 where the device has it, else 32-bit."
    )
    validate_every: int = Field(
        1, ge=1, description="Epochs between points of the validation curve."
    )
    augmentation: AugmentationSettings = Field(
        default_factory=AugmentationSettings, description="Random changes of a patch."
    )

    @property
    def sources(self) -> list[PoolSettings]:
        """The pools, also where none is named."""
        return self.pools or [PoolSettings(cases="labelled", samples=self.batch)]

    @property
    def takes_unlabelled(self) -> bool:
        """Whether some samples come from unlabelled cases."""
        return any(pool.cases == "unlabelled" for pool in self.sources)

    @model_validator(mode="after")
    def _something_is_labelled(self) -> "RecipeSettings":
        if self.labelled in (0, []) or (isinstance(self.labelled, int) and self.labelled < 0):
            raise ValueError("labelled: must be at least one case")
        return self

    @model_validator(mode="after")
    def _pools_make_the_batch(self) -> "RecipeSettings":
        if (samples := sum(pool.samples for pool in self.sources)) != self.batch:
            raise ValueError(f"pools: {samples} samples, but a batch of {self.batch}")
        return self
