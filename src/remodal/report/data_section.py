"""The section about the data: what was scanned and drawn, who is in which set, who is unlike."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from remodal.report.breakdowns import Chart
from remodal.report.charts import Box, box_plots, histograms
from remodal.report.comparison import heading
from remodal.report.data_numbers import (
    ImageNumbers,
    LabelNumbers,
    Spread,
    image_numbers,
    in_words,
    label_numbers,
    spread,
)
from remodal.report.data_outliers import FEWEST, Outlier, outliers
from remodal.report.wording import DASH
from remodal.results.files import read_json
from remodal.results.paths import fingerprint_file
from remodal.results.records import Record
from remodal.settings import Settings
from remodal.splits import SETS

_SETS = {"train": "Training", "validation": "Validation", "test": "Test"}
#: Normalisations whose mean and deviation are each case's own.
_OF_CASE = ("case", "case_nonzero", "crop", "image")
#: Columns of the table of images, and what each shows.
_COLUMNS = {
    "Slices apart [mm]": "apart",
    "Pixel [mm]": "pixel",
    "Slices": "slices",
    "Covered [mm]": "covered",
    "0.5 %": "lower",
    "99.5 %": "upper",
}
#: More boxes under each other are not looked at.
_MOST_GROUPS = 8


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
) -> DataSection:
    """Describe the cases in use, from what the stages noted of them; no image is read.

    Args:
        settings: the study.
        study: its folder, for what was measured on the training cases.
        records: of all stages.
        splits: content of splits.json.
        cases: per-case rows of what was measured.
    """
    used = set(splits["patients"])
    images = image_numbers(records, used)
    labels = label_numbers(settings, records, used)
    groups = sorted({group for group in splits["groups"].values() if group})
    columns, rows = _image_rows(settings, study, images)
    drawn = _label_charts(settings, labels, cases, splits)
    return DataSection(
        columns,
        rows,
        groups,
        _set_rows(splits, groups),
        [*_image_charts(settings, images, records), *drawn],
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
            rows.append(ImageRow(heading(name), len(found), _scanners(found), numbers))
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


def _image_charts(
    settings: Settings, images: Sequence[ImageNumbers], records: Sequence[Record]
) -> Iterator[Chart]:
    if not images:
        return
    of_image = {
        name: found
        for name in settings.data.originals
        if (found := [one for one in images if one.image == name])
    }

    def boxes(what: str) -> list[Box]:
        named = ((name, [getattr(one, what) for one in found]) for name, found in of_image.items())
        return [Box(heading(name), [v for v in values if isfinite(v)]) for name, values in named]

    yield Chart(
        "Spacing",
        box_plots({"Distance of slices": boxes("apart"), "Side of a pixel": boxes("pixel")}, "mm"),
        "Each point is an image as it was scanned.",
    )
    ends = {"Dark (0.5th percentile)": boxes("lower"), "Bright (99.5th percentile)": boxes("upper")}
    means = _means(settings, records)
    if means:
        ends["Mean of what is normalised"] = [Box(heading(n), list(v)) for n, v in means.items()]
    if any(box.values for boxes_ in ends.values() for box in boxes_):
        yield Chart(
            "Intensities",
            box_plots(ends, "Intensity, as stored"),
            "Percentiles of the whole image as it was scanned"
            + ("; means after the crop and the clipping." if means else "."),
        )


def _means(settings: Settings, records: Sequence[Record]) -> dict[str, list[float]]:
    """Each case's mean of what is normalised, by modality, where each has a mean of its own."""
    if settings.preprocessing.normalise not in _OF_CASE:
        return {}
    told = {
        record.case: record.details.get("intensities", {})
        for record in records
        if record.stage == "preprocess" and record.ok
    }
    found = {
        name: [one[name]["mean"] for one in told.values() if name in one]
        for name in settings.data.originals
    }
    return {name: values for name, values in found.items() if values}


def _label_charts(
    settings: Settings,
    labels: Sequence[LabelNumbers],
    cases: pd.DataFrame,
    splits: Mapping[str, Any],
) -> Iterator[Chart]:
    drawn = [one for one in labels if one.volume > 0]
    if drawn:
        panels = {}
        for region, name in dict.fromkeys((one.region, one.image) for one in drawn):
            found = [one for one in drawn if (one.region, one.image) == (region, name)]
            panels[_of_label(settings, region, name)] = _by_group(found, splits["groups"])
        yield Chart(
            "Volumes",
            box_plots(panels, "ml", logarithmic=True),
            "Each point is what one label holds of a region. Labels without it are not drawn.",
        )
    counts = _lesions(settings, cases)
    if counts:
        yield Chart(
            "Objects per test case",
            histograms(counts, counts=True),
            "Connected parts of the truth, which the metrics count as lesions, in the cases that "
            "are tested; an empty label has none.",
        )


def _of_label(settings: Settings, region: str, image: str) -> str:
    """A region and, where each image has a truth of its own, the image."""
    return heading(region) + (f" in {heading(image)}" if settings.data.truth == "image" else "")


def _by_group(labels: Sequence[LabelNumbers], groups: Mapping[str, str]) -> list[Box]:
    """All labels of a region, and those of each group if there are some groups."""
    boxes = [Box("All", [one.volume for one in labels], highlighted=True)]
    names = sorted({groups.get(one.case, "") for one in labels} - {""})
    if 1 < len(names) <= _MOST_GROUPS:
        boxes += [
            Box(name, [one.volume for one in labels if groups.get(one.case) == name])
            for name in names
        ]
    return boxes


def _lesions(settings: Settings, cases: pd.DataFrame) -> dict[str, list[float]]:
    """True lesions of each test case by region and, if each has its own truth, by image."""
    counts: dict[str, list[float]] = {}
    if "lesions" not in cases:
        return counts
    told = cases.assign(target=cases["scenario"].map(settings.target_of))
    for region in settings.data.regions:
        of_region = told[told["region"] == region]
        for target, rows in of_region.groupby("target"):
            found = rows.dropna(subset=["lesions"]).drop_duplicates("case")
            counts[_of_label(settings, region, str(target))] = (
                found["lesions"].astype(float).tolist()
            )
    return counts
