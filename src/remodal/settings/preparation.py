"""What happens to the cases before a network sees them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from remodal.settings.masks import MaskSettings
from remodal.settings.merging import merge
from remodal.settings.section import Section


class GridSettings(Section):
    """The grid of a registered case, along the axes of its fixed image."""

    extent: Literal["fixed", "all"] = Field(
        "fixed",
        description="Where it reaches: as far as the fixed image, or as far as any image of the "
        "case, so that nothing is cut off images that lie apart.",
    )
    spacing: tuple[float, float, float] | None = Field(
        None,
        description="Its spacing (z, y, x) in mm; empty: the fixed image's. A finer one keeps the "
        "detail of images that are sharper than the fixed one.",
    )

    @model_validator(mode="after")
    def _spacing_is_positive(self) -> "GridSettings":
        if self.spacing and min(self.spacing) <= 0:
            raise ValueError(f"spacing: {list(self.spacing)} must be above 0")
        return self


class WaySettings(Section):
    """How one modality is registered; `t1: elastix` is short for `t1: {method: elastix}`."""

    method: str = Field(description="Name of a module in registration/ways.")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Options by way, on top of `registration.options`."
    )

    @model_validator(mode="before")
    @classmethod
    def _a_word_is_a_way(cls, content: Any) -> Any:
        return {"method": content} if isinstance(content, str) else content


class RegistrationSettings(Section):
    """Bringing the other modalities onto the fixed one's grid."""

    method: str = Field(
        "elastix",
        description="Name of a module in registration/ways: `elastix`, `none` (the images already "
        "share one grid, which is checked), `header` (they lie where their headers say), "
        "`centroid` (a translation that lays the centroids of a mask on each other).",
    )
    fixed: str = Field(description="The modality whose grid all others are brought to.")
    grid: GridSettings = Field(
        default_factory=GridSettings,
        description="That grid, where it is not simply the fixed image's.",
    )
    body_threshold: float | None = Field(
        -300.0, description="Intensity above which a voxel is body; empty: no body mask (MR)."
    )
    outside: float = Field(-1024.0, description="Intensity outside the moving image (air in HU).")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options by way, such as `elastix: {iterations: 100}`; those of other ways "
        "than the chosen one change nothing.",
    )
    by_modality: dict[str, WaySettings] = Field(
        default_factory=dict,
        description="Modalities that are registered in another way: `{t1_registered: elastix}`.",
    )

    @model_validator(mode="after")
    def _fixed_stays(self) -> "RegistrationSettings":
        if self.fixed in self.by_modality:
            raise ValueError(f"by_modality: `{self.fixed}` is fixed, so it is not registered")
        return self

    def of(self, modality: str) -> "RegistrationSettings":
        """How one modality is registered: its own way, if it has one, as the only way."""
        own = self.by_modality.get(modality)
        changed: dict[str, Any] = {"by_modality": {}}
        if own is not None:
            changed |= {"method": own.method, "options": merge(self.options, own.options)}
        return self.model_copy(update=changed)

    @property
    def ways(self) -> list[str]:
        """The ways that are used, that of most modalities first."""
        return list(dict.fromkeys([self.method, *(w.method for w in self.by_modality.values())]))

    @model_validator(mode="after")
    def _one_grid_stays_as_it_is(self) -> "RegistrationSettings":
        if self.method == "none" and self.grid != GridSettings():
            raise ValueError("grid: with method `none` the images keep theirs; use `header`")
        return self

    def reference(self, modalities: Iterable[str]) -> str:
        """The image of a case that the others are brought to: the fixed one, or else the first."""
        present = list(modalities)
        return self.fixed if self.fixed in present else present[0]


class ClipSettings(Section):
    """Clipping of intensities; `clip: case` is short for `clip: {by: case}`."""

    by: Literal["dataset_foreground", "case", "range", "none"] = Field(
        "dataset_foreground",
        description="Where the limits come from: percentiles of the foreground voxels of the "
        "training cases (nnU-Net's CT2) or of each case itself, a given `range`, or no clipping. "
        "The MAML paper does not say which.",
    )
    percentiles: tuple[float, float] = Field((0.5, 99.5), description="Lower and upper percentile.")
    range: tuple[float, float] | None = Field(
        None, description="Limits for all cases, such as [-70, 180]; alone, `by` is not needed."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, content: Any) -> Any:
        if isinstance(content, dict) and "range" in content and "by" not in content:
            return content | {"by": "range"}
        return {"by": content} if isinstance(content, str) else content

    @model_validator(mode="after")
    def _range_where_it_is_used(self) -> "ClipSettings":
        if (self.range is not None) != (self.by == "range"):
            raise ValueError("`range` and `by: range` belong together")
        if self.range and not self.range[0] < self.range[1]:
            raise ValueError(f"range: the lower limit of {list(self.range)} is not below the upper")
        return self


class CropSettings(Section):
    """The box that is kept of an image; `crop: none` is short for `crop: {by: none}`."""

    by: Literal["body", "nonzero", "mask", "none"] = Field(
        "body",
        description="The patient's body, the non-zero voxels, the box of a mask, or all.",
    )
    mask: MaskSettings | None = Field(
        None, description="The mask, on the image that was fixed; alone, `by` is not needed."
    )
    margin: float | tuple[float | None, float | None, float | None] = Field(
        0.0,
        description="Kept around the mask: one number or (z, y, x), empty: all of the axis.",
    )
    least: float | tuple[float, float, float] = Field(
        0.0, description="Smallest side of the box, as far as the image goes."
    )
    unit: Literal["mm", "voxel"] = Field(
        "mm", description="Unit of `margin` and `least`: mm, or voxels of the image as it came."
    )
    outside: float | None = Field(
        None, description="Intensity that voxels outside the mask get; empty: they keep theirs."
    )
    empty: Literal["body", "quarantine"] = Field(
        "body",
        description="What happens without a mask, or where it is empty: the body is kept and the "
        "record says so, or the case is quarantined.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, content: Any) -> Any:
        if isinstance(content, dict) and "mask" in content and "by" not in content:
            return content | {"by": "mask"}
        return {"by": content} if isinstance(content, str) else content

    @model_validator(mode="after")
    def _mask_where_it_is_used(self) -> "CropSettings":
        if (self.mask is not None) != (self.by == "mask"):
            raise ValueError("`mask` and `by: mask` belong together")
        for name in ("margin", "least"):
            value = getattr(self, name)
            lengths = value if isinstance(value, tuple) else (value,)
            if any(length is not None and length < 0 for length in lengths):
                raise ValueError(f"{name}: {value} is negative")
        return self


class PreprocessingSettings(Section):
    """Intensities, spacing and cropping."""

    clip: ClipSettings = Field(default_factory=ClipSettings)
    normalise: Literal[
        "case", "case_nonzero", "crop", "image", "dataset_foreground", "unit", "symmetric", "none"
    ] = Field(
        "case",
        description="Zero mean and unit variance over the voxels inside the clipping range "
        "(`case`), over those of them that lie in the brain (`case_nonzero`, nnU-Net's for "
        "skull-stripped MR: the voxels that are not zero in some image of the case, and the holes "
        "among them; all others become zero), over all that was kept of the image (`crop`), over "
        "the whole `image` before the crop (with `clip` none or a range), or over the foreground "
        "voxels of the training cases (`dataset_foreground`: nnU-Net's CT); the clipping range, or "
        "else that of the image, to 0 to 1 (`unit`) or to -1 to 1 (`symmetric`); or `none`.",
    )
    spacing: tuple[float, float, float] | Literal["plan"] | None = Field(
        None,
        description="Target spacing (z, y, x) in mm; empty: the training cases' median, or with "
        "`network: auto` that of the `plan`.",
    )
    crop: CropSettings = Field(default_factory=CropSettings)
    body_threshold: float = Field(-300.0, description="Intensity above which a voxel is body.")
    storage: Literal["float16", "float32"] = Field(
        "float16", description="Number format of the stored arrays."
    )

    @model_validator(mode="after")
    def _whole_image_has_limits(self) -> "PreprocessingSettings":
        if self.normalise == "image" and self.clip.by not in ("none", "range"):
            raise ValueError(
                f"normalise: `image` is measured before the crop, and clip `{self.clip.by}` after "
                "it; set clip to none or to a range"
            )
        return self

    @property
    def depends_on_fold(self) -> bool:
        """Whether something is measured on a fold's training cases, so that folds differ."""
        of_fold = "dataset_foreground"
        return self.spacing is None or of_fold in (self.clip.by, self.normalise)

    def folder_of(self, fold: int | str) -> str:
        """Folder of a fold's preprocessed cases; folds share one folder if they do not differ."""
        return f"fold{fold}" if self.depends_on_fold else "all"


class SplitSettings(Section):
    """Which cases train and which test: always by patient."""

    scheme: Literal["holdout", "kfold", "file"] = Field(
        "holdout", description="One test set, k folds, or a shared split file."
    )
    test_fraction: float = Field(0.2, gt=0, lt=1, description="Share of patients in the test set.")
    folds: int = Field(
        5, ge=1, description="Number of folds of `kfold` (2 or more), or of the imported file."
    )
    order: Literal["hash", "scikit-learn"] = Field(
        "hash",
        description="How `kfold` deals out the patients: by a `hash` of seed and name, or as "
        "`scikit-learn`'s shuffled KFold does, over all names in alphabetical order (nnU-Net: "
        "5 folds, seed 12345). The latter heeds no group, and a case that is quarantined leaves "
        "the others where they are.",
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
        "cases that lack a modality (or, with `data.truth: image`, a label).",
    )
    seed: int = Field(12345, description="Seed of the shuffling.")
    file: Path | None = Field(None, description="Split file to import, for scheme `file`.")

    @property
    def stratifies_tests(self) -> bool:
        """Whether each test set has its share of each group; an imported file may have any."""
        return self.stratify and (
            self.scheme == "holdout" or (self.scheme == "kfold" and self.order == "hash")
        )

    @property
    def fold_count(self) -> int:
        """Number of folds that the scheme trains (1 for a hold-out)."""
        return 1 if self.scheme == "holdout" else self.folds
