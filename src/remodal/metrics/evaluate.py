"""The evaluate stage: one model's predictions in one scenario, measured case by case."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import BadCase, FaultOfOurs, UserError
from remodal.intake.nifti import read_volume
from remodal.metrics.cases import COUNTS, FAILED, FOREIGN, write_cases
from remodal.metrics.lesion_table import lesion_rows, write_lesions
from remodal.metrics.pair import MaskPair
from remodal.metrics.registry import CaseMetric, require_case_metric
from remodal.process.progress import progress
from remodal.results.files import read_json
from remodal.results.paths import prediction_file
from remodal.results.records import noting_faults
from remodal.settings import Settings

Row = dict[str, str | int | float]


def evaluate_predictions(
    settings: Settings,
    predictions: Path,
    registered: Path,
    splits: Path,
    output: Path,
    lesions: Path,
    *,
    quarantine: bool = False,
) -> None:
    """Measure every predicted case against its label, region by region.

    If a fault of ours kept a case from being predicted or measured, all its metrics are undefined
    and the column `failed` has the reason.

    Args:
        settings: only `metrics`, `data` and `registration` matter here.
        predictions: folder with a segmentation of class indices for each of the `cases` and `pairs`
            in its `predictions.json`; each is measured against the label of the `target`.
        registered: folder with `<case>/label-<modality>.nii.gz`, which hold the sources' label
            values.
        splits: splits.json, for the cases' patients and groups.
        output: per-case CSV (see `remodal.metrics.cases`); equal inputs give equal bytes.
        lesions: CSV of the true lesions (see `remodal.metrics.lesion_table`), likewise.
        quarantine: go on after a fault of ours in a case, unless it is in every case.

    Raises:
        UserError: an unknown metric; predictions.json is missing.
        BadCase: a prediction or label cannot be read, or they are not on one grid.
    """
    metrics = [require_case_metric(name, "metrics.names") for name in settings.metrics.names]
    split = read_json(splits)
    patients, groups = split["patients"], split.get("groups", {})
    said = _predicted(predictions)
    predicted, failed = sorted({*said["cases"], *said["pairs"]}), said["failed"]
    label = settings.label_file(said["target"] or settings.registration.fixed)
    measured: dict[str, list[Row]] = {}
    found: dict[str, list[Row]] = {}
    faults: dict[str, str] = {}
    for case in progress(predicted, "measuring"):
        # A fault in every case is not put down to one case, so that of an only case is raised.
        with noting_faults(case, faults, wanted=quarantine and len(predicted) > 1):
            rows, of_lesions = [], []
            for keys, path in _files(predictions, said["pairs"], case):
                for name, pair in _pairs(settings, case, path, registered / case / label):
                    named = keys | {"region": name}
                    rows.append(named | measure(pair, metrics, settings.metrics.lesion_overlap))
                    true = pair.true_lesions(settings.metrics.lesion_overlap)
                    of_lesions += [named | row for row in lesion_rows(true)]
            measured[case], found[case] = rows, of_lesions
    if predicted and not measured:
        raise FaultOfOurs("every case met a fault of ours; the tracebacks are above")
    for case, reason in (failed | faults).items():
        measured[case] = [
            {"region": name, FAILED: reason} | undefined(metrics) for name in settings.data.regions
        ]

    def of_all(cases: Mapping[str, list[Row]]) -> list[Row]:
        return [
            {"case": case, "patient": patients[case], "group": groups.get(case) or ""} | row
            for case in sorted(cases)
            for row in cases[case]
        ]

    write_lesions(lesions, of_all(found))
    write_cases(output, [metric.name for metric in metrics], of_all(measured))


def undefined(metrics: Sequence[CaseMetric]) -> Row:
    """The row of a case about which nothing is known: no metric is defined, all counts are 0."""
    return dict.fromkeys((metric.name for metric in metrics), nan) | dict.fromkeys(COUNTS, 0)


def measure(pair: MaskPair, metrics: Sequence[CaseMetric], lesion_overlap: float) -> Row:
    """All metrics and counts of one region in one case.

    Args:
        pair: the two masks.
        metrics: metrics of one case.
        lesion_overlap: least intersection over union at which lesions match.

    Returns:
        The metrics by name (NaN: undefined) and every column of `cases.COUNTS`.
    """
    values: Row = {metric.name: float(metric.measure(pair)) for metric in metrics}
    lesions = pair.lesions(lesion_overlap)
    return values | {
        "intersection": pair.overlap.intersection,
        "prediction_voxels": pair.overlap.prediction,
        "truth_voxels": pair.overlap.truth,
        "lesions": lesions.lesions,
        "lesions_found": lesions.found,
        "lesions_predicted": lesions.predicted,
        "lesions_false": lesions.false,
        "missed": int(pair.overlap.missed),
    }


def _predicted(predictions: Path) -> dict[str, Any]:
    """What predictions.json says."""
    index = predictions / "predictions.json"
    if not index.is_file():
        raise UserError(
            "is missing", where=str(index), remedy="run the infer stage for this model first"
        )
    return {"target": "", "cases": {}, "pairs": {}, "failed": {}} | read_json(index)


def _files(
    predictions: Path, pairs: Mapping[str, Iterable[str]], case: str
) -> list[tuple[Row, Path]]:
    """A case's predictions: one, or one for each foreign case, with columns that name it."""
    if case not in pairs:
        return [({}, prediction_file(predictions, case))]
    return [
        ({FOREIGN: other}, prediction_file(predictions, case, other))
        for other in sorted(pairs[case])
    ]


def _pairs(
    settings: Settings, case: str, predicted: Path, truth: Path
) -> Iterator[tuple[str, MaskPair]]:
    """Name and masks of each region; the k-th class has index k in the prediction."""
    prediction, label = read_volume(predicted), read_volume(truth)
    if not prediction.geometry.agrees_with(label.geometry):
        raise BadCase(
            "the prediction is on another grid than the label",
            where=case,
            expected=f"{label.geometry.shape} voxels of {label.geometry.spacing_zyx} mm",
            remedy="run the infer stage again",
        )
    for name in settings.data.regions:
        found = _any_of(prediction.array, settings.data.indices_of(name))
        true = _any_of(label.array, settings.data.values_of(name))
        yield name, MaskPair(found, true, label.geometry.spacing_zyx)


def _any_of(array: np.ndarray, values: Sequence[int]) -> np.ndarray:
    return np.logical_or.reduce([array == value for value in values])
