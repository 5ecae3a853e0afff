"""One case as several methods segment it, beside the truths of the images that they are given."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from remodal.report.figures import Example, Row
from remodal.report.measured import Measured, measured
from remodal.report.sections import PLANES, Sections
from remodal.report.slices import read_axial
from remodal.report.truth_figures import truth_mask
from remodal.report.views import Source, written
from remodal.settings import Cell, Settings
from remodal.settings.figures import PredictionSettings


def prediction_figures(source: Source, cases: pd.DataFrame) -> list[Example]:
    """The figures that a study asks for and has the predictions of.

    Args:
        source: where the files are.
        cases: per-case rows, with Dice.
    """
    found = (_figure(source, cases, wanted) for wanted in source.settings.figures.predictions)
    return [figure for figure in found if figure is not None]


def _figure(source: Source, cases: pd.DataFrame, wanted: PredictionSettings) -> Example | None:
    region = wanted.region or next(iter(source.settings.data.regions))
    of_region = cases[cases["region"] == region]
    runs = [
        {run.case: run for run in measured(of_region, cell.method, cell.scenario)}
        for cell in wanted.cells
    ]
    case = _chosen(source, wanted, runs)
    if case is None:
        return None
    targets = [_target(source.settings, cell) for cell in wanted.cells]
    truths = {
        name: truth_mask(source, case, name, region)
        for name in dict.fromkeys([*targets, *_beside(source, case, wanted, targets)])
    }
    sections = Sections(source, case, list(dict.fromkeys(targets)), list(truths.values()))
    rows = []
    for plane in PLANES:
        panels = []
        for cell, target, of_cell in zip(wanted.cells, targets, runs):
            run = of_cell[case]
            others = [truths[name] for name in _others(source.settings, cell) if name in truths]
            outlines = [_predicted(source, cell, run, region), truths[target], *others]
            method = source.settings.title_of(cell.method)
            title = f"{method}: {source.settings.heading_of(cell.scenario)}"
            note = f"Dice {run.dice:.1f} %"
            panels.append(
                sections.panel(plane, target, outlines, title, f"predicted by {title}", note)
            )
        rows.append(Row(plane.name, panels))
    title = f"{wanted.title}: case {case}" if wanted.title else f"Case {case}"
    return Example("", title, "", rows)


def _target(settings: Settings, cell: Cell) -> str:
    """The image that a cell's prediction is shown on."""
    present = settings.scenarios[cell.scenario].present
    return settings.target_of(cell.scenario) or settings.registration.reference(present)


def _others(settings: Settings, cell: Cell) -> list[str]:
    """The images whose truths are outlined too: those given with the target, or else all others.

    None where the images of a case share one truth.
    """
    target = _target(settings, cell)
    if settings.data.truth != "image":
        return []
    given = [name for name in settings.scenarios[cell.scenario].present if name != target]
    return given or [name for name in settings.data.originals if name != target]


def _beside(
    source: Source, case: str, wanted: PredictionSettings, targets: Sequence[str]
) -> list[str]:
    """The other images of all cells that have a truth in this case."""
    named = (name for cell in wanted.cells for name in _others(source.settings, cell))
    return [name for name in named if name in targets or written(source.label(case, name))]


def _predicted(source: Source, cell: Cell, run: Measured, region: str) -> np.ndarray:
    folder = source.run(cell.method, run.fold, run.seed, cell.scenario)
    array, _ = read_axial(folder / f"{run.case}.nii.gz")
    return np.isin(array, source.settings.data.indices_of(region))


def _chosen(
    source: Source, wanted: PredictionSettings, runs: Sequence[Mapping[str, Measured]]
) -> str | None:
    """The case with the largest number asked for, or else the median Dice over the cells."""
    common = sorted(set.intersection(*map(set, runs)))
    shown = [case for case in common if _is_there(source, wanted, case, runs)]
    if wanted.most:
        return source.case_with_most(shown, wanted.most)
    shown.sort(key=lambda case: np.mean([of_cell[case].dice for of_cell in runs]))
    return shown[(len(shown) - 1) // 2] if shown else None


def _is_there(
    source: Source,
    wanted: PredictionSettings,
    case: str,
    runs: Sequence[Mapping[str, Measured]],
) -> bool:
    """Whether all files of a case's pictures are there."""
    files = []
    for cell, of_cell in zip(wanted.cells, runs):
        run, target = of_cell[case], _target(source.settings, cell)
        folder = source.run(cell.method, run.fold, run.seed, cell.scenario)
        files += [folder / f"{case}.nii.gz", source.image(case, target), source.label(case, target)]
    return all(map(written, files))
