"""How much is lost with the modalities: Dice against how many of them are present."""

from collections.abc import Iterator

import pandas as pd

from remodal.metrics.cases import cases_of_cell
from remodal.metrics.statistics import case_values
from remodal.report.breakdowns import Chart
from remodal.report.charts import Line, lines
from remodal.settings import Settings

#: Fewer numbers of modalities than these make no curve.
_FEWEST = 3

_CAPTION = (
    "Each point is the mean over all scenarios with that many modalities, each counting alike, and "
    "in each over the test cases. A point without a line is a method that takes no other number."
)


def modality_charts(settings: Settings, cases: pd.DataFrame) -> Iterator[Chart]:
    """Mean Dice against the number of modalities present, a panel for each region.

    Scenarios in native space or with another patient's images do not count. Nothing is drawn
    unless some method was tested with three different numbers of modalities.

    Args:
        settings: the study.
        cases: per-case rows.
    """
    if "dice" not in cases:
        return
    panels: dict[str, list[Line]] = {}
    for region in settings.data.regions:
        of_region = cases[cases["region"] == region]
        found = [_line(settings, of_region, method) for method in settings.methods]
        panels[settings.heading_of(region)] = [line for line in found if line.numbers]
    if any(len(line.numbers) >= _FEWEST for drawn in panels.values() for line in drawn):
        yield Chart(
            "Dice against the number of modalities",
            lines(panels, "Modalities present", "Dice [%]"),
            _CAPTION,
        )


def _line(settings: Settings, cases: pd.DataFrame, method: str) -> Line:
    """A method's means, by the number of modalities."""
    means: dict[int, list[float]] = {}
    for name in settings.scenarios_of(method):
        scenario = settings.scenarios[name]
        values = case_values(cases_of_cell(cases, method, name), "dice")
        usual = scenario.space == "registered" and not scenario.foreign
        if usual and len(values):
            means.setdefault(len(scenario.present), []).append(float(values.mean()))
    numbers = sorted(means)
    references = (settings.references_of(table) for table in settings.tables.values())
    ours = any(method == other for cells in references for _, other in cells)
    return Line(
        settings.title_of(method),
        numbers,
        [sum(means[number]) / len(means[number]) for number in numbers],
        ours,
    )
