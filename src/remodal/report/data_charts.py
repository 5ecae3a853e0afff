"""Charts of the data: spacing, intensities, volumes of what was drawn, objects per case."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

import pandas as pd

from remodal.report.breakdowns import Chart
from remodal.report.charts import Box, box_plots, histograms
from remodal.report.data_numbers import ImageNumbers, LabelNumbers
from remodal.results.records import Record
from remodal.settings import Settings

#: Normalisations whose mean and deviation are each case's own.
_OF_CASE = ("case", "case_nonzero", "crop", "image")
#: More boxes under each other are not looked at.
_MOST_GROUPS = 8


def image_charts(
    settings: Settings, images: Sequence[ImageNumbers], records: Sequence[Record]
) -> Iterator[Chart]:
    """Spacing and intensities, a box for each modality; none without images.

    Args:
        settings: the study.
        images: as they were scanned.
        records: of all stages, for what was normalised.
    """
    if not images:
        return
    apart, pixel = _boxes(settings, images, "apart"), _boxes(settings, images, "pixel")
    yield Chart(
        "Spacing",
        box_plots({"Distance of slices": apart, "Side of a pixel": pixel}, "mm"),
        "Each point is an image as it was scanned.",
    )
    panels = {
        "Dark (0.5th percentile)": _boxes(settings, images, "lower"),
        "Bright (99.5th percentile)": _boxes(settings, images, "upper"),
    }
    means = [
        Box(settings.heading_of(name), values) for name, values in _means(settings, records).items()
    ]
    panels |= {"Mean of what is normalised": means} if means else {}
    if any(box.values for boxes in panels.values() for box in boxes):
        yield Chart(
            "Intensities",
            box_plots(panels, "Intensity, as stored"),
            "Percentiles of the whole image as it was scanned"
            + ("; means after the crop and the clipping." if means else "."),
        )


def _boxes(settings: Settings, images: Sequence[ImageNumbers], what: str) -> list[Box]:
    """A number of the images that have it, by modality."""
    values = {
        name: [getattr(one, what) for one in images if one.image == name]
        for name in settings.data.originals
    }
    return [
        Box(settings.heading_of(name), [value for value in found if isfinite(value)])
        for name, found in values.items()
        if found
    ]


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


def label_charts(
    settings: Settings,
    labels: Sequence[LabelNumbers],
    cases: pd.DataFrame,
    groups: Mapping[str, str],
) -> Iterator[Chart]:
    """Volumes of what was drawn, a box for each group; and how many objects a test case has.

    Args:
        settings: the study.
        labels: the volume of each region in each label.
        cases: per-case rows of what was measured.
        groups: of the cases; empty: of none.
    """
    drawn = [one for one in labels if one.volume > 0]
    if drawn:
        panels = {}
        for region, name in dict.fromkeys((one.region, one.image) for one in drawn):
            found = [one for one in drawn if (one.region, one.image) == (region, name)]
            panels[label_title(settings, region, name)] = boxes_by_group(
                [(one.case, one.volume) for one in found], groups
            )
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


def label_title(settings: Settings, region: str, image: str) -> str:
    """A region and, where each image has a truth of its own, the image."""
    title = settings.heading_of(region)
    return f"{title} in {settings.heading_of(image)}" if settings.data.truth == "image" else title


def boxes_by_group(values: Sequence[tuple[str, float]], groups: Mapping[str, str]) -> list[Box]:
    """All values, each with its case, and those of each group if there are a few groups."""
    boxes = [Box("All", [value for _, value in values], highlighted=True)]
    names = sorted({groups.get(case, "") for case, _ in values} - {""})
    if 1 < len(names) <= _MOST_GROUPS:
        boxes += [
            Box(name, [value for case, value in values if groups.get(case) == name])
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
            counts[label_title(settings, region, str(target))] = (
                found["lesions"].astype(float).tolist()
            )
    return counts
