"""What preprocessing must know about a data set, measured only on a fold's training cases."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import BadCase, UserError
from remodal.geometry.orientation import Orientation
from remodal.geometry.volume import Geometry, Vector
from remodal.intake.acquisition import summary
from remodal.intake.nifti import read_geometry, read_volume
from remodal.preprocessing.resampling import Shape, resampled_shape
from remodal.process.progress import progress
from remodal.results.files import read_json, write_json
from remodal.results.records import read_record
from remodal.settings import PreprocessingSettings, Settings
from remodal.settings.names import label_name
from remodal.splits import read_fold

#: Most foreground voxels of a case that enter the percentiles; of more, evenly spaced ones do.
_VOXELS_OF_A_CASE = 100_000


def fingerprint_fold(
    settings: Settings, splits: Path, fold: int, registered: Path, output: Path
) -> None:
    """Measure a fold's training cases (never its validation or test cases): fingerprint.json.

    The file holds `fold`, `cases` and their number `n`, the target `spacing` (z, y, x) in mm (the
    settings', otherwise the median along each axis), the median `shape` of the uncropped cases at
    that spacing, and `acquired`: for each modality, what made the images and the range of their
    intensities, with which `predict` compares a patient's images. If intensities are clipped or
    normalised by `dataset_foreground`, there is also `foreground`: for each modality, the `lower`
    and `upper` percentile, `mean` and `sd` of the classes' voxels in the cases that have this
    modality and its label, and the number of `voxels` used.

    Args:
        settings: the study.
        splits: splits.json.
        fold: number of the fold.
        registered: folder of the registered cases.
        output: the file to write.

    Raises:
        UserError: no such fold, training cases without a voxel of any class, or a modality that no
            training case has together with its label.
    """
    cases = read_fold(splits, fold)["train"]
    grids, values = [], {modality: [] for modality in settings.data.modalities}
    for case in progress(cases, "Fingerprint"):
        spacing, shape, foreground = _measure(settings, registered / case)
        grids.append((spacing, shape))
        for modality, sample in foreground.items():
            values[modality].append(sample)
    target = settings.preprocessing.spacing or _median([spacing for spacing, _ in grids])
    shapes = [resampled_shape(shape, spacing, target) for spacing, shape in grids]
    fingerprint: dict[str, Any] = {
        "fold": fold,
        "cases": cases,
        "n": len(cases),
        "spacing": list(target),
        "shape": [round(length) for length in _median(shapes)],
    }
    fingerprint["acquired"] = _acquired(settings.data.modalities, cases, registered)
    if _measures_foreground(settings.preprocessing):
        fingerprint["foreground"] = _percentiles(values, settings.preprocessing)
    write_json(output, fingerprint)


def _acquired(
    modalities: Sequence[str], cases: Sequence[str], registered: Path
) -> dict[str, dict[str, Any]]:
    """`summary` of what the cases' records say about each modality's images."""
    records = [read_record(registered / case / "registration.json") for case in cases]
    told = [record.details.get("acquired", {}) for record in records]
    return {name: summary(one[name] for one in told if name in one) for name in modalities}


def _median(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(np.median(np.array(rows, float), axis=0).tolist())


def _measures_foreground(settings: PreprocessingSettings) -> bool:
    return "dataset_foreground" in (settings.clip.by, settings.normalise)


def _measure(settings: Settings, folder: Path) -> tuple[Vector, Shape, dict[str, np.ndarray]]:
    """Canonical spacing and shape of a case, and the foreground voxels of its labelled images."""
    told = read_record(folder / "registration.json").details
    geometry = read_geometry(folder / f"{told['modalities'][0]}.nii.gz")
    orientation = Orientation.of(geometry)
    grid = orientation.spacing(geometry), orientation.shape(geometry)
    if not _measures_foreground(settings.preprocessing):
        return *grid, {}
    voxels = {name: _foreground(settings, folder, name, geometry) for name in told["labels"]}
    samples = {}
    for modality in told["modalities"]:
        foreground = voxels.get(settings.truth_of(modality))
        if foreground is not None:
            path = folder / f"{modality}.nii.gz"
            samples[modality] = _on_grid(path, geometry).ravel()[foreground].astype(np.float32)
    return *grid, samples


def _foreground(settings: Settings, folder: Path, name: str, grid: Geometry) -> np.ndarray:
    """Indices of the voxels of the classes in one label: all, or evenly spaced ones if many."""
    label = _on_grid(folder / f"{label_name(name)}.nii.gz", grid)
    wanted = [value for values in settings.data.classes.values() for value in values]
    foreground = np.flatnonzero(np.isin(label, wanted))
    return foreground[:: max(1, -(-len(foreground) // _VOXELS_OF_A_CASE))]


def _on_grid(path: Path, grid: Geometry) -> np.ndarray:
    volume = read_volume(path)
    if volume.geometry.shape != grid.shape:
        raise BadCase(
            f"{volume.geometry.shape} voxels, the case's first image has {grid.shape}",
            where=str(path),
            expected="one grid",
            remedy="register the case again",
        )
    return volume.array


def _percentiles(
    values: Mapping[str, Sequence[np.ndarray]], settings: PreprocessingSettings
) -> dict[str, dict[str, float]]:
    measured = {}
    for modality, samples in values.items():
        if not samples:
            raise UserError(
                f"no training case has the {modality} image with a label",
                where="fingerprint",
                expected="one at least",
                remedy="take the modality out of the study, or add cases",
            )
        sample = np.concatenate(samples).astype(np.float64)
        if not sample.size:
            raise UserError(
                "the training cases hold no voxel of any class",
                where="fingerprint",
                remedy="check data.classes against the labels' values",
            )
        lower, upper = np.percentile(sample, settings.clip.percentiles)
        measured[modality] = {
            "lower": float(lower),
            "upper": float(upper),
            "mean": float(sample.mean()),
            "sd": float(sample.std()),
            "voxels": int(sample.size),
        }
    return measured


def read_fingerprint(path: Path) -> dict[str, Any]:
    """Read what `fingerprint_fold` wrote.

    Raises:
        UserError: there is none, or it is not JSON.
    """
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(
            "cannot be read", where=str(path), remedy="run `remodal fingerprint` first"
        ) from error
