"""Volumes, counts and sizes of what was found in a patient, and their table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from remodal.geometry.components import connected_parts
from remodal.geometry.volume import Volume
from remodal.results.files import write_csv
from remodal.settings.data import DataSettings

#: Column with the reason why a case has no measurements.
_FAILED = "failed"


@dataclass(frozen=True)
class Measurement:
    """One structure of a patient: a class, or a region that is a union of classes.

    Attributes:
        structure: its name.
        volume_ml: of all its voxels.
        lesions: connected parts; voxels that share a corner are connected, as in the study's
            counts (`metrics.lesions`).
        largest_ml: volume of the largest part.
        largest_diameter_mm: longest diameter of that part within one slice as the image is stored,
            from border to border (as RECIST 1.1 measures: Eisenhauer et al. 2009,
            doi:10.1016/j.ejca.2008.10.026).
    """

    structure: str
    volume_ml: float
    lesions: int
    largest_ml: float
    largest_diameter_mm: float


#: Columns of the table.
COLUMNS = ("case", *(one.name for one in fields(Measurement)), _FAILED)


def structures_of(description: Mapping[str, Any]) -> dict[str, list[int]]:
    """What a model's study measures: its classes, then its other regions, with their indices.

    Args:
        description: the model's.
    """
    data = DataSettings.model_validate(description["data"])
    classes = {name: [index] for index, name in enumerate(data.classes, 1)}
    return classes | {name: data.indices_of(name) for name in data.regions if name not in classes}


def measure(segmentation: Volume, structures: Mapping[str, Sequence[int]]) -> list[Measurement]:
    """Measure each structure.

    Args:
        segmentation: class indices.
        structures: see `structures_of`.
    """
    return [
        _measured(name, np.isin(segmentation.array, indices), segmentation.geometry.spacing_zyx)
        for name, indices in structures.items()
    ]


def _measured(name: str, mask: np.ndarray, spacing: tuple[float, float, float]) -> Measurement:
    found = ndimage.find_objects(mask.view(np.uint8))
    if not found:
        return Measurement(name, 0.0, 0, 0.0, 0.0)
    parts, count = connected_parts(mask[found[0]])
    sizes = np.bincount(parts.ravel())[1:]
    largest = int(sizes.argmax())
    box = ndimage.find_objects(parts)[largest]
    millilitres = float(np.prod(spacing)) / 1000
    return Measurement(
        structure=name,
        volume_ml=round(float(sizes.sum()) * millilitres, 4),
        lesions=count,
        largest_ml=round(float(sizes[largest]) * millilitres, 4),
        largest_diameter_mm=round(_diameter(parts[box] == largest + 1, spacing[1:]), 2),
    )


def _diameter(mask: np.ndarray, spacing: tuple[float, float]) -> float:
    """Longest distance in mm between two borders of pixels within one slice (z, y, x)."""
    borders = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5)])
    longest = 0.0
    for plane in mask:
        pixels = np.argwhere(plane & ~ndimage.binary_erosion(plane))
        if not len(pixels):
            continue
        points = (pixels[:, None] + borders).reshape(-1, 2) * spacing
        longest = max(longest, float(pdist(points[ConvexHull(points).vertices]).max()))
    return longest


def as_rows(case: str, measurements: Iterable[Measurement]) -> list[dict[str, Any]]:
    """The rows of a case in the table."""
    return [{"case": case, **asdict(one)} for one in measurements]


def failed_row(case: str, reason: str) -> dict[str, Any]:
    """The row of a case that could not be segmented."""
    return {"case": case, _FAILED: reason}


def write_measurements(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the table as CSV: one row per case and structure.

    Raises:
        EnvironmentProblem: full disk, no permission.
    """
    write_csv(path, COLUMNS, rows)
