"""The noise floor: how far a mean moves when the same method is trained again on the same data.

Smaller differences say nothing about methods. Claims (`within_noise`) and tables use this one
definition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from remodal.metrics.registry import Metric

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NoiseFloor:
    """A noise floor and what it rests on.

    Attributes:
        value: in the metric's unit; NaN where no fold was trained twice.
        trainings: models of the folds that were trained twice or more.
        folds: number of these folds.
    """

    value: float
    trainings: int
    folds: int


def noise_floor(cells: Sequence["pd.DataFrame"], metric: Metric) -> NoiseFloor:
    """Mean absolute difference of two trainings of a fold, averaged over folds, then over cells.

    A training's value is its mean over the fold's test cases. A signed metric counts by its size.

    Args:
        cells: per-case rows of each cell (one method in one scenario).
        metric: a metric of one case.
    """
    floors, trainings = [], set()
    for rows in cells:
        values = rows[metric.name].abs() if metric.direction == "zero" else rows[metric.name]
        means = values.groupby([rows["method"], rows["fold"], rows["seed"]]).mean().dropna()
        of_folds = []
        for _, seeds in means.groupby(level=["method", "fold"]):
            gaps = [abs(one - other) for one, other in combinations(seeds, 2)]
            if gaps:
                of_folds.append(np.mean(gaps))
                trainings |= set(seeds.index)
        floors.append(np.mean(of_folds) if of_folds else nan)
    folds = {(method, fold) for method, fold, _ in trainings}
    return NoiseFloor(float(np.mean(floors)) if floors else nan, len(trainings), len(folds))
