"""What the images and labels of all cases are: CT or MR, their grids, the labels' values."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from remodal.counting import counted
from remodal.errors import BadCase, UserError
from remodal.geometry.orientation import Orientation
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.acquisition import intensity_range, judged_kind
from remodal.intake.datasets import CaseSource
from remodal.intake.dicom import read_series
from remodal.intake.headers import is_dicom
from remodal.intake.labels import read_label
from remodal.intake.nifti import read_image
from remodal.intake.source_files import is_there, path_and_number
from remodal.intake.structure_names import structure_names
from remodal.process.parallel import in_parallel

#: Cases that are opened at once, at most: each holds a whole image, and they share one disk.
_AT_ONCE = 4


@dataclass(frozen=True)
class SeenImage:
    """One image.

    Attributes:
        kind: the DICOM modality (`CT`, `MR` ...).
        by_tag: whether the file says so; otherwise it was judged by the values.
        geometry: its grid.
        kept: share of the image that the box of its non-zero voxels fills.
    """

    kind: str
    by_tag: bool
    geometry: Geometry
    kept: float

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Of the patient's axes (z, y, x), in mm."""
        return Orientation.of(self.geometry).spacing(self.geometry)


@dataclass(frozen=True)
class SeenCase:
    """What was seen of a case.

    Attributes:
        case: its pseudonym.
        images: by modality.
        labelled: whether it has a label.
        values: those in its labels, without 0.
        names: what the files call a value, where they call it anything.
    """

    case: str
    images: Mapping[str, SeenImage]
    labelled: bool
    values: frozenset[int]
    names: Mapping[int, str]

    @property
    def one_grid(self) -> bool:
        """Whether all images lie on the grid of the first one."""
        first, *others = (image.geometry for image in self.images.values())
        return all(first.agrees_with(other) for other in others)


def survey(cases: Sequence[CaseSource]) -> tuple[list[SeenCase], list[str]]:
    """Open the images and labels of all cases, with a progress bar.

    All of them, since a structure that a few patients have is a class too.

    Returns:
        What was seen, and a line for each case that cannot be used.

    Raises:
        UserError: none of them can be used.
    """
    workers = min(len(os.sched_getaffinity(0)), _AT_ONCE)
    found = list(in_parallel(_seen_or_refused, cases, workers, "Looking"))
    seen = [one for one in found if isinstance(one, SeenCase)]
    refused = [one for one in found if isinstance(one, str)]
    if not seen:
        raise UserError(
            f"none of the {counted(len(cases), 'case')} can be used: {refused[0]}",
            where="init",
            remedy="correct the paths, or leave out what cannot be used",
        )
    return seen, refused


def _seen_or_refused(case: CaseSource) -> SeenCase | str:
    try:
        return _seen(case)
    except BadCase as error:
        return f"{case.case}: {error}"


def _seen(case: CaseSource) -> SeenCase:
    images, values, names = {}, set(), {}
    for modality, source in case.images.items():
        volume, kind, numbers = _read(source)
        judged = kind or judged_kind(intensity_range(volume.array))
        images[modality] = SeenImage(judged, bool(kind), volume.geometry, _kept(volume.array))
        if modality in case.labels:
            label = read_label(case.labels[modality], volume.geometry, numbers)
            values |= set(np.unique(label.volume.array).tolist()) - {0}
            names |= structure_names(case.labels[modality])
    return SeenCase(case.case, images, bool(case.labels), frozenset(values), names)


def _read(source: Path) -> tuple[Volume, str, str]:
    """An image, its DICOM modality (empty: the file does not say), and how its slices count."""
    if not is_there(source):
        raise BadCase("there is no such file or folder", where=str(source))
    path = path_and_number(source)[0]
    if path.is_dir() or is_dicom(path):
        series = read_series(source)
        return series.volume, str(series.tags.get("Modality", "")), series.numbers
    return read_image(source)[0], "", ""


def _kept(array: np.ndarray) -> float:
    """Share of an image that the box of its non-zero voxels fills."""
    shares = [1.0]
    for axis in range(3):
        hit = np.flatnonzero(array.any(axis=tuple(other for other in range(3) if other != axis)))
        shares.append((hit[-1] - hit[0] + 1) / array.shape[axis] if hit.size else 0.0)
    return float(np.prod(shares))
