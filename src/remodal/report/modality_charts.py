"""How much is lost with the modalities: Dice against how many of them are present."""

from collections.abc import Iterator, Mapping, Sequence

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
    "in each over the test cases. A method has a point where it was tested in all of these; a line "
    "joins neighbouring numbers."
)


def modality_charts(settings: Settings, cases: pd.DataFrame) -> Iterator[Chart]:
    """Mean Dice against the number of modalities present, a panel for each region.

    Scenarios in native space or with another patient's images do not count. Methods are compared
    over the same scenarios: one that was tested with a single modality of four has no point there,
    since this modality may be the one that shows most. Nothing is drawn unless some method was
    tested with three different numbers of modalities.

    Args:
        settings: the study.
        cases: per-case rows.
    """
    if "dice" not in cases:
        return
    scenarios = _by_number(settings, cases)
    panels: dict[str, list[Line]] = {}
    for region in settings.data.regions:
        of_region = cases[cases["region"] == region]
        found = [_line(settings, of_region, method, scenarios) for method in settings.methods]
        panels[settings.heading_of(region)] = [line for line in found if line.numbers]
    if any(len(line.numbers) >= _FEWEST for drawn in panels.values() for line in drawn):
        yield Chart(
            "Dice against the number of modalities",
            lines(panels, "Modalities present", "Dice [%]"),
            _CAPTION,
        )


def _by_number(settings: Settings, cases: pd.DataFrame) -> dict[int, list[str]]:
    """The measured scenarios with each number of modalities, the fewest first."""
    measured = set(cases["scenario"])
    found: dict[int, list[str]] = {}
    for name, scenario in settings.scenarios.items():
        if name in measured and scenario.space == "registered" and not scenario.foreign:
            found.setdefault(len(scenario.present), []).append(name)
    return dict(sorted(found.items()))


def _line(
    settings: Settings, cases: pd.DataFrame, method: str, scenarios: Mapping[int, Sequence[str]]
) -> Line:
    """A method's means, by the number of modalities."""
    means = {}
    for number, names in scenarios.items():
        values = [case_values(cases_of_cell(cases, method, name), "dice") for name in names]
        if all(map(len, values)):
            means[number] = sum(float(of_one.mean()) for of_one in values) / len(values)
    references = (settings.references_of(table) for table in settings.tables.values())
    ours = any(method == other for cells in references for _, other in cells)
    return Line(settings.title_apart(method), list(means), list(means.values()), ours)
