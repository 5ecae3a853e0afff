"""An image's modality and intensity range, compared with those a model was trained on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from remodal.errors import UserError

_PERCENTILES = (0.5, 99.5)
_VOXELS = 1 << 17
#: Share of the training range by which an image's own range may lie outside it.
_LOWER_BY, _UPPER_BY = 0.25, 1.0
#: Air is -1000 HU. No MR image that is not normalised goes as low.
_AIR = -500.0


def intensity_range(array: np.ndarray) -> list[float]:
    """The 0.5th and 99.5th percentile of an image, of evenly spaced voxels."""
    sample = array.ravel()[:: max(1, array.size // _VOXELS)]
    return [float(value) for value in np.percentile(sample, _PERCENTILES)]


def judged_kind(values: Sequence[float]) -> str:
    """`CT` or `MR`, for an image that does not say what made it, by its `intensity_range`."""
    return "CT" if values[0] <= _AIR else "MR"


def acquisition(details: Mapping[str, Any]) -> dict[str, Any]:
    """Take the DICOM `modality` (empty: unknown) and the `range` from a conversion's details."""
    return {
        "modality": str(details.get("tags", {}).get("Modality", "")),
        "range": details.get("range"),
    }


def summary(acquisitions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What training images have in common.

    Returns:
        `modalities` (DICOM's terms; empty if no file states one) and, if any range is known, the
        lowest and highest value of the ranges' `lower` and of their `upper` ends.
    """
    found = list(acquisitions)
    ranges = np.array([one["range"] for one in found if one["range"]], float).reshape(-1, 2)
    summed: dict[str, Any] = {
        "modalities": sorted({one["modality"] for one in found} - {""}),
    }
    if len(ranges):
        for index, end in enumerate(("lower", "upper")):
            summed[end] = [float(ranges[:, index].min()), float(ranges[:, index].max())]
    return summed


def compare(found: Mapping[str, Any], trained: Mapping[str, Any] | None, where: str) -> list[str]:
    """Compare an image with what a model was trained on.

    Args:
        found: `acquisition` of the image.
        trained: `summary` of the training images; None: the model does not say.
        where: names the image.

    Returns:
        Warnings if the image's modality is unknown or its range is unlike the training images'.

    Raises:
        UserError: the image is of another DICOM modality.
    """
    if not trained:
        return ["the model does not say what it was trained on, so the image is not checked"]
    known = " or ".join(trained["modalities"])
    if known and found["modality"] and found["modality"] not in trained["modalities"]:
        raise UserError(
            f"the image is {found['modality']}, and the model was trained on {known}",
            where=where,
            expected=known,
            remedy="choose a model that was trained on such images",
        )
    warnings = []
    if known and not found["modality"]:
        warnings.append(f"the file does not say what made it; the model was trained on {known}")
    if found["range"] and "lower" in trained and _is_unlike(found["range"], trained):
        unit = " HU" if trained["modalities"] == ["CT"] else ""
        warnings.append(
            "WARNING: the image is unlike those that the model was trained on, and its "
            f"segmentation may be worthless: intensities from {found['range'][0]:g} to "
            f"{found['range'][1]:g}, expected about {trained['lower'][0]:g} to "
            f"{trained['upper'][1]:g}{unit}"
        )
    return warnings


def _is_unlike(found: Iterable[float], trained: Mapping[str, Any]) -> bool:
    lower, upper = found
    width = max(trained["upper"][1] - trained["lower"][0], 1e-6)
    too_high = lower > trained["lower"][1] + _LOWER_BY * width
    too_low = lower < trained["lower"][0] - _LOWER_BY * width
    outside = upper > trained["upper"][1] + _UPPER_BY * width or upper < trained["lower"][1]
    return too_high or too_low or outside
