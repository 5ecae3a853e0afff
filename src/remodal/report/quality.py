"""What happened to the cases: quarantine, warnings, and how well their images were registered."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from remodal.metrics.cases import FAILED
from remodal.registration.ways import described
from remodal.report.charts import histograms
from remodal.report.preparation_text import grid_text
from remodal.report.slices import Panel, png_uri
from remodal.report.views import written
from remodal.results.paths import registered_folder
from remodal.results.records import Record
from remodal.settings import Settings
from remodal.settings.names import label_name

_WORST = 6
_WHEN = ("before", "after")
_COLUMNS = {
    "mutual_information_before": "MI before",
    "mutual_information_after": "MI after",
    "overlap": "Overlap",
    "jacobian_minimum": "Jacobian min",
    "jacobian_maximum": "Jacobian max",
    "folded_fraction": "Folded",
    "displacement_mean_mm": "Mean shift [mm]",
    "displacement_maximum_mm": "Largest shift [mm]",
    "seconds": "Time [s]",
}
#: Only where images have labels of their own.
_LABELS_APART = ("displacement_mm", "Labels apart [mm]")


@dataclass(frozen=True)
class Note:
    """A case, the stage that reported it, the reason, and whether it met a fault of ours."""

    case: str
    stage: str
    reason: str
    fault: bool = False


@dataclass(frozen=True)
class Pair:
    """An image of a case, and what its registration's record says about it."""

    case: str
    modality: str
    quality: dict[str, Any]

    def value(self, name: str) -> float:
        """One number of the record; NaN where it has none."""
        return float(self.quality.get(name, nan))


@dataclass(frozen=True)
class Row:
    """A line of the table of all pairs, under `Registration.columns`."""

    case: str
    modality: str
    values: list[float]


@dataclass(frozen=True)
class Registration:
    """The registration section; empty lists when nothing was registered."""

    described: str
    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    thumbnails: list[Panel] = field(default_factory=list)
    histograms: str = ""
    caption: str = ""


def quarantined(records: list[Record], splits: dict[str, Any]) -> list[Note]:
    """Cases that no result includes, with the stage that first stopped them and its reason."""
    notes: dict[str, Note] = {}
    for record in records:
        if not record.ok:
            note = Note(record.case, record.stage, record.reason, record.fault)
            notes.setdefault(record.case, note)
    for case, reason in splits.get("quarantined", {}).items():
        notes.setdefault(case, Note(case, "split", reason))
    return sorted(notes.values(), key=lambda note: note.case)


def failed_predictions(settings: Settings, cases: pd.DataFrame) -> list[Note]:
    """Test cases that a fault of ours left without a value: in which row of the tables, and why.

    Args:
        settings: the study.
        cases: per-case rows of what was measured.
    """
    found = cases[cases[FAILED] != ""]
    notes = (
        Note(
            row.case,
            f"{settings.title_of(row.method)}, {row.scenario}, fold {row.fold}, seed {row.seed}",
            getattr(row, FAILED),
            fault=True,
        )
        for row in found.itertuples()
    )
    return list(dict.fromkeys(notes))


def warnings(records: list[Record], splits: dict[str, Any]) -> list[Note]:
    """Warnings about cases that were used nevertheless."""
    found = dict.fromkeys(
        Note(record.case, record.stage, text)
        for record in records
        if record.ok
        for text in record.warnings
    )
    doubts = splits.get("doubts", {})
    found |= {Note(case, "split", doubt): None for case, doubt in doubts.items()}
    return sorted(found, key=lambda note: (note.case, note.stage, note.reason))


_SHOWN: dict[str, Callable[[Pair], float]] = {
    "Mutual information gained [nats]": lambda pair: (
        pair.value("mutual_information_after") - pair.value("mutual_information_before")
    ),
    "Mean displacement [mm]": lambda pair: pair.value("displacement_mean_mm"),
    "Smallest Jacobian determinant": lambda pair: pair.value("jacobian_minimum"),
}


def registration_quality(settings: Settings, records: list[Record], data: Path) -> Registration:
    """How well each image of each case was brought onto the fixed one's grid.

    Args:
        settings: the study.
        records: of all stages.
        data: the data set's folder, for the pictures of the worst cases.
    """
    told = described(settings.registration)
    pairs = [
        Pair(record.case, modality, _of_label(record, modality) | record.details[modality])
        for record in records
        if record.stage == "register" and record.ok
        for modality in settings.data.modalities
        if modality in record.details
    ]
    if not pairs:
        return Registration(told)
    name, title = _LABELS_APART
    columns = _COLUMNS | ({name: title} if any(name in pair.quality for pair in pairs) else {})
    return Registration(
        told,
        list(columns.values()),
        [Row(pair.case, pair.modality, [pair.value(name) for name in columns]) for pair in pairs],
        _thumbnails(sorted(pairs, key=_doubtfulness), data),
        histograms({title: [value(pair) for pair in pairs] for title, value in _SHOWN.items()}),
        f"All images are on the grid of {_grid(settings, records)}. Mutual information is measured "
        "inside the body; a Jacobian determinant at or below zero would mean that the transform "
        "folds.",
    )


def _of_label(record: Record, modality: str) -> dict[str, Any]:
    """How far an image's label lies from the fixed image's, as registered, if both have one."""
    name = _LABELS_APART[0]
    distance = record.details.get(label_name(modality), {}).get(name)
    return {} if distance is None else {name: distance}


def _grid(settings: Settings, records: list[Record]) -> str:
    fixed = settings.registration.fixed
    others = any(record.details.get("fixed", fixed) != fixed for record in records)
    return (
        f"the {fixed} image{', or of the first image of a case that lacks it' if others else ''}"
        f"{grid_text(settings.registration.grid)}"
    )


def _doubtfulness(pair: Pair) -> tuple[float, float, str]:
    """Folded transforms first, then the least similar after registration."""
    return -pair.value("folded_fraction"), pair.value("mutual_information_after"), pair.case


def _thumbnails(pairs: list[Pair], data: Path) -> list[Panel]:
    """Pictures of the first cases that have one."""
    panels: dict[str, Panel] = {}
    for pair in pairs:
        path = registered_folder(data, pair.case) / "registration.png"
        if pair.case not in panels and written(path):
            before, after = (pair.value(f"mutual_information_{when}") for when in _WHEN)
            note = f"mutual information {before:.2f} before, {after:.2f} after"
            if folded := pair.value("folded_fraction"):
                note += f", {100 * folded:.2f} % folded"
            description = f"registration of case {pair.case}, before and after"
            source = png_uri(path.read_bytes())
            panels[pair.case] = Panel(source, f"Case {pair.case}", description, note)
        if len(panels) == _WORST:
            break
    return list(panels.values())
