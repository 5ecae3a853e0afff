"""What happens to the cases before a network sees them."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from remodal.settings.section import Section


class RegistrationSettings(Section):
    """Bringing the other modalities onto the fixed one's grid."""

    method: str = Field(
        "elastix",
        description="Name of a module in registration/ways: `elastix`, `none` (the images already "
        "share one grid, which is checked), `header` (they lie where their headers say), "
        "`centroid` (a translation that lays the centroids of a mask on each other).",
    )
    fixed: str = Field(description="The modality whose grid all others are brought to.")
    body_threshold: float | None = Field(
        -300.0, description="Intensity above which a voxel is body; empty: no body mask (MR)."
    )
    outside: float = Field(-1024.0, description="Intensity outside the moving image (air in HU).")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options by way, such as `elastix: {iterations: 100}`; those of other ways "
        "than the chosen one change nothing.",
    )


class PreprocessingSettings(Section):
    """Intensities, spacing and cropping."""

    clip: Literal["dataset_foreground", "case", "none"] = Field(
        "dataset_foreground",
        description="Where the percentiles of the clipping come from: the foreground voxels of the "
        "training cases (nnU-Net's CT2), each case itself, or no clipping. "
        "The MAML paper does not say which.",
    )
    percentiles: tuple[float, float] = Field((0.5, 99.5), description="Lower and upper percentile.")
    normalise: Literal["case", "case_nonzero"] = Field(
        "case",
        description="Zero mean and unit variance over each case: voxels inside the clipping "
        "range, or the non-zero voxels (MR).",
    )
    spacing: tuple[float, float, float] | None = Field(
        None, description="Target spacing (z, y, x) in mm; empty: the training cases' median."
    )
    crop: Literal["body", "nonzero", "none"] = Field(
        "body", description="Box that is kept: the patient's body, the non-zero voxels, or all."
    )
    body_threshold: float = Field(-300.0, description="Intensity above which a voxel is body.")
    storage: Literal["float16", "float32"] = Field(
        "float16", description="Number format of the stored arrays."
    )


class SplitSettings(Section):
    """Which cases train and which test: always by patient."""

    scheme: Literal["holdout", "kfold", "file"] = Field(
        "holdout", description="One test set, k folds, or a shared split file."
    )
    test_fraction: float = Field(0.2, gt=0, lt=1, description="Share of patients in the test set.")
    folds: int = Field(
        5, ge=1, description="Number of folds of `kfold` (2 or more), or of the imported file."
    )
    validation_fraction: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the training patients kept aside for the validation curve; "
        "it chooses a checkpoint only where `recipe.checkpoint` says so.",
    )
    stratify: bool = Field(
        True,
        description="Keep the shares of the groups equal, where groups are given, and those of the "
        "cases that lack a modality.",
    )
    seed: int = Field(12345, description="Seed of the shuffling.")
    file: Path | None = Field(None, description="Split file to import, for scheme `file`.")

    @property
    def fold_count(self) -> int:
        """Number of folds that the scheme trains (1 for a hold-out)."""
        return 1 if self.scheme == "holdout" else self.folds
