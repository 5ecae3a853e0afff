"""What stands behind the tables: every metric, lesions, groups, and the spread over cases."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from remodal.metrics.cases import cases_of_cell
from remodal.metrics.registry import Metric, StudyMetric, require_metric
from remodal.metrics.statistics import Summary, case_values, summarise
from remodal.report.charts import Box, box_plots
from remodal.settings import Settings

_OF_STUDY = ("dice_global",)
_MOST_PANELS = 6


@dataclass(frozen=True)
class CellOfStudy:
    """One method in one scenario, for one region, with its per-case rows."""

    label: str
    scenario: str
    region: str
    reference: bool
    cases: pd.DataFrame

    @property
    def count(self) -> int:
        """Number of its test cases."""
        return self.cases["case"].nunique()


@dataclass(frozen=True)
class Detection:
    """Lesions of all cases, counted over all seeds; recall and precision in percent."""

    cell: CellOfStudy
    lesions: int
    found: int
    recall: float
    predicted: int
    false: int
    precision: float
    missed: int


@dataclass(frozen=True)
class Chart:
    """A chart and the sentence under it."""

    title: str
    svg: str
    caption: str


def measured_cells(
    settings: Settings, cases: pd.DataFrame, scenarios: Iterable[str]
) -> list[CellOfStudy]:
    """The study's measured cells, region by region and scenario by scenario.

    Args:
        settings: the study.
        cases: per-case rows.
        scenarios: those of `settings.scenarios`, or names of averages, to be looked at.
    """
    references = {
        cell for table in settings.tables.values() for cell in settings.references_of(table)
    }
    found = []
    for region in settings.data.regions:
        for scenario in scenarios:
            for method in settings.methods:
                rows = cases_of_cell(cases, method, scenario, region)
                if not rows.empty:
                    reference = (scenario, method) in references
                    label = settings.title_apart(method)
                    found.append(CellOfStudy(label, scenario, region, reference, rows))
    return found


def all_metrics(settings: Settings, cells: list[CellOfStudy]) -> tuple[list[Metric], list]:
    """The metrics of the per-case table and global Dice, and the summaries of each cell."""
    metrics = [require_metric(name) for name in (*settings.metrics.names, *_OF_STUDY)]
    rows: list[tuple[CellOfStudy, list[Summary | None]]] = [
        (cell, [_summary(cell.cases, metric) for metric in metrics]) for cell in cells
    ]
    return metrics, rows


def _summary(cases: pd.DataFrame, metric: Metric) -> Summary | None:
    if isinstance(metric, StudyMetric) or metric.name in cases:
        return summarise(cases, metric.name)
    return None


def detections(cells: list[CellOfStudy]) -> list[Detection]:
    """Lesion-wise detection of each cell."""
    return [
        Detection(
            cell,
            lesions=int(cell.cases["lesions"].sum()),
            found=int(cell.cases["lesions_found"].sum()),
            recall=summarise(cell.cases, "lesion_recall").mean,
            predicted=int(cell.cases["lesions_predicted"].sum()),
            false=int(cell.cases["lesions_false"].sum()),
            precision=summarise(cell.cases, "lesion_precision").mean,
            missed=int(cell.cases["missed"].sum()),
        )
        for cell in cells
    ]


def by_group(
    cells: list[CellOfStudy], metric: str
) -> tuple[list[str], list[tuple[CellOfStudy, list[Summary | None]]]]:
    """A metric's summary in each group (such as a lesion type); no groups without a name."""
    groups = sorted({group for cell in cells for group in cell.cases["group"].unique() if group})
    rows = []
    for cell in cells:
        parts = [cell.cases[cell.cases["group"] == group] for group in groups]
        rows.append((cell, [None if p.empty else summarise(p, metric) for p in parts]))
    return groups, rows


def distributions(settings: Settings, cases: pd.DataFrame) -> Iterator[Chart]:
    """A box plot for each metric and region that a table shows, with a panel for each scenario.

    A variant of a metric that is drawn itself is left to the tables, and of more scenarios than
    `_MOST_PANELS` only the averages over them are drawn.

    Args:
        settings: the study.
        cases: per-case rows, including those of the averages over scenarios.
    """
    scenarios = list(settings.scenarios)
    if settings.averages and len(scenarios) > _MOST_PANELS:
        scenarios = list(settings.averages)
    cells = measured_cells(settings, cases, scenarios)
    regions = list(settings.data.regions)
    shown = dict.fromkeys((cell.region or regions[0], cell.metric) for cell in settings.cells())
    for region, name in sorted(shown, key=lambda one: regions.index(one[0])):
        metric = require_metric(name)
        of_region = [cell for cell in cells if cell.region == region]
        base_is_drawn = (region, metric.variant_of) in shown
        if isinstance(metric, StudyMetric) or not of_region or base_is_drawn:
            continue
        of_several = f"{settings.heading_of(region)}: " if len(regions) > 1 else ""
        title, panels = of_several + metric.title, _panels(settings, of_region, name)
        yield Chart(title, box_plots(panels, title), _caption(of_region, name))


def _panels(settings: Settings, cells: list[CellOfStudy], metric: str) -> dict[str, list[Box]]:
    panels: dict[str, list[Box]] = {}
    for cell in cells:
        values = case_values(cell.cases, metric) if metric in cell.cases else []
        box = Box(cell.label, list(values), cell.reference)
        panels.setdefault(settings.heading_of(cell.scenario), []).append(box)
    return panels


def _caption(cells: list[CellOfStudy], metric: str) -> str:
    undefined = sum(int(cell.cases[metric].isna().sum()) for cell in cells if metric in cell.cases)
    text = (
        "Each point is a test case, averaged over its seeds. A box spans the quartiles with the "
        "median; whiskers reach to the furthest case within 1.5 times its height."
    )
    if undefined:
        text += f" {undefined} predictions have no value and are not drawn."
    return text
