"""A metric of each test case against a number of the case, such as how far its labels lie apart."""

from collections.abc import Iterator
from math import isnan, nan

import numpy as np
import pandas as pd
from scipy import stats

from remodal.metrics.cases import cases_of_cell
from remodal.metrics.registry import require_case_metric
from remodal.metrics.statistics import case_values
from remodal.report.breakdowns import Chart
from remodal.report.charts import Points, scatter
from remodal.report.views import Source
from remodal.settings import Cell
from remodal.settings.figures import AgainstSettings

#: Fewer cases say nothing about a correlation.
_FEWEST = 4


def number_charts(source: Source, cases: pd.DataFrame) -> Iterator[Chart]:
    """The charts that a study asks for, a panel for each cell.

    Args:
        source: where the cases' records are.
        cases: per-case rows, with those of the averages.

    Raises:
        UserError: an unknown metric.
    """
    for wanted in source.settings.figures.against:
        metric = require_case_metric(wanted.metric, "figures.against")
        panels = {
            _title(source, cell): _points(source, cases, wanted, cell) for cell in wanted.cells
        }
        across = source.settings.figures.name_of(wanted.number)
        yield Chart(
            f"{metric.title} against {across}",
            scatter(panels, across, metric.title),
            "Each point is a test case, averaged over its seeds; ρ is Spearman's rank correlation, "
            f"from {_FEWEST} cases on.",
        )


def _title(source: Source, cell: Cell) -> str:
    heading = source.settings.heading_of
    about = [heading(cell.scenario), heading(cell.region), cell.group]
    return f"{source.settings.title_of(cell.method)}\n{', '.join(filter(None, about))}"


def _points(source: Source, cases: pd.DataFrame, wanted: AgainstSettings, cell: Cell) -> Points:
    rows = cases_of_cell(cases, cell.method, cell.scenario, cell.region, cell.group)
    values = case_values(rows, wanted.metric)
    numbers = {case: source.number(str(case), wanted.number) for case in values.index}
    known = [case for case in values.index if not isnan(numbers[case])]
    across = [numbers[case] for case in known]
    up = [float(values[case]) for case in known]
    rho = nan
    if len(known) >= _FEWEST and np.ptp(across) > 0 and np.ptp(up) > 0:
        rho = float(stats.spearmanr(across, up).statistic)
    return Points(across, up, rho)
