"""The per-case rows that a cell of a table is made of."""

import pandas as pd

from remodal.metrics.cases import FOREIGN, cases_of_cell
from remodal.settings import Selection

_PREDICTION = ["fold", "seed", "case"]


def rows_of(cases: pd.DataFrame, cell: Selection) -> pd.DataFrame:
    """The rows of a cell.

    If the cell has a scenario `minus` or a method `minus_method`, the metric is the cell's own
    minus that of the other scenario or method, prediction by prediction (those of the same fold,
    seed and case). Where only one of the two has foreign images, each of its predictions is
    compared with the one of the same case and training.
    """
    rows = cases_of_cell(cases, cell.method, cell.scenario, cell.region, cell.group)
    if not cell.taken_off or cell.metric not in rows:
        return rows
    method, scenario = cell.minus_method or cell.method, cell.minus or cell.scenario
    taken = cases_of_cell(cases, method, scenario, cell.region, cell.group)
    keys = _PREDICTION
    if FOREIGN in cases:
        rows, taken = _matched(rows, taken), _matched(taken, rows)
        keys = [*_PREDICTION, FOREIGN]
    rows, second = rows.set_index(keys), taken.set_index(keys)[cell.metric]
    rows = rows.loc[rows.index.intersection(second.index)]
    return rows.assign(**{cell.metric: rows[cell.metric] - second}).reset_index()


def _matched(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Rows without foreign images, repeated for each of those that the others have."""
    if (rows[FOREIGN] != "").any() or not (others[FOREIGN] != "").any():
        return rows
    return rows.drop(columns=FOREIGN).merge(others[[*_PREDICTION, FOREIGN]], on=_PREDICTION)
