"""The section about the data: what was scanned and drawn, who is in which set, who is unlike."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from remodal.report.breakdowns import Chart
from remodal.report.data_charts import image_charts, label_charts
from remodal.report.data_numbers import (
    ImageNumbers,
    Spread,
    image_numbers,
    in_words,
    label_numbers,
    spread,
)
from remodal.report.data_outliers import FEWEST, Outlier, outliers
from remodal.report.lesion_sizes import size_chart
from remodal.report.wording import DASH
from remodal.results.files import read_json
from remodal.results.paths import fingerprint_file
from remodal.results.records import Record
from remodal.settings import Settings
from remodal.splits import SETS

_SETS = {"train": "Training", "validation": "Validation", "test": "Test"}
#: Columns of the table of images, and what each shows.
_COLUMNS = {
    "Slices apart [mm]": "apart",
    "Pixel [mm]": "pixel",
    "Slices": "slices",
    "Covered [mm]": "covered",
    "0.5 %": "lower",
    "99.5 %": "upper",
}


@dataclass(frozen=True)
class ImageRow:
    """The images of one modality: how many, what made them, and the numbers of all of them."""

    name: str
    count: int
    scanners: str
    numbers: list[Spread]


@dataclass(frozen=True)
class SetRow:
    """Who is in one set of a fold."""

    fold: int
    name: str
    patients: int
    cases: int
    groups: list[int]


@dataclass(frozen=True)
class DataSection:
    """What the section shows; empty lists where the records do not say it.

    `columns` are those of `images`; `compared` tells whether there are enough images for one to be
    unlike the others.
    """

    columns: list[str]
    images: list[ImageRow]
    groups: list[str]
    sets: list[SetRow]
    charts: list[Chart]
    outliers: list[Outlier]
    compared: bool


def data_section(
    settings: Settings,
    study: Path,
    records: Sequence[Record],
    splits: Mapping[str, Any],
    cases: pd.DataFrame,
    lesions: pd.DataFrame,
) -> DataSection:
    """Describe the cases in use, from what the stages noted of them; no image is read.

    Args:
        settings: the study.
        study: its folder, for what was measured on the training cases.
        records: of all stages.
        splits: content of splits.json.
        cases: per-case rows of what was measured.
        lesions: the true lesions, as `study_lesions` gives them.
    """
    used = set(splits["patients"])
    images = image_numbers(records, used)
    labels = label_numbers(settings, records, used)
    groups = sorted({group for group in splits["groups"].values() if group})
    columns, rows = _image_rows(settings, study, images)
    drawn = label_charts(settings, labels, cases, splits["groups"])
    sizes = size_chart(settings, lesions, splits["groups"])
    return DataSection(
        columns,
        rows,
        groups,
        _set_rows(splits, groups),
        [*image_charts(settings, images, records), *drawn, *sizes],
        outliers(images, labels),
        max((row.count for row in rows), default=0) >= FEWEST,
    )


def _image_rows(
    settings: Settings, study: Path, images: Sequence[ImageNumbers]
) -> tuple[list[str], list[ImageRow]]:
    """Headings and rows of the table of images."""
    foreground = _foreground(study)
    columns = [*_COLUMNS, *(["In the classes"] if foreground else [])]
    rows = []
    for name in settings.data.originals:
        found = [one for one in images if one.image == name]
        if found:
            numbers = [spread(getattr(one, what) for one in found) for what in _COLUMNS.values()]
            numbers += [foreground.get(name, Spread(DASH))] if foreground else []
            rows.append(ImageRow(settings.heading_of(name), len(found), _scanners(found), numbers))
    return columns, rows


def _scanners(images: Sequence[ImageNumbers]) -> str:
    """What made images, the commonest first, with how many; empty if no file says it."""
    counts = Counter(one.scanner for one in images)
    if set(counts) == {""}:
        return ""
    return ", ".join(f"{name or 'unknown'} ({n})" for name, n in counts.most_common())


def _foreground(study: Path) -> dict[str, Spread]:
    """Mean and deviation of the classes' voxels in the first fold's training cases, if measured."""
    path = fingerprint_file(study, 0)
    measured = read_json(path).get("foreground", {}) if path.is_file() else {}
    return {
        name: Spread(f"{in_words(one['mean'])} ± {in_words(one['sd'])}")
        for name, one in measured.items()
    }


def _set_rows(splits: Mapping[str, Any], groups: Sequence[str]) -> list[SetRow]:
    """Patients and groups of each set; none where the table of cases says it all."""
    patients = splits["patients"]
    if not groups and len(set(patients.values())) == len(patients):
        return []
    rows = []
    for number, fold in enumerate(splits["folds"]):
        for name in SETS:
            members = fold[name]
            of_group = Counter(splits["groups"].get(case, "") for case in members)
            people = len({patients[case] for case in members})
            counts = [of_group[group] for group in groups]
            rows.append(SetRow(number, _SETS[name], people, len(members), counts))
    return rows
