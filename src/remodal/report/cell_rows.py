"""The per-case rows that a cell of a table is made of."""

import pandas as pd

from remodal.metrics.cases import cases_of_cell
from remodal.settings import Selection

_PREDICTION = ["fold", "seed", "case"]


def rows_of(cases: pd.DataFrame, cell: Selection, method: str) -> pd.DataFrame:
    """The rows of a cell, for the given method.

    If the cell has a scenario `minus`, the metric is that in the cell's own scenario minus that in
    the other one, prediction by prediction; predictions with different foreign images are averaged
    first.
    """
    rows = cases_of_cell(cases, method, cell.scenario, cell.region, cell.group)
    if not cell.minus or cell.metric not in rows:
        return rows
    taken = cases_of_cell(cases, method, cell.minus, cell.region, cell.group)
    first = rows.groupby(_PREDICTION)[cell.metric].mean()
    second = taken.groupby(_PREDICTION)[cell.metric].mean()
    difference = (first - second).reindex(first.index.intersection(second.index))
    rows = rows.drop_duplicates(_PREDICTION).set_index(_PREDICTION).loc[difference.index]
    return rows.assign(**{cell.metric: difference}).reset_index()
