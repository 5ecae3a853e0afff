"""How models are trained: everything that changes the result."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from remodal.settings.augmentation import AugmentationSettings
from remodal.settings.sampling import PatchSettings, PoolSettings
from remodal.settings.section import Section


class StartingWeights(Section):
    """A file of weights that networks start from. The digest says which; the path may change."""

    file: Path = Field(description="A .safetensors file, or one that torch saved.")
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="The file's digest, as `sha256sum` prints it."
    )


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
        description="Training cases whose labels are used: this many (the first of the fold's, in "
        "the order of an imported split), or these; the other labels are withheld and never read. "
        "Default: all.",
    )
    pools: list[PoolSettings] = Field(
        [],
        description="Where the samples of a batch come from, in this order. Default: all from the "
        "labelled cases.",
    )
    epochs: int = Field(600, ge=1, description="Epochs (600 in the MAML paper).")
    iterations: int = Field(250, ge=1, description="Batches in an epoch (250 in nnU-Net).")
    optimiser: Literal["adam", "sgd"] = Field("adam", description="How a loss is minimised.")
    amsgrad: bool = Field(True, description="Adam's variant with a rate that never rises again.")
    momentum: float = Field(0.99, ge=0, lt=1, description="Of SGD.")
    nesterov: bool = Field(True, description="Whether SGD's momentum looks ahead.")
    learning_rate: float = Field(3e-4, gt=0, description="Initial learning rate.")
    weight_decay: float = Field(3e-5, ge=0, description="L2 penalty.")
    schedule: Literal["plateau", "poly", "step", "constant"] = Field(
        "plateau",
        description="`plateau`: times `plateau_factor` when the smoothed training loss has not "
        "improved for `patience` epochs (legacy nnU-Net); `poly`: times (1 - t/T)^`poly_power` "
        "(nnU-Net V2); `step`: times `decay_factor` after every `decay_every`.",
    )
    schedule_in: Literal["epochs", "iterations"] = Field(
        "epochs", description="What `poly` and `step` count; a plateau is one of epochs."
    )
    poly_power: float = Field(0.9, gt=0, description="Power of the polynomial decay.")
    decay_every: int = Field(50, ge=1, description="Epochs or iterations between steps.")
    decay_factor: float = Field(0.1, gt=0, le=1, description="Factor of a step.")
    plateau_factor: float = Field(0.2, gt=0, lt=1, description="Factor of a plateau step.")
    patience: int = Field(30, ge=1, description="Epochs without improvement before a step.")
    plateau_threshold: float = Field(1e-3, ge=0, description="Absolute improvement that counts.")
    loss_smoothing: float = Field(0.93, ge=0, lt=1, description="Weight of the old loss average.")
    gradient_clip: float | None = Field(
        12.0, gt=0, description="Largest L2 norm of an optimiser's gradient; empty: not clipped."
    )
    foreground: float = Field(
        0.33, ge=0, le=1, description="Share of a batch centred on foreground (at least the last)."
    )
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="`auto`: bf16 where the device has it, else 32-bit."
    )
    checkpoint: Literal["last", "best_validation"] = Field(
        "last",
        description="Which weights are the model: the last ones, or those of the epoch with the "
        "best Dice on the validation patches (the first of equals).",
    )
    starting_weights: StartingWeights | None = Field(
        None, description="Weights that the network starts from; empty: random ones."
    )
    validate_every: int = Field(
        1, ge=1, description="Epochs between points of the validation curve."
    )
    augmentation: AugmentationSettings = Field(
        default_factory=AugmentationSettings, description="Random changes of a patch."
    )

    @property
    def sources(self) -> list[PoolSettings]:
        """The pools; if none is named, one of labelled cases."""
        return self.pools or [PoolSettings(cases="labelled", samples=self.batch)]

    @property
    def takes_unlabelled(self) -> bool:
        """Whether some samples come from unlabelled cases."""
        return any(pool.cases == "unlabelled" for pool in self.sources)

    @model_validator(mode="after")
    def _something_is_labelled(self) -> "RecipeSettings":
        if self.labelled in (0, []) or (isinstance(self.labelled, int) and self.labelled < 0):
            raise ValueError("labelled: must be at least one case")
        if all(pool.cases == "unlabelled" for pool in self.sources):
            raise ValueError("pools: must include one of labelled cases")
        return self

    @model_validator(mode="after")
    def _pools_make_the_batch(self) -> "RecipeSettings":
        if (samples := sum(pool.samples for pool in self.sources)) != self.batch:
            raise ValueError(f"pools: {samples} samples, but a batch of {self.batch}")
        return self

    @model_validator(mode="after")
    def _schedule_is_possible(self) -> "RecipeSettings":
        if self.schedule == "plateau" and self.schedule_in == "iterations":
            raise ValueError("a plateau is one of epochs: `schedule_in` must be `epochs`")
        if self.optimiser == "sgd" and self.nesterov and not self.momentum:
            raise ValueError("`nesterov` needs a momentum above 0")
        return self

    def described(self) -> dict[str, Any]:
        """Everything that counts, for descriptions and digests; the path of a file does not."""
        return self.model_dump(mode="json", exclude={"starting_weights": {"file"}})
