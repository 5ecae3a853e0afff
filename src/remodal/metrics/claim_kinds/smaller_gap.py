"""`smaller_gap`: the means of the first pair of cells differ less than those of the second.

All four means are over the cases that all four cells have.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from remodal.metrics.claim_kinds.kind import Kind, Measured
from remodal.metrics.contrasts import Term, contrast, smaller_in_size
from remodal.metrics.registry import Metric

if TYPE_CHECKING:
    import pandas as pd


def _measure(
    rows: Sequence["pd.DataFrame"], metric: Metric, repeats: Sequence["pd.DataFrame"]
) -> Measured:
    weights = {"difference": (-1, 1, 1, -1), "total": (1, -1, 1, -1)}
    difference, total = (
        contrast([Term(weight, of_cell) for weight, of_cell in zip(chosen, rows)], metric.name)
        for chosen in weights.values()
    )
    return Measured(*smaller_in_size(difference, total), difference)


KIND = Kind(2, "gap smaller by", _measure)
