"""Which differences of a table are below the noise floor, and what that rests on."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import isnan

import pandas as pd

from remodal.metrics.cases import cases_of_cell
from remodal.metrics.noise import NoiseFloor, noise_floor
from remodal.metrics.registry import Metric, StudyMetric
from remodal.report.cells import Entry, Row
from remodal.settings import Settings

#: Stands beside a value whose difference is below the noise floor.
MARK = "≈"


def with_noise(
    settings: Settings, rows: Sequence[Row], cases: pd.DataFrame
) -> tuple[list[Row], str]:
    """The rows with the noise floor of each difference, and a sentence about it.

    The cells that it is measured on have it too, so that a table of repeated trainings alone says
    by how much they differ.

    Args:
        settings: the study; nothing changes unless it names `noise`.
        rows: of one table, with their comparisons.
        cases: per-case rows.
    """
    if settings.noise is None:
        return list(rows), ""

    @cache
    def floor_of(metric: Metric, region: str) -> NoiseFloor:
        of_cells = [cases_of_cell(cases, *cell, region) for cell in settings.repeated]
        return noise_floor(of_cells, metric)

    found: dict[str, NoiseFloor] = {}

    def marked(entry: Entry) -> Entry:
        metric, cell = entry.metric, (entry.cell.method, entry.cell.scenario)
        if metric is None or isinstance(metric, StudyMetric):
            return entry
        if isnan(entry.difference) and cell not in settings.repeated:
            return entry
        floor = floor_of(metric, entry.cell.region)
        several = len(settings.data.regions) > 1
        of_region = f", {entry.cell.region.replace('_', ' ')}" if several else ""
        found[f"{metric.title}{of_region}"] = floor
        return replace(entry, noise_floor=floor.value)

    rows = [replace(row, entries=tuple(map(marked, row.entries))) for row in rows]
    marks = any(not isnan(entry.difference) for row in rows for entry in row.entries)
    method = settings.title_of(settings.noise.method)
    return rows, _said(found, method, marks) if found else ""


def _said(found: dict[str, NoiseFloor], method: str, marks: bool) -> str:
    measured = {title: floor for title, floor in found.items() if not isnan(floor.value)}
    if not measured:
        return f"The noise floor is not measured: {method} was trained only once on each fold."
    values = ", ".join(f"{floor.value:.2f} for {title}" for title, floor in measured.items())
    most = max(measured.values(), key=lambda floor: floor.trainings)
    folds = "one fold" if most.folds == 1 else f"{most.folds} folds"
    what = f"{MARK} marks a difference below the noise floor" if marks else "The noise floor"
    return f"{what}: {values}, measured on {most.trainings} trainings of {method} ({folds})."
