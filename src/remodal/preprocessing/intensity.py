"""Clipping and normalisation of intensities, each by its name in the settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from remodal.errors import BadCase
from remodal.settings import ClipSettings, PreprocessingSettings

Limits = tuple[float, float]


@dataclass(frozen=True)
class Intensity:
    """What was done to one modality: clipped to [lower, upper], then (value - mean) / sd.

    `lower` and `upper` are None if nothing was clipped; `sd` is 1 for a constant image. If
    intensities were scaled to a fixed range, `mean` is the value that became 0, and `sd` is the
    distance from it that became 1.
    """

    lower: float | None
    upper: float | None
    mean: float
    sd: float


def normalise(
    image: np.ndarray,
    settings: PreprocessingSettings,
    measured: Mapping[str, Any] | None,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, Intensity]:
    """Clip an image and normalise it.

    With `case`, as in nnU-Net's scheme CT2, mean and standard deviation are those of the voxels
    strictly inside the clipping range. With a mask, what lies outside it is background: it never
    counts and becomes zero.

    Args:
        image: cropped image, (z, y, x).
        settings: kind of clipping and normalisation.
        measured: the modality's entry in the fingerprint: `lower`, `upper`, `mean` and `sd`; needed
            if one of the kinds is `dataset_foreground`. For `image`: `whole_statistics`.
        mask: the voxels that count, (z, y, x) bool; None: all of them.

    Returns:
        float32 image, and what was done.

    Raises:
        BadCase: NaN or infinity, or no voxel inside the clipping range.
    """
    image = image.astype(np.float32)
    if not np.isfinite(image).all():
        raise BadCase("holds NaN or infinite values", expected="finite intensities")
    inside = np.ones(image.shape, bool) if mask is None else mask.copy()
    limits = _LIMITS[settings.clip.by](image, inside, settings.clip, measured)
    if limits is not None:
        lower, upper = limits
        if lower < upper:
            inside &= (image > lower) & (image < upper)
        np.clip(image, lower, upper, out=image)
    mean, sd = _SCALES[settings.normalise](image, inside, limits, measured)
    sd = sd if sd > 0 else 1.0
    image -= np.float32(mean)
    image /= np.float32(sd)
    if mask is not None:
        image[~mask] = 0
    return image, Intensity(*(limits or (None, None)), mean, sd)


def whole_statistics(image: np.ndarray, clip: ClipSettings) -> dict[str, float]:
    """Mean and standard deviation (`mean`, `sd`) of an image before its crop, clipped to a range.

    Args:
        image: whole, (z, y, x).
        clip: a range, or none.
    """
    clipped = np.clip(image, *clip.range) if clip.range else image
    mean, sd = _statistics(clipped, clip.range)
    return {"mean": mean, "sd": sd}


def _of_case(
    image: np.ndarray, inside: np.ndarray, clip: ClipSettings, measured: Any
) -> Limits | None:
    if not inside.any():
        return None
    lower, upper = np.percentile(image[inside], clip.percentiles)
    return float(lower), float(upper)


def _of_dataset(
    image: np.ndarray, inside: np.ndarray, clip: ClipSettings, measured: Mapping[str, Any] | None
) -> Limits | None:
    if not inside.any():
        return None
    if measured is None:
        raise ValueError("clip `dataset_foreground` needs the fingerprint's percentiles")
    return float(measured["lower"]), float(measured["upper"])


#: How to get the limits of the clipping (None: no clipping) from the voxels that count, `inside`.
_LIMITS: dict[str, Callable[[np.ndarray, np.ndarray, ClipSettings, Any], Limits | None]] = {
    "none": lambda image, inside, clip, measured: None,
    "range": lambda image, inside, clip, measured: clip.range,
    "case": _of_case,
    "dataset_foreground": _of_dataset,
}


def _statistics(values: np.ndarray, limits: Limits | None) -> tuple[float, float]:
    """Mean and standard deviation.

    Raises:
        BadCase: there are no values.
    """
    if not values.size:
        raise BadCase(
            "no voxel lies inside the clipping range"
            + ("" if limits is None else f" of {limits[0]:g} to {limits[1]:g}"),
            expected="the intensities of the training cases (CT in HU)",
            remedy="check the image's rescale slope and intercept, or preprocessing.clip",
        )
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))


def _measured_statistics(
    image: np.ndarray, inside: np.ndarray, limits: Any, measured: Mapping[str, Any] | None
) -> tuple[float, float]:
    if measured is None:
        raise ValueError("no mean and sd were measured")
    return float(measured["mean"]), float(measured["sd"])


def _ends(image: np.ndarray, limits: Limits | None) -> Limits:
    return limits or (float(image.min()), float(image.max()))


def _to_unit(image: np.ndarray, inside: Any, limits: Any, measured: Any) -> tuple[float, float]:
    lower, upper = _ends(image, limits)
    return lower, upper - lower


def _to_symmetric(
    image: np.ndarray, inside: Any, limits: Any, measured: Any
) -> tuple[float, float]:
    lower, upper = _ends(image, limits)
    return (lower + upper) / 2, (upper - lower) / 2


#: How to get what is subtracted from the clipped image, and what it is then divided by.
_SCALES: dict[str, Callable[..., tuple[float, float]]] = {
    "case": lambda image, inside, limits, measured: _statistics(image[inside], limits),
    "case_nonzero": lambda image, inside, limits, measured: _statistics(image[inside], limits),
    "crop": lambda image, inside, limits, measured: _statistics(image, limits),
    "image": _measured_statistics,
    "dataset_foreground": _measured_statistics,
    "unit": _to_unit,
    "symmetric": _to_symmetric,
    "none": lambda image, inside, limits, measured: (0.0, 1.0),
}
