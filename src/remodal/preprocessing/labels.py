"""A label on the prepared grid: its classes, where they are, and what was lost on the way."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from remodal.geometry.volume import Volume
from remodal.preprocessing.prepare import box_of, orientation_of
from remodal.preprocessing.resampling import LINEAR, orders, resample_labels

#: Most foreground voxels of a class that are listed for the sampler.
_LISTED_VOXELS = 10_000


@dataclass(frozen=True)
class PreparedLabel:
    """A label on a case's prepared grid.

    Attributes:
        array: class indices, (z, y, x) uint8.
        foreground: up to 10,000 voxels [z, y, x] by class index, drawn with a fixed seed.
        voxels: number of voxels by class index.
        losses: what cropping and resampling cost, in words.
    """

    array: np.ndarray
    foreground: dict[str, list]
    voxels: dict[str, int]
    losses: list[str]


def describe_label(
    case: str, indices: Volume, classes: list[str], properties: Mapping[str, Any]
) -> PreparedLabel:
    """Bring a label onto the prepared grid, and describe it.

    Args:
        case: name of the case, which seeds the drawing of voxels.
        indices: class indices on the grid of the images.
        classes: their names, in order.
        properties: of the prepared images.
    """
    array = prepare_label(indices, properties)
    foreground, voxels = _foreground(case, array, len(classes))
    return PreparedLabel(array, foreground, voxels, _losses(indices, classes, properties, voxels))


def class_indices(label: Volume, classes: Mapping[str, list[int]]) -> Volume:
    """A label's source values as class indices: 1 for the first of `classes`, 0 for the rest."""
    indices = np.zeros(label.array.shape, np.uint8)
    for index, values in enumerate(classes.values(), 1):
        indices[np.isin(label.array, values)] = index
    return label.with_array(indices)


def crop_label(indices: Volume, properties: Mapping[str, Any]) -> np.ndarray:
    """Orient and crop a label as the images were, still at the source's spacing; (z, y, x)."""
    return orientation_of(properties).apply(indices.array)[box_of(properties)]


def prepare_label(indices: Volume, properties: Mapping[str, Any]) -> np.ndarray:
    """Bring class indices onto the prepared grid.

    Each class is interpolated linearly by itself, and the strongest wins: class indices are never
    averaged.

    Args:
        indices: on the grid of the images; see `class_indices`.
        properties: of the prepared images.

    Returns:
        (z, y, x) uint8.
    """
    linear = orders(LINEAR, properties["coarse_axis"])
    return resample_labels(crop_label(indices, properties), tuple(properties["shape"]), linear)


def _foreground(
    case: str, indices: np.ndarray, classes: int
) -> tuple[dict[str, list], dict[str, int]]:
    """Voxels of each class for the sampler, and how many there are, by class index."""
    listed, counts = {}, {}
    for index in range(1, classes + 1):
        positions = np.flatnonzero(indices == index)
        counts[str(index)] = len(positions)
        if len(positions) > _LISTED_VOXELS:
            generator = np.random.default_rng([zlib.crc32(case.encode()), index])
            positions = np.sort(generator.choice(positions, _LISTED_VOXELS, replace=False))
        listed[str(index)] = np.column_stack(np.unravel_index(positions, indices.shape)).tolist()
    return listed, counts


def _losses(
    indices: Volume, classes: list[str], properties: Mapping[str, Any], counts: Mapping[str, int]
) -> list[str]:
    """What cropping and resampling cost the label, in words."""
    cropped = crop_label(indices, properties)
    losses = []
    for index, name in enumerate(classes, 1):
        whole = np.count_nonzero(indices.array == index)
        kept = np.count_nonzero(cropped == index)
        if kept < whole:
            losses.append(f"{whole - kept} of {whole} voxels of `{name}` lie outside the crop")
        if kept and not counts[str(index)]:
            losses.append(f"all {kept} voxels of `{name}` vanish at the target spacing")
    return losses
