"""`better`: the first cell's mean is better than the second's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from remodal.metrics.claim_kinds.kind import Kind, Measured
from remodal.metrics.contrasts import Term, contrast
from remodal.metrics.registry import Metric

if TYPE_CHECKING:
    import pandas as pd


def _measure(
    rows: Sequence["pd.DataFrame"], metric: Metric, repeats: Sequence["pd.DataFrame"]
) -> Measured:
    first, second = rows if metric.direction == "higher" else reversed(rows)
    found = contrast([Term(1, first), Term(-1, second)], metric.name)
    return Measured(found.estimate, found.low, found.high, found.p, found)


KIND = Kind(1, "advantage", _measure)
