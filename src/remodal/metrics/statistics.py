"""What a table says about many cases: means, spreads and tests.

A case counts once: with several seeds its value is the mean over them. Undefined values are left
out and counted, never replaced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
import pandas as pd
from scipy import stats

from remodal.metrics.cases import FOREIGN
from remodal.metrics.registry import Metric, StudyMetric, require_metric

#: Fewest pairs with which a two-sided signed-rank test can reach p < 0.05.
FEWEST_PAIRS = 6

#: Most pairs for which the signed-rank test is computed exactly, from all sums of ranks.
MOST_EXACT = 200


@dataclass(frozen=True)
class Summary:
    """One metric of one method in one scenario.

    Attributes:
        metric: its name.
        mean: over cases.
        sd: over cases (n - 1); NaN below two cases and for metrics of a whole study.
        seed_sd: over the means of the seeds (n - 1): how much retraining changes the mean; NaN with
            one seed.
        fold_mean: of the means of the folds, each over its cases.
        fold_sd: over the means of the folds (n - 1); NaN with one fold.
        pair_mean: over all pairs of a case and the case whose images replaced some of its own;
            where none were replaced, the same as `mean`.
        pair_sd: over these pairs (n - 1).
        n: cases with a defined value.
        cases: cases in all.
        missed: predictions that are empty although there was something to find.
        undefined: predictions without a defined value (each seed predicts each case once).
    """

    metric: str
    mean: float
    sd: float
    seed_sd: float
    fold_mean: float
    fold_sd: float
    pair_mean: float
    pair_sd: float
    n: int
    cases: int
    missed: int
    undefined: int


def case_values(cases: pd.DataFrame, metric: str) -> pd.Series:
    """A metric's value of each case, averaged over seeds (and regions, if there are several).

    Args:
        cases: per-case rows of one method and scenario.
        metric: a metric of one case.

    Returns:
        Values by case name, sorted; cases without any defined value are left out.
    """
    return cases.groupby("case")[metric].mean().dropna().sort_index()


def pair_values(cases: pd.DataFrame, metric: str) -> pd.Series:
    """As `case_values`, of each pair of a case and the case whose images it was given."""
    keys = ["case", FOREIGN] if FOREIGN in cases else ["case"]
    return cases.groupby(keys)[metric].mean().dropna().sort_index()


def summarise(cases: pd.DataFrame, metric: str) -> Summary:
    """Mean and spreads of one metric.

    Args:
        cases: per-case rows of one method, scenario and region, all folds and seeds.
        metric: name of a metric, of a case or of a study.

    Raises:
        ValueError: the rows are of several methods, scenarios or regions.
        UserError: unknown metric.
    """
    for column in ("method", "scenario", "region"):
        if column in cases and cases[column].nunique() > 1:
            raise ValueError(f"rows of several {column} values: {sorted(cases[column].unique())}")
    chosen = require_metric(metric)
    of_seeds = _of_seeds(cases, chosen)
    of_folds = [_mean_of(fold, chosen) for fold in _parts(cases, "fold")]
    if isinstance(chosen, StudyMetric):
        sd, n, undefined = nan, cases["case"].nunique(), 0
        pairs = pd.Series(dtype=float)
    else:
        values, pairs = case_values(cases, metric), pair_values(cases, metric)
        sd, n, undefined = _sd(values), len(values), int(cases[metric].isna().sum())
    return Summary(
        metric=metric,
        mean=_mean_of(cases, chosen),
        sd=sd,
        seed_sd=_sd(of_seeds),
        fold_mean=_mean(of_folds),
        fold_sd=_sd(of_folds),
        pair_mean=_mean(pairs),
        pair_sd=_sd(pairs),
        n=n,
        cases=cases["case"].nunique(),
        missed=int(cases["missed"].sum()),
        undefined=undefined,
    )


def _parts(cases: pd.DataFrame, column: str) -> list[pd.DataFrame]:
    """The rows of each fold or seed; all of them where there is no such column."""
    return [part for _, part in cases.groupby(column)] if column in cases else [cases]


def _of_seeds(cases: pd.DataFrame, metric: Metric) -> list[float]:
    """A metric's value in each seed, over the rows of its cases."""
    if isinstance(metric, StudyMetric):
        return [metric.measure(run) for run in _parts(cases, "seed")]
    return [_mean(run[metric.name]) for run in _parts(cases, "seed")]


def _mean_of(cases: pd.DataFrame, metric: Metric) -> float:
    """Mean over cases, each averaged over its seeds; or over seeds, if a whole study's metric."""
    if isinstance(metric, StudyMetric):
        return _mean(_of_seeds(cases, metric))
    return _mean(case_values(cases, metric.name))


def _mean(values: "pd.Series | Sequence[float]") -> float:
    defined = np.asarray(values, dtype=float)
    defined = defined[~np.isnan(defined)]
    return float(defined.mean()) if defined.size else nan


def _sd(values: "pd.Series | Sequence[float]") -> float:
    defined = np.asarray(values, dtype=float)
    defined = defined[~np.isnan(defined)]
    return float(defined.std(ddof=1)) if defined.size > 1 else nan


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of the Wilcoxon signed-rank test, exact whatever the ties.

    Zero differences take part in the ranking, but only the others can change sign (Pratt 1959): two
    methods that miss the same lesion are tied there, which dropping the case would hide. If all
    differences are zero, p is 1; if there are none, NaN. Beyond `MOST_EXACT` pairs, the normal
    approximation is used.
    """
    if differences.size == 0:
        return nan
    if not differences.any():
        return 1.0
    if differences.size > MOST_EXACT:
        return float(stats.wilcoxon(differences, zero_method="pratt", method="approx").pvalue)
    # Doubled, so that the ranks of tied differences are whole numbers too.
    doubled = np.rint(2 * stats.rankdata(np.abs(differences))).astype(int)
    ranks = doubled[differences != 0]
    positive = doubled[differences > 0].sum()
    chances = _rank_sums(ranks)
    tails = chances[: positive + 1].sum(), chances[positive:].sum()
    return float(min(1.0, 2 * min(tails)))


def _rank_sums(ranks: np.ndarray) -> np.ndarray:
    """Chance of each sum, if each rank counts with chance one half: (sum of ranks + 1,)."""
    chances = np.zeros(ranks.sum() + 1)
    chances[0] = 1.0
    for rank in ranks:
        without = chances.copy()
        chances[rank:] += without[: len(without) - rank]
        chances /= 2
    return chances


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of a table's p values, in their order; NaN stays NaN.

    The smallest of m values is multiplied by m, the next by m - 1, and so on; a value is never
    smaller than one before it, nor larger than 1 (Holm 1979).
    """
    corrected = [nan] * len(p_values)
    order = sorted((p, index) for index, p in enumerate(p_values) if not isnan(p))
    largest = 0.0
    for step, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - step)))
        corrected[index] = largest
    return corrected
