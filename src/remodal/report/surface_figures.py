"""Surfaces of one case: the truth's, and each method's, coloured by its distance to the truth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from remodal.report.measured import Measured, measured
from remodal.report.shading import Frame, draw_surface, silhouette
from remodal.report.slices import Panel, read_axial
from remodal.report.surfaces import NOTHING, Mesh, distances_to, surface_mesh
from remodal.report.views import Source, written
from remodal.settings import Settings
from remodal.settings.figures import SurfaceSettings

#: Colours from distance 0 to the end of the scale; the first is the truth's own.
SCALE = ("#ccd2d8", "#f2c14e", "#e8590c", "#8c1c2c")
#: What the scale may end at, in mm: the first that this percentage of a method's vertices does not
#: exceed, for the method in the middle, so that one bad method does not make all others look good.
_ENDS = (1, 2, 3, 5, 10, 20, 30, 50, 100)
_PERCENT = 95

#: For each method, its measured cases by name.
Runs = Mapping[str, Mapping[str, Measured]]


@dataclass(frozen=True)
class Surfaces:
    """Pictures of one case.

    Attributes:
        heading: the case, and what is shown of it.
        panels: the truth, then the methods.
        end: distance in mm at the end of the colours' scale.
        colours: of the scale, from 0 to its end.
    """

    heading: str
    panels: list[Panel]
    end: int
    colours: tuple[str, ...] = SCALE


def surface_figures(source: Source, cases: pd.DataFrame) -> list[Surfaces]:
    """The figures that a study asks for and has the predictions of.

    The case of a figure is the one whose Dice, averaged over the methods, is the median of all the
    cases that every method has segmented (the lower one of two).
    """
    found = (_figure(source, cases, wanted) for wanted in source.settings.figures.surfaces)
    return [figure for figure in found if figure is not None]


def _figure(source: Source, cases: pd.DataFrame, wanted: SurfaceSettings) -> Surfaces | None:
    region = wanted.region or next(iter(source.settings.data.regions))
    labels, scenario = _methods(source.settings, wanted)
    rows = cases[cases["region"] == region]
    runs = {
        method: {run.case: run for run in measured(rows, method, scenario)} for method in labels
    }
    runs = {method: of_cases for method, of_cases in runs.items() if of_cases}
    shown = _shown_cases(source, scenario, runs)
    if not shown:
        return None
    case = shown[(len(shown) - 1) // 2]
    truth, meshes = _meshes(source, region, scenario, case, runs)
    if truth is NOTHING:
        return None
    dice = {method: of_cases[case].dice for method, of_cases in runs.items()}
    panels, end = _panels(case, truth, meshes, labels, dice)
    several = len(source.settings.data.regions) > 1
    of_region = f", {region.replace('_', ' ')}" if several else ""
    return Surfaces(f"Case {case}{of_region}", panels, end)


def _methods(settings: Settings, wanted: SurfaceSettings) -> tuple[dict[str, str], str]:
    """The methods of a table, with what tells them apart, and the scenario.

    That is what their rows are called; if two rows are called the same, what the methods are.
    """
    table = settings.tables[wanted.table]
    cells = [
        (row, cell)
        for row, of_row in zip(table.rows, settings.cells_of(table))
        for cell in of_row
        if cell.metric and cell.scenario in settings.scenarios
    ]
    scenario = wanted.scenario or cells[0][1].scenario
    titles, labels = {}, {}
    for row, cell in cells:
        if cell.scenario == scenario:
            titles[cell.method] = settings.title_of(cell.method)
            labels[cell.method] = (row.label if row.method else "") or titles[cell.method]
    return (labels if len(set(labels.values())) == len(labels) else titles), scenario


def _shown_cases(source: Source, scenario: str, runs: Runs) -> list[str]:
    """The cases that can be shown of every method, by their mean Dice."""
    common = set.intersection(*map(set, runs.values())) if runs else set()
    found = [
        case
        for case in common
        if written(_truth_file(source, scenario, case))
        and all(written(path) for _, path in _predictions(source, scenario, case, runs))
    ]
    return sorted(found, key=lambda case: (np.mean([r[case].dice for r in runs.values()]), case))


def _truth_file(source: Source, scenario: str, case: str) -> Path:
    settings = source.settings
    return source.label(case, settings.target_of(scenario) or settings.registration.fixed)


def _predictions(
    source: Source, scenario: str, case: str, runs: Runs
) -> Iterator[tuple[str, Path]]:
    for method, of_cases in runs.items():
        run = of_cases[case]
        yield method, source.run(method, run.fold, run.seed, scenario) / f"{case}.nii.gz"


def _meshes(
    source: Source, region: str, scenario: str, case: str, runs: Runs
) -> tuple[Mesh, dict[str, Mesh]]:
    """The surface of the truth, and that of each method's segmentation."""
    data = source.settings.data
    label, spacing = read_axial(_truth_file(source, scenario, case))
    truth = surface_mesh(np.isin(label, data.values_of(region)), spacing)
    meshes = {}
    for method, path in _predictions(source, scenario, case, runs):
        array, spacing = read_axial(path)
        meshes[method] = surface_mesh(np.isin(array, data.indices_of(region)), spacing)
    return truth, meshes


def _panels(
    case: str,
    truth: Mesh,
    meshes: Mapping[str, Mesh],
    labels: Mapping[str, str],
    dice: Mapping[str, float],
) -> tuple[list[Panel], int]:
    """Pictures of the truth and of each method, and the end of their scale in mm."""
    away = {method: distances_to(mesh, truth) for method, mesh in meshes.items()}
    end = _end(list(away.values()))
    frame = Frame.around(truth, list(meshes.values()))
    outline = silhouette(truth, frame)
    colours = LinearSegmentedColormap.from_list("distance", SCALE)
    plain = np.tile(colours(0.0)[:3], (len(truth.vertices), 1))
    picture = draw_surface(truth, plain, frame)
    panels = [Panel(picture, "Ground truth", f"true surface in case {case}, from the front")]
    for method, label in labels.items():
        mesh = meshes.get(method, NOTHING)
        shades = colours(away.get(method, np.empty(0)) / end)[:, :3]
        note = f"Dice {dice[method]:.1f} %" if method in dice else "not run"
        panels.append(
            Panel(
                draw_surface(mesh, shades, frame, outline),
                label,
                f"surface predicted by {label}, coloured by its distance to the true surface",
                note if len(mesh.vertices) or method not in dice else f"{note}, nothing predicted",
            )
        )
    return panels, end


def _end(distances: Sequence[np.ndarray]) -> int:
    reached = [float(np.percentile(of_one, _PERCENT)) for of_one in distances if len(of_one)]
    middle = float(np.median(reached)) if reached else 0.0
    return next((end for end in _ENDS if end >= middle), _ENDS[-1])
