"""How well two images agree, measured on coarse copies and inside the body."""

import numpy as np

from remodal.geometry.orientation import Orientation
from remodal.geometry.volume import Geometry, Volume
from remodal.registration.transforms import (
    Chain,
    displacement,
    jacobian_determinant,
    warp_image,
)

_MARGIN_PERCENT = 1.0
_BINS = 64


def coarsened(volume: Volume, spacing: float) -> Volume:
    """The volume averaged over blocks of about `spacing` mm: float32, on an aligned coarser grid.

    A border of one block repeats the outermost voxels, so that the coarse grid covers every voxel
    of the fine one and transforms estimated on it are defined there.
    """
    factors = [max(1, round(spacing / length)) for length in volume.geometry.spacing_zyx]
    margins = [
        (factor, factor + -length % factor) for factor, length in zip(factors, volume.array.shape)
    ]
    array = volume.array.astype(np.float32)
    for axis, (factor, margin) in enumerate(zip(factors, margins)):
        widths = [margin if other == axis else (0, 0) for other in range(3)]
        array = np.pad(array, widths, mode="edge")
        shape = (*array.shape[:axis], -1, factor, *array.shape[axis + 1 :])
        array = array.reshape(shape).mean(axis=axis + 1)
    fine = volume.geometry
    # The first block is the border, so its centre lies before the first voxel.
    first = np.array([(-factor - 1) / 2 for factor in factors[::-1]])
    origin = fine.affine[:3, :3] @ first + fine.origin
    coarse = tuple(length * factor for length, factor in zip(fine.spacing, factors[::-1]))
    return Volume(array, Geometry(array.shape, coarse, tuple(origin), fine.direction))


def body_mask(volume: Volume, threshold: float | None) -> np.ndarray:
    """The patient with lungs and bowel gas, but without table or air around, (z, y, x) bool.

    It is the largest connected part above the threshold, with holes filled in each of the patient's
    (nearly) axial sections; everything if there is no threshold, or nothing above it.
    """
    from scipy.ndimage import binary_fill_holes, binary_opening, label

    if threshold is None:
        return np.ones(volume.array.shape, bool)
    # Opening separates the patient from a table that touches the skin.
    parts, count = label(binary_opening(volume.array > threshold))
    if not count:
        return np.ones(volume.array.shape, bool)
    largest = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    orientation = Orientation.of(volume.geometry)
    filled = np.stack([binary_fill_holes(section) for section in orientation.apply(largest)])
    return np.ascontiguousarray(orientation.undo(filled))


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """Mutual information of two sets of paired intensities in nats, from a joint histogram.

    The histogram has 64 x 64 bins between the 1st and 99th percentile of each set; values beyond
    them count in the outermost bins.
    """
    pairs = [np.clip(values, *np.percentile(values, (1, 99))) for values in (first, second)]
    joint = np.histogram2d(*pairs, bins=_BINS)[0] / len(first)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / apart[seen])))


def quality_of(
    fixed: Volume, moving: Volume, body: np.ndarray, transforms: Chain
) -> dict[str, float]:
    """What can be said about an alignment without knowing the truth, all inside the body.

    Returns:
        `overlap`, the share of the body that the moved image covers, and `overlap_before`, that
        which it covers where its header places it;
        `mutual_information_before` and `_after` (nats), where the image covers the body in both;
        `jacobian_minimum`, `jacobian_maximum` and `folded_fraction` (determinant at or below 0);
        `displacement_mean_mm` and `displacement_maximum_mm`.
    """
    grid = fixed.geometry
    before = warp_image(moving, grid, [], np.nan).array
    after = warp_image(moving, grid, transforms, np.nan).array
    covered = body & np.isfinite(after)
    covered_before = body & np.isfinite(before)
    determinant = jacobian_determinant(transforms, grid)[body]
    length = np.linalg.norm(displacement(transforms, grid), axis=0)[body]
    values = {
        "overlap": covered.sum() / body.sum(),
        "overlap_before": covered_before.sum() / body.sum(),
        "mutual_information_before": _shared(fixed.array, before, covered & covered_before),
        "mutual_information_after": _shared(fixed.array, after, covered & covered_before),
        "jacobian_minimum": determinant.min(),
        "jacobian_maximum": determinant.max(),
        "folded_fraction": np.mean(determinant <= 0),
        "displacement_mean_mm": length.mean(dtype=np.float64),
        "displacement_maximum_mm": length.max(),
    }
    return {name: round(float(value), 6) for name, value in values.items()}


def _shared(first: np.ndarray, second: np.ndarray, where: np.ndarray) -> float:
    return mutual_information(first[where], second[where]) if where.any() else 0.0


def without_extremes(volume: Volume, threshold: float | None) -> Volume:
    """Intensities cut to the body's range, so that metal does not widen the histogram's bins."""
    array = volume.array
    inside = array[array > threshold] if threshold is not None else array.ravel()
    if not inside.size:
        return volume
    limits = np.percentile(inside, (_MARGIN_PERCENT, 100 - _MARGIN_PERCENT))
    return volume.with_array(np.clip(array, *limits.astype(np.float32)))
