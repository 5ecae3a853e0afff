"""Clipping and normalisation of intensities."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from remodal.errors import BadCase
from remodal.settings import PreprocessingSettings


@dataclass(frozen=True)
class Intensity:
    """What was done to one modality: clipped to [lower, upper], then (value - mean) / sd.

    `lower` and `upper` are None where nothing was clipped; `sd` is 1 for a constant image.
    """

    lower: float | None
    upper: float | None
    mean: float
    sd: float


def normalise(
    image: np.ndarray, settings: PreprocessingSettings, measured: dict[str, Any] | None
) -> tuple[np.ndarray, Intensity]:
    """Clip an image and give it zero mean and unit variance.

    As nnU-Net's scheme CT2, mean and standard deviation are those of the voxels
    strictly inside the clipping range. With `case_nonzero` zero voxels are background: they count
    nowhere and stay zero.

    Args:
        image: cropped image, (z, y, x).
        settings: kind of clipping and normalisation, percentiles.
        measured: the modality's entry in the fingerprint: `lower` and `upper`; needed for the clip
            `dataset_foreground` only.

    Returns:
        float32 image, and what was done.

    Raises:
        BadCase: NaN or infinity, or no voxel inside the clipping range.
    """
    image = image.astype(np.float32)
    if not np.isfinite(image).all():
        raise BadCase("holds NaN or infinite values", expected="finite intensities")
    background = image == 0 if settings.normalise == "case_nonzero" else None
    inside = np.ones(image.shape, bool) if background is None else ~background
    lower, upper = _range(image, inside, settings, measured)
    if lower is not None:
        if lower < upper:
            inside &= (image > lower) & (image < upper)
        np.clip(image, lower, upper, out=image)
    values = image[inside]
    if not values.size:
        raise BadCase(
            "no voxel lies inside the clipping range"
            + ("" if lower is None else f" of {lower:g} to {upper:g}"),
            expected="the intensities of the training cases (CT in HU)",
            remedy="check the image's rescale slope and intercept, or preprocessing.clip",
        )
    mean, sd = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    sd = sd if sd > 0 else 1.0
    image -= np.float32(mean)
    image /= np.float32(sd)
    if background is not None:
        image[background] = 0
    return image, Intensity(lower, upper, mean, sd)


def _range(
    image: np.ndarray,
    inside: np.ndarray,
    settings: PreprocessingSettings,
    measured: dict[str, Any] | None,
) -> tuple[float | None, float | None]:
    """Clipping range; None, None for no clipping."""
    if settings.clip == "none" or not inside.any():
        return None, None
    if settings.clip == "case":
        lower, upper = np.percentile(image[inside], settings.percentiles)
        return float(lower), float(upper)
    if measured is None:
        raise ValueError("clip `dataset_foreground` needs the fingerprint's percentiles")
    return float(measured["lower"]), float(measured["upper"])
