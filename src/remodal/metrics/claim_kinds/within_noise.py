"""`within_noise`: the means of two cells differ by less than trainings of one method do.

The noise floor is that of the method which the study names (`noise`) or, if it names none, that of
the two cells (`remodal.metrics.noise`). Differences below it say nothing about the methods. The
floor is treated as exact: no interval allows for its own uncertainty.
"""

from collections.abc import Sequence
from math import isnan, nan
from typing import TYPE_CHECKING

from remodal.metrics.claim_kinds.kind import Kind, Measured
from remodal.metrics.contrasts import Contrast, Term, contrast, student
from remodal.metrics.noise import noise_floor
from remodal.metrics.registry import Metric

if TYPE_CHECKING:
    import pandas as pd


def _measure(
    rows: Sequence["pd.DataFrame"], metric: Metric, repeats: Sequence["pd.DataFrame"]
) -> Measured:
    first, second = rows
    found = contrast([Term(1, first), Term(-1, second)], metric.name)
    floor = noise_floor(repeats or rows, metric).value
    if isnan(found.low) or isnan(floor):
        return Measured(nan, nan, nan, nan, found)
    crosses = found.low <= 0 <= found.high
    least = 0.0 if crosses else min(abs(found.low), abs(found.high))
    most = max(abs(found.low), abs(found.high))
    return Measured(
        floor - abs(found.estimate), floor - most, floor - least, _p(found, floor), found
    )


def _p(found: Contrast, floor: float) -> float:
    """Two-sided p of the test that the difference is on the side of the floor where it seems to be.

    The nearer end decides. Inside, both must be ruled out, and the nearer one is the harder (two
    one-sided tests, Schuirmann 1987); beyond, a difference that has passed it leaves no other.
    """
    return student(abs(found.estimate) - floor, found.sources)[2]


KIND = Kind(1, "difference below the noise floor by", _measure)
