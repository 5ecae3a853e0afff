"""Images of a case beside each other, each with the outlines of all their truths."""

import numpy as np

from remodal.report.figures import Example, Row
from remodal.report.sections import PLANES, Sections
from remodal.report.slices import OUTLINES, read_axial
from remodal.report.views import Source, written
from remodal.results.paths import splits_file
from remodal.settings import Settings
from remodal.settings.figures import TruthSettings
from remodal.splits import read_splits


def truth_figures(source: Source) -> list[Example]:
    """The figures that a study asks for, of cases that have all the images with their truths."""
    found = (_figure(source, wanted) for wanted in source.settings.figures.truths)
    return [figure for figure in found if figure is not None]


def _figure(source: Source, wanted: TruthSettings) -> Example | None:
    case = _chosen(source, wanted)
    if case is None:
        return None
    region = wanted.region or next(iter(source.settings.data.regions))
    truths = {
        source.settings.truth_of(name): truth_mask(source, case, name, region)
        for name in wanted.images
    }
    masks, heading_of = list(truths.values()), source.settings.heading_of
    sections = Sections(source, case, wanted.images, masks)
    rows = [
        Row(
            plane.name,
            [
                sections.panel(plane, name, masks, heading_of(name), "true outlines")
                for name in wanted.images
            ],
        )
        for plane in PLANES
    ]
    text = f"{_legend(source.settings, truths, region)}."
    if wanted.most:
        called = source.settings.figures.name_of(wanted.most)
        text += f" {called}: {source.number(case, wanted.most):.1f}, the largest of all cases."
    title = f"{wanted.title}: case {case}" if wanted.title else f"Case {case}"
    return Example("", title, text, rows)


def _legend(settings: Settings, truths: dict[str, np.ndarray], region: str) -> str:
    """Which colour is the truth of which image."""
    named = region.replace("_", " ")
    if len(truths) == 1:
        return f"The {next(iter(OUTLINES))} line is the {named}"
    said = (f"{colour} in {settings.heading_of(name)}" for colour, name in zip(OUTLINES, truths))
    return f"Outlines of the {named}: {', '.join(said)}"


def _chosen(source: Source, wanted: TruthSettings) -> str | None:
    """The case with the largest number asked for, or else the first that can be shown."""
    cases = [
        case
        for case in sorted(read_splits(splits_file(source.study))["modalities"])
        if all(written(source.image(case, name)) for name in wanted.images)
        and all(written(source.label(case, name)) for name in wanted.images)
    ]
    return source.case_with_most(cases, wanted.most) if wanted.most else next(iter(cases), None)


def truth_mask(source: Source, case: str, modality: str, region: str) -> np.ndarray:
    """The truth of an image (z, y, x), turned as `read_axial` turns it."""
    label, _ = read_axial(source.label(case, modality))
    return np.isin(label, source.settings.data.values_of(region))
