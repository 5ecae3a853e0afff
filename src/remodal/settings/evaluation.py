"""Prediction, and what is measured and recorded about it."""

from typing import Literal

from pydantic import Field, field_validator

from remodal.settings.section import Section


class InferenceSettings(Section):
    """Prediction of whole images."""

    window: Literal["patch", "whole"] = Field(
        "patch",
        description="What is predicted at once: windows of the (largest) training patch, or the "
        "`whole` image, padded with zeros to what the network can halve (for methods that are "
        "trained on patches of many sizes). It needs memory in proportion to the image: a U-Net of "
        "width 32 takes about 2.2 kB for each voxel (32-bit, on a CPU).",
    )
    weights: Literal["gaussian", "uniform"] = Field(
        "gaussian",
        description="How voxels of overlapping windows count: less towards a window's border "
        "(nnU-Net), or all alike.",
    )
    step: float | tuple[int, int, int] = Field(
        0.5,
        description="Step between windows. A share of the window: as many windows as that takes, "
        "spread evenly (nnU-Net). Three numbers (z, y, x): so many voxels, but no more than "
        "the window's, the last one ending with the image (MONAI, and repositories with strides).",
    )
    mirror: bool = Field(True, description="Average over all mirrorings (8-fold in 3-D).")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="Number format of the network passes."
    )

    @field_validator("step")
    @classmethod
    def _windows_move(cls, step: float | tuple[int, int, int]) -> float | tuple[int, int, int]:
        if isinstance(step, tuple):
            if min(step) < 1:
                raise ValueError("must be at least 1 voxel along each axis")
        elif not 0 < step <= 1:
            raise ValueError("must be a share above 0 and up to 1, or three numbers of voxels")
        return step


class MetricsSettings(Section):
    """What is measured."""

    names: list[str] = Field(
        [
            "dice",
            "jaccard",
            "voe",
            "rvd",
            "assd_voxel",
            "assd_mm",
            "masd_voxel",
            "masd_mm",
            "hd95_voxel",
            "hd95_mm",
            "rmsd_mm",
        ],
        description="Metrics of the per-case table.",
    )
    lesion_overlap: float = Field(
        0.1, ge=0, le=1, description="IoU from which a predicted lesion counts as found."
    )


class TrackingSettings(Section):
    """The record in MLflow."""

    register_models: bool = Field(
        True,
        description="Whether trained models are registered, to be served: copies their weights "
        "into the MLflow store.",
    )
