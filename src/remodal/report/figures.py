"""Pictures of our own predictions, for cases that are chosen by a rule rather than by eye.

Which methods are compared follows from the study's tables: in a scenario, "ours" is the table's
reference method and the rival is the first other row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from remodal.report.measured import Measured, measured
from remodal.report.slices import Panel, read_axial
from remodal.report.views import Source, View, written
from remodal.settings import Settings


@dataclass(frozen=True)
class Row:
    """Pictures that stand beside one another, for one modality."""

    heading: str
    panels: list[Panel]


@dataclass(frozen=True)
class Example:
    """One case of a figure: its rows, the scenario it was chosen in, and what it shows.

    `signed` says whether it has maps whose zero matters, `named` whether it has others that belong
    to no single image.
    """

    scenario: str
    heading: str
    text: str
    rows: list[Row]
    signed: bool = False
    named: bool = False


def attention_examples(source: Source, cases: pd.DataFrame, count: int = 2) -> list[Example]:
    """Attention maps beside the image and the output.

    The test cases are those with the highest Dice among those that have attention maps, each from a
    different group if groups are given.
    """
    for method, scenario in _cells(source.settings):
        runs = measured(cases, method, scenario)
        shown: list[Example] = []
        groups: set[str] = set()
        for run in sorted(runs, key=lambda run: (-run.dice, run.case)):
            folder = source.run(method, run.fold, run.seed, scenario)
            maps = _attention_maps(folder, run.case, source.settings.data.modalities)
            if not maps or run.group in groups or not source.has_images(run.case):
                continue
            groups |= {run.group} - {""}
            shown.append(_attention_example(source, method, scenario, run, folder, maps))
            if len(shown) == count:
                break
        if shown:
            return shown
    return []


def _cells(settings: Settings) -> Iterator[tuple[str, str]]:
    """All cells, those with several modalities first, and the tables' reference methods first."""
    several = [name for name, chosen in settings.scenarios.items() if len(chosen.present) > 1]
    for scenarios in (several, [name for name in settings.scenarios if name not in several]):
        for table in settings.tables.values():
            references = settings.references_of(table)
            yield from ((method, name) for name, method in references if name in scenarios)
        yield from (
            (cell.method, cell.scenario) for cell in settings.cells() if cell.scenario in scenarios
        )


def _attention_maps(folder: Path, case: str, modalities: Sequence[str]) -> dict[str, Path]:
    """A case's maps by name, those of the modalities first, in the study's order."""
    paths = {
        path.parent.name.removeprefix("attention-"): path
        for path in sorted(folder.glob(f"attention-*/{case}.nii.gz"))
    }
    order = [name for name in modalities if name in paths]
    order += [name for name in paths if name not in order]
    return {name: paths[name] for name in order if written(paths[name])}


def _attention_example(
    source: Source,
    method: str,
    scenario: str,
    run: Measured,
    folder: Path,
    maps: Mapping[str, Path],
) -> Example:
    settings = source.settings
    view = View(source, run.case, settings.target_of(scenario) or settings.registration.fixed)
    values = {name: read_axial(path)[0] for name, path in maps.items()}
    output = view.prediction(folder)
    rows = []
    for name, panel in _map_panels(view, settings, values).items():
        modality = _image_of(settings, name)
        shown = view.panel(
            modality,
            "Output",
            "predicted outline on the same slice",
            outlines=output,
            note=f"Dice {run.dice:.1f} %",
        )
        rows.append(Row(settings.heading_of(name), [view.image_panel(modality), panel, shown]))
    group = f", {run.group}" if run.group else ""
    title = source.settings.title_of(method)
    kinds = {_kind(settings, *item) for item in values.items()}
    return Example(
        scenario, f"Case {run.case}{group}", title, rows, "signed" in kinds, "named" in kinds
    )


def _map_panels(view: View, settings: Settings, maps: Mapping[str, np.ndarray]) -> dict[str, Panel]:
    """A picture of each map; maps of one kind share a scale, that of signed ones is about 0."""
    panels = {}
    for name, values in maps.items():
        kind = _kind(settings, name, values)
        alike = [other for key, other in maps.items() if _kind(settings, key, other) == kind]
        shown = np.concatenate([view.crop(array).ravel() for array in alike])
        if kind == "signed":
            limit = float(np.percentile(abs(shown), 99))
            named = settings.heading_of(name)
            text = f"{named}, red below zero and blue above it, with the true outline"
            modality = _image_of(settings, name)
            panels[name] = view.signed_panel(values, limit, modality, "Level set", text)
        else:
            limits = (float(np.percentile(shown, 1)), float(np.percentile(shown, 99)))
            title, text = "Attention map", f"attention map of the {name} image"
            if kind == "named":
                title, text = "Map", f"map: {settings.heading_of(name).lower()}"
            panels[name] = view.map_panel(values, limits, title, text)
    return panels


def _image_of(settings: Settings, name: str) -> str:
    """The image that a map belongs to: that of its name, or else the fixed one."""
    return name if name in settings.data.modalities else settings.registration.fixed


def _kind(settings: Settings, name: str, values: np.ndarray) -> Literal["signed", "image", "named"]:
    """Of values below zero too, as a level set has; of an image, as a weight is; or neither."""
    if values.min() < 0:
        return "signed"
    return "image" if name in settings.data.modalities else "named"


def failure_examples(source: Source, cases: pd.DataFrame) -> list[Example]:
    """Where a method of a single modality fails and the reference method does not.

    For each one-modality scenario of a table, this is the test case in which the reference method's
    Dice exceeds the rival's by the most; the case is shown in all such scenarios.
    """
    rivals = single_modality_rivals(source.settings)
    examples = []
    for scenario in rivals:
        gains = _gains(source, cases, scenario, *rivals[scenario])
        if gains and gains[0][0].dice > gains[0][1].dice:
            examples.append(_failure_example(source, cases, scenario, *gains[0], rivals))
    return examples


def single_modality_rivals(settings: Settings) -> dict[str, tuple[str, str]]:
    """For each one-modality scenario of a table: the rival and the reference method.

    The rival is the table's first method that was trained on this modality alone, or else its first
    other one. Scenarios in native space are left out: the pictures show registered images.
    """
    found: dict[str, tuple[str, str]] = {}
    for table in settings.tables.values():
        for scenario, ours in table.reference.items():
            chosen = settings.scenarios[scenario]
            cells = [cell for row in settings.cells_of(table) for cell in row if cell.metric]
            others = [c.method for c in cells if c.scenario == scenario and c.method != ours]
            others.sort(key=lambda method: settings.modalities_of(method) != chosen.present)
            if len(chosen.present) == 1 and chosen.space == "registered" and others:
                found.setdefault(scenario, (others[0], ours))
    return found


def _alone(settings: Settings, scenario: str) -> str:
    """With which image alone, where a study has others."""
    if len(settings.data.modalities) == 1:
        return ""
    return f"With the {settings.scenarios[scenario].present[0]} image alone, "


def _gains(
    source: Source, cases: pd.DataFrame, scenario: str, rival: str, ours: str
) -> list[tuple[Measured, Measured]]:
    """Our and the rival's result for each case with all files, by decreasing gain in Dice."""
    rivals = {run.prediction: run for run in measured(cases, rival, scenario)}
    pairs = [
        (run, rivals[run.prediction])
        for run in measured(cases, ours, scenario)
        if run.prediction in rivals
        and source.has_images(run.case)
        and all(
            written(source.run(method, run.fold, run.seed, scenario) / f"{run.case}.nii.gz")
            for method in (rival, ours)
        )
    ]
    return sorted(pairs, key=lambda pair: (pair[1].dice - pair[0].dice, pair[0].case))


def _failure_example(
    source: Source,
    cases: pd.DataFrame,
    scenario: str,
    chosen: Measured,
    failed: Measured,
    rivals: Mapping[str, tuple[str, str]],
) -> Example:
    modality = source.settings.scenarios[scenario].present[0]
    view = View(source, chosen.case, modality)
    rival, ours = rivals[scenario]
    folder = source.run(rival, chosen.fold, chosen.seed, scenario)
    view.look_at(view.left_out(folder, modality))
    rows = [_failure_row(source, cases, view, chosen, other, rivals[other]) for other in rivals]
    group = f" ({chosen.group})" if chosen.group else ""
    first, second = source.settings.title_of(rival), source.settings.title_of(ours)
    text = (
        f"{_alone(source.settings, scenario)}{first} reaches a Dice of {failed.dice:.1f} % and "
        f"{second} {chosen.dice:.1f} %: the largest gain of all test cases."
    )
    return Example(
        scenario, f"{source.settings.heading_of(scenario)}: case {chosen.case}{group}", text, rows
    )


def _failure_row(
    source: Source,
    cases: pd.DataFrame,
    view: View,
    chosen: Measured,
    scenario: str,
    methods: Sequence[str],
) -> Row:
    modality = source.settings.scenarios[scenario].present[0]
    image = view.image_panel(modality)
    panels = [
        image,
        view.panel(modality, "Ground truth", "true outline", outlines=view.truth(modality)),
    ]
    alone = len(source.settings.modalities_of(methods[0])) == 1
    rival = "Single modality" if alone and len(source.settings.data.modalities) > 1 else "Other"
    for method, whose in zip(methods, (rival, "Ours"), strict=True):
        folder = source.run(method, chosen.fold, chosen.seed, scenario)
        name = f"{whose}: {source.settings.title_of(method)}"
        if not written(folder / f"{chosen.case}.nii.gz"):
            panels.append(replace(image, heading=name, note="not run"))
            continue
        masks = view.prediction(folder)
        dice = _dice_of(cases, method, scenario, chosen)
        note = dice if any(mask.any() for mask in masks) else f"{dice}, nothing predicted"
        panels.append(
            view.panel(modality, name, f"outline predicted by {name}", outlines=masks, note=note)
        )
    return Row(source.settings.heading_of(scenario), panels)


def _dice_of(cases: pd.DataFrame, method: str, scenario: str, chosen: Measured) -> str:
    """Dice of the very prediction that is shown."""
    found = {
        run.prediction: run.dice
        for run in measured(cases[cases["seed"] == chosen.seed], method, scenario)
    }
    value = found.get(chosen.prediction)
    return "Dice undefined" if value is None else f"Dice {value:.1f} %"
