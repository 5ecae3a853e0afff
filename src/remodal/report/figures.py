"""Figures 2 and 3 of the MAML paper, from our own predictions, chosen by a rule and not by eye.

Which methods are compared follows from the study's tables: in a scenario, "ours" is the table's
reference method and the rival is the first other row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from remodal.config import Settings
from remodal.report.slices import (
    Box,
    Panel,
    arrow_to,
    box_around,
    draw,
    grey_range,
    is_ct,
    read_axial,
    slice_of_most,
)


@dataclass(frozen=True)
class Row:
    """Pictures that stand beside one another, for one modality."""

    heading: str
    panels: list[Panel]


@dataclass(frozen=True)
class Example:
    """One case of a figure: its rows, the scenario it was chosen in, and what it shows."""

    scenario: str
    heading: str
    text: str
    rows: list[Row]


@dataclass(frozen=True)
class Source:
    """Where a figure's pictures come from."""

    settings: Settings
    study: Path
    data: Path

    def image(self, case: str, modality: str) -> Path:
        """A registered image."""
        return self.data / "registered" / case / f"{modality}.nii.gz"

    def label(self, case: str) -> Path:
        """The ground truth of a registered case, in the values of its source."""
        return self.data / "registered" / case / "label.nii.gz"

    def run(self, method: str, fold: int, seed: int, scenario: str) -> Path:
        """The predictions of one trained model in one scenario."""
        return self.study / "predictions" / method / f"fold{fold}-seed{seed}" / scenario

    def title(self, method: str) -> str:
        """The method's name in the tables."""
        return self.settings.methods[method].label or method


class View:
    """One slice of one case: images, ground truth and predictions share its crop and window."""

    def __init__(self, source: Source, case: str) -> None:
        self._source, self._case = source, case
        values = [v for group in source.settings.data.classes.values() for v in group]
        label, self._spacing = read_axial(source.label(case))
        self._labelled = label > 0
        self._truth = np.isin(label, values)
        self._index = slice_of_most(self._truth)
        self._images: dict[str, np.ndarray] = {}

    def image(self, modality: str) -> np.ndarray:
        """A modality of the case (z, y, x), read once."""
        if modality not in self._images:
            self._images[modality], _ = read_axial(self._source.image(self._case, modality))
        return self._images[modality]

    def image_panel(self, modality: str) -> Panel:
        """A modality's slice without an outline."""
        heading = "CT image" if is_ct(self.image(modality)) else "Image"
        return self.panel(
            modality, heading, f"{modality} image of case {self._case}; an arrow marks the lesion"
        )

    @cached_property
    def _box(self) -> Box:
        seen = self._labelled[self._index]
        return box_around(seen, self._spacing[1:])

    def look_at(self, mask: np.ndarray) -> None:
        """Move to the slice that holds most of a mask (unchanged when it is empty)."""
        if mask.any():
            self._index = slice_of_most(mask)
            self.__dict__.pop("_box", None)

    def truth(self) -> np.ndarray:
        """Ground truth of all classes together (z, y, x)."""
        return self._truth

    def prediction(self, folder: Path) -> np.ndarray:
        """A predicted mask of all classes together (z, y, x)."""
        array, _ = read_axial(folder / f"{self._case}.nii.gz")
        return array > 0

    def panel(
        self,
        modality: str,
        heading: str,
        description: str,
        *,
        mask: np.ndarray | None = None,
        note: str = "",
    ) -> Panel:
        """A modality's slice, with a mask's outline, and an arrow to the largest true object."""
        image = self.image(modality)
        picture = draw(
            image[self._index][self._box],
            self._spacing[1:],
            grey_range(image),
            outlines=[] if mask is None else [mask[self._index][self._box]],
            arrow=self._arrow,
        )
        return Panel(picture, heading, description, note)

    def map_panel(
        self, values: np.ndarray, limits: tuple[float, float], heading: str, description: str
    ) -> Panel:
        """A heat map's slice."""
        shown = values[self._index][self._box]
        picture = draw(shown, self._spacing[1:], (0, 1), heat=shown, heat_range=limits)
        note = f"dark {limits[0]:.2f}, bright {limits[1]:.2f}"
        return Panel(picture, heading, description, note)

    def crop(self, values: np.ndarray) -> np.ndarray:
        """The shown part of a map (z, y, x)."""
        return values[self._index][self._box]

    @property
    def _arrow(self):
        return arrow_to(self._truth[self._index][self._box], self._spacing[1:])


def attention_examples(source: Source, cases: pd.DataFrame, count: int = 2) -> list[Example]:
    """Figure 2: attention maps beside the image and the output.

    Shown are the test cases with the highest Dice among those with attention maps, each of another
    group where groups are given.
    """
    for method, scenario in _multimodal_cells(source.settings):
        runs = _runs(cases, method, scenario)
        shown: list[Example] = []
        groups: set[str] = set()
        for run in runs.sort_values(["dice", "case"], ascending=[False, True]).itertuples():
            folder = source.run(method, run.fold, run.seed, scenario)
            maps = _attention_maps(folder, run.case)
            if not maps or (run.group and run.group in groups):
                continue
            groups.add(run.group)
            shown.append(_attention_example(source, run, folder, maps))
            if len(shown) == count:
                break
        if shown:
            return shown
    return []


def _multimodal_cells(settings: Settings) -> Iterator[tuple[str, str]]:
    """Cells with several modalities, the tables' reference methods first."""
    several = [name for name, present in settings.scenarios.items() if len(present) > 1]
    for table in settings.tables.values():
        yield from ((method, s) for s, method in table.reference.items() if s in several)
    for table in settings.tables.values():
        yield from ((row.method, row.scenario) for row in table.rows if row.scenario in several)


def _attention_maps(folder: Path, case: str) -> dict[str, Path]:
    paths = {
        path.parent.name.removeprefix("attention-"): path
        for path in sorted(folder.glob(f"attention-*/{case}.nii.gz"))
    }
    return {name: path for name, path in paths.items() if path.stat().st_size}


def _attention_example(source: Source, run, folder: Path, maps: Mapping[str, Path]) -> Example:
    view = View(source, run.case)
    values = {name: read_axial(path)[0] for name, path in maps.items()}
    shown = np.concatenate([view.crop(array).ravel() for array in values.values()])
    limits = (float(np.percentile(shown, 1)), float(np.percentile(shown, 99)))
    output = view.prediction(folder)
    rows = []
    for name, array in values.items():
        known = name in source.settings.data.modalities
        modality = name if known else source.settings.registration.fixed
        rows.append(
            Row(
                _title(name),
                [
                    view.image_panel(modality),
                    view.map_panel(
                        array, limits, "Attention map", f"attention map of the {name} phase"
                    ),
                    view.panel(
                        modality,
                        "Output",
                        "predicted outline on the same slice",
                        mask=output,
                        note=f"Dice {run.dice:.1f} %",
                    ),
                ],
            )
        )
    group = f", {run.group}" if run.group else ""
    return Example(run.scenario, f"Case {run.case}{group}", "", rows)


def failure_examples(source: Source, cases: pd.DataFrame) -> list[Example]:
    """Figure 3: where a single-phase method fails and the reference method does not.

    For each one-modality scenario of a table, the test case in which the reference method's Dice
    exceeds the rival's most; both phases of the case are shown.
    """
    rivals = single_modality_rivals(source.settings)
    examples = []
    for scenario in rivals:
        gains = _gains(source, cases, scenario, *rivals[scenario])
        chosen = next(iter(gains.itertuples()), None)
        if chosen is not None and chosen.gain > 0:
            examples.append(_failure_example(source, cases, scenario, chosen, rivals))
    return examples


def single_modality_rivals(settings: Settings) -> dict[str, tuple[str, str]]:
    """For each one-modality scenario of a table: the rival and the reference method."""
    found: dict[str, tuple[str, str]] = {}
    for table in settings.tables.values():
        for scenario, ours in table.reference.items():
            others = [r.method for r in table.rows if r.scenario == scenario and r.method != ours]
            if len(settings.scenarios[scenario]) == 1 and others:
                found.setdefault(scenario, (others[0], ours))
    return found


def _runs(cases: pd.DataFrame, method: str, scenario: str) -> pd.DataFrame:
    """Cases of a cell with the first seed that measured them, Dice averaged over the classes."""
    cell = cases[(cases["method"] == method) & (cases["scenario"] == scenario)]
    keys = ["case", "fold", "seed", "group", "scenario"]
    mean = cell.groupby(keys, as_index=False, dropna=False)["dice"].mean()
    first = mean.sort_values(["case", "fold", "seed"]).drop_duplicates("case")
    return first[first["dice"].notna()].fillna({"group": ""}).reset_index(drop=True)


def _gains(
    source: Source, cases: pd.DataFrame, scenario: str, rival: str, ours: str
) -> pd.DataFrame:
    """Cases by falling gain in Dice, those whose two predictions both exist."""
    pair = _runs(cases, ours, scenario).merge(
        _runs(cases, rival, scenario),
        on=["case", "fold", "seed", "scenario"],
        suffixes=("", "_rival"),
    )
    pair["gain"] = pair["dice"] - pair["dice_rival"]
    there = [
        all(
            _written(source.run(method, run.fold, run.seed, scenario) / f"{run.case}.nii.gz")
            for method in (rival, ours)
        )
        for run in pair.itertuples()
    ]
    return pair[np.array(there, bool)].sort_values(["gain", "case"], ascending=[False, True])


def _written(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _failure_example(
    source: Source,
    cases: pd.DataFrame,
    scenario: str,
    chosen,
    rivals: Mapping[str, tuple[str, str]],
) -> Example:
    view = View(source, chosen.case)
    rival, ours = rivals[scenario]
    folder = source.run(rival, chosen.fold, chosen.seed, scenario)
    view.look_at(view.truth() & ~view.prediction(folder))
    rows = [_failure_row(source, cases, view, chosen, other, rivals[other]) for other in rivals]
    group = f" ({chosen.group})" if chosen.group else ""
    text = (
        f"With the {scenario} phase alone, {source.title(rival)} reaches a Dice of "
        f"{chosen.dice_rival:.1f} % and {source.title(ours)} {chosen.dice:.1f} %: the largest gain "
        "of all test cases."
    )
    return Example(scenario, f"{_title(scenario)} phase: case {chosen.case}{group}", text, rows)


def _failure_row(
    source: Source,
    cases: pd.DataFrame,
    view: View,
    chosen,
    scenario: str,
    methods: Sequence[str],
) -> Row:
    modality = source.settings.scenarios[scenario][0]
    image = view.image_panel(modality)
    panels = [
        image,
        view.panel(modality, "Ground truth", "true outline in red", mask=view.truth()),
    ]
    for method, heading in zip(methods, ("Single phase", "Ours"), strict=True):
        folder = source.run(method, chosen.fold, chosen.seed, scenario)
        name = f"{heading}: {source.title(method)}"
        if not _written(folder / f"{chosen.case}.nii.gz"):
            panels.append(replace(image, heading=name, note="not run"))
            continue
        mask = view.prediction(folder)
        dice = _dice_of(cases, method, scenario, chosen)
        note = dice if mask.any() else f"{dice}, nothing predicted"
        panels.append(
            view.panel(modality, name, f"outline predicted by {name}", mask=mask, note=note)
        )
    return Row(_title(scenario), panels)


def _dice_of(cases: pd.DataFrame, method: str, scenario: str, run) -> str:
    same = (cases["fold"] == run.fold) & (cases["seed"] == run.seed) & (cases["case"] == run.case)
    cell = cases[same & (cases["method"] == method) & (cases["scenario"] == scenario)]
    value = cell["dice"].mean()
    return "Dice undefined" if np.isnan(value) else f"Dice {value:.1f} %"


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
