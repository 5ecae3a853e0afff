"""Boxes that hold everything that matters in an image, each by its name in the settings."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from remodal.errors import BadCase
from remodal.geometry.volume import Vector
from remodal.settings import CropSettings, PreprocessingSettings

Box = tuple[slice, slice, slice]

#: Voxel size in mm at which the body is searched for: finer than skin, coarser than noise.
_COARSE = 4.0


def crop_box(
    arrays: Sequence[np.ndarray],
    spacing: Vector,
    settings: PreprocessingSettings,
    mask: np.ndarray | None = None,
) -> Box:
    """The box to keep according to `settings.crop`, over all of a case's modalities.

    Args:
        arrays: the modalities, (z, y, x) on one grid.
        spacing: of the axes, in mm.
        settings: kind of crop and body threshold.
        mask: for a crop by mask, on the same grid.

    Raises:
        BadCase: as `cropped_by`, or there is no body, or no non-zero voxel, to crop to.
    """
    by = cropped_by(settings.crop, mask)
    if by == "mask":
        return mask_box(mask, spacing, settings.crop)
    return _BOXES[by](arrays, spacing, settings.body_threshold)


def cropped_by(crop: CropSettings, mask: np.ndarray | None) -> str:
    """What the box encloses: what the settings say, or the body where there is nothing in the mask.

    Args:
        crop: kind of crop, and what happens without a mask.
        mask: for a crop by mask; None: there is none.

    Raises:
        BadCase: there is nothing in the mask, and the settings want none of such cases.
    """
    if crop.by != "mask" or (mask is not None and mask.any()):
        return crop.by
    if crop.empty == "quarantine":
        raise BadCase(
            "the mask that the image is cropped by is empty, or there is none",
            expected="a mask of the structure",
            remedy="set preprocessing.crop.empty to `body`",
        )
    return "body"


def mask_box(mask: np.ndarray, spacing: Vector, crop: CropSettings) -> Box:
    """Box of a non-empty mask with its margin, of at least the wanted size.

    A box below the least size grows on both sides or, where it meets the image's edge, on the other
    side only.

    Args:
        mask: (z, y, x).
        spacing: of the axes, in mm.
        crop: margin, least size and their unit.
    """
    margins = crop.margin if isinstance(crop.margin, tuple) else (crop.margin,) * 3
    leasts = crop.least if isinstance(crop.least, tuple) else (crop.least,) * 3
    units = (1.0,) * 3 if crop.unit == "voxel" else spacing
    return tuple(
        slice(0, length)
        if margin is None
        else _widened(side, round(margin / unit), round(least / unit), length)
        for side, margin, least, unit, length in zip(
            bounding_box(mask), margins, leasts, units, mask.shape
        )
    )


def _widened(side: slice, margin: int, least: int, length: int) -> slice:
    start, stop = max(0, side.start - margin), min(length, side.stop + margin)
    lacking = min(least, length) - (stop - start)
    if lacking > 0:
        start = min(max(0, start - lacking // 2), length - min(least, length))
        stop = start + min(least, length)
    return slice(start, stop)


def bounding_box(mask: np.ndarray) -> Box:
    """Smallest box that holds all true voxels of a mask; there must be some."""
    sides = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        sides.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(sides)


def nonzero_mask(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The voxels that are not zero in one at least of a case's images, and the holes among them.

    This is the brain of a skull-stripped image, as in nnU-Net.

    Args:
        arrays: the modalities, (z, y, x) on one grid.
    """
    return ndimage.binary_fill_holes(np.logical_or.reduce([array != 0 for array in arrays]))


def _union(boxes: Sequence[Box]) -> Box:
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*boxes)
    )


def _all(arrays: Sequence[np.ndarray], spacing: Vector, threshold: float) -> Box:
    return tuple(slice(0, length) for length in arrays[0].shape)


def _nonzero_box(arrays: Sequence[np.ndarray], spacing: Vector, threshold: float) -> Box:
    if not any(array.any() for array in arrays):
        raise BadCase("all voxels are zero", expected="an image that is not empty")
    return _union([bounding_box(array != 0) for array in arrays if array.any()])


def _body_box(arrays: Sequence[np.ndarray], spacing: Vector, threshold: float) -> Box:
    """Box of the largest connected piece above the threshold, widened by two coarse voxels.

    Only every few voxels are looked at. An in-plane opening first cuts the thin table top off the
    patient.
    """
    steps = tuple(max(1, round(_COARSE / length)) for length in spacing)
    sparse = tuple(slice(None, None, step) for step in steps)
    mask = np.zeros(arrays[0][sparse].shape, dtype=bool)
    for array in arrays:
        mask |= array[sparse] > threshold
    if not mask.any():
        raise BadCase(
            f"no body found: no voxel above {threshold:g}",
            expected="CT in HU",
            remedy="set preprocessing.body_threshold, or preprocessing.crop to nonzero or none",
        )
    cross = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    opened = ndimage.binary_opening(mask, cross)
    pieces, _ = ndimage.label(opened if opened.any() else mask)
    largest = np.bincount(pieces.ravel())[1:].argmax() + 1
    return tuple(
        slice(max(0, (side.start - 2) * step), min(length, (side.stop + 2) * step))
        for side, step, length in zip(bounding_box(pieces == largest), steps, arrays[0].shape)
    )


_BOXES: dict[str, Callable[[Sequence[np.ndarray], Vector, float], Box]] = {
    "body": _body_box,
    "nonzero": _nonzero_box,
    "none": _all,
}
