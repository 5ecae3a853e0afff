"""A kind of claim: how many cells it compares, and by how much the claim is ahead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remodal.metrics.contrasts import Contrast
from remodal.metrics.registry import Metric

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Measured:
    """How far a claim is ahead.

    Attributes:
        estimate: positive in favour of the claim, in the metric's unit.
        low: lower end of its 95 % interval.
        high: upper end.
        p: two-sided p of its test.
        behind: the contrast, for the numbers of cases, patients and trainings.
    """

    estimate: float
    low: float
    high: float
    p: float
    behind: Contrast


@dataclass(frozen=True)
class Kind:
    """A kind of claim.

    Attributes:
        cells: number of cells in `first`, and in `second`.
        about: what the estimate is, in words.
        measure: takes the per-case rows of all cells, those of `first` first, the metric, and the
            rows of the cells that the study measures its noise floor on (none if it names none);
            the values of a signed metric are already absolute in the claim's cells.
    """

    cells: int
    about: str
    measure: Callable[[Sequence["pd.DataFrame"], Metric, Sequence["pd.DataFrame"]], Measured]
