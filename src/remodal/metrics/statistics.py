"""What a table says of many cases: means and spreads, and whether two methods differ.

A case counts once: with several seeds its value is the mean over them (METHODS 1.3). Undefined
values are left out and counted, never replaced (METHODS 1.2).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
import pandas as pd
from scipy import stats

from remodal.metrics.registry import StudyMetric, require_metric

#: Fewest pairs with which a two-sided signed-rank test can reach p < 0.05.
FEWEST_PAIRS = 6

#: Differences smaller than this come from the order of additions, not from the methods.
_ROUNDING_DECIMALS = 9


@dataclass(frozen=True)
class Summary:
    """One metric of one method in one scenario.

    Attributes:
        metric: its name.
        mean: over cases.
        sd: over cases (n - 1); NaN below two cases and for metrics of a whole study.
        seed_sd: over the means of the seeds (n - 1): how much training again changes the mean;
            NaN with one seed.
        n: cases with a defined value.
        cases: cases in all.
        missed: predictions that are empty although there was something to find.
        undefined: predictions without a defined value (each seed predicts each case once).
    """

    metric: str
    mean: float
    sd: float
    seed_sd: float
    n: int
    cases: int
    missed: int
    undefined: int


@dataclass(frozen=True)
class Comparison:
    """A paired comparison of two methods on the cases where both have a value.

    Attributes:
        mean_difference: mean of first minus second.
        low: lower end of its bootstrap interval.
        high: upper end.
        p: two-sided Wilcoxon signed-rank test of the differences, not corrected.
        n: pairs.
        excluded: cases of either without a partner that has a value.
    """

    mean_difference: float
    low: float
    high: float
    p: float
    n: int
    excluded: int


def case_values(cases: pd.DataFrame, metric: str) -> pd.Series:
    """A metric's value of each case, averaged over seeds (and classes, if there are several).

    Args:
        cases: per-case rows of one method and scenario.
        metric: a metric of one case.

    Returns:
        Values by case name, sorted; cases without any defined value are left out.
    """
    return cases.groupby("case")[metric].mean().dropna().sort_index()


def summarise(cases: pd.DataFrame, metric: str) -> Summary:
    """Mean and spreads of one metric.

    Args:
        cases: per-case rows of one method, scenario and class, all folds and seeds.
        metric: name of a metric, of a case or of a study.

    Raises:
        ValueError: the rows are of several methods, scenarios or classes.
        UserError: unknown metric.
    """
    for column in ("method", "scenario", "class"):
        if column in cases and cases[column].nunique() > 1:
            raise ValueError(f"rows of several {column} values: {sorted(cases[column].unique())}")
    chosen = require_metric(metric)
    runs = cases.groupby("seed") if "seed" in cases else [(0, cases)]
    if isinstance(chosen, StudyMetric):
        of_seeds = np.array([chosen.measure(run) for _, run in runs], dtype=float)
        mean, sd, n, undefined = _mean(of_seeds), nan, cases["case"].nunique(), 0
    else:
        of_seeds = np.array([_mean(run[metric]) for _, run in runs], dtype=float)
        values = case_values(cases, metric)
        mean, sd, n = _mean(values), _sd(values), len(values)
        undefined = int(cases[metric].isna().sum())
    return Summary(
        metric=metric,
        mean=mean,
        sd=sd,
        seed_sd=_sd(of_seeds),
        n=n,
        cases=cases["case"].nunique(),
        missed=int(cases["missed"].sum()),
        undefined=undefined,
    )


def _mean(values: "pd.Series | np.ndarray") -> float:
    defined = np.asarray(values, dtype=float)
    defined = defined[~np.isnan(defined)]
    return float(defined.mean()) if defined.size else nan


def _sd(values: "pd.Series | np.ndarray") -> float:
    defined = np.asarray(values, dtype=float)
    defined = defined[~np.isnan(defined)]
    return float(defined.std(ddof=1)) if defined.size > 1 else nan


def compare(
    first: pd.Series,
    second: pd.Series,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Compare two methods case by case.

    Args:
        first: values by case name, one a case, as from `case_values` (for a metric that is best
            at zero: their absolute values).
        second: the same of the method to compare with.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
        level: of the interval.
    """
    pairs = pd.concat([first, second], axis=1, keys=["first", "second"])
    paired = pairs.dropna()
    differences = (paired["first"] - paired["second"]).to_numpy(float).round(_ROUNDING_DECIMALS)
    low, high = bootstrap_interval(
        (differences,), np.mean, resamples=resamples, seed=seed, level=level
    )
    return Comparison(
        mean_difference=_mean(differences),
        low=low,
        high=high,
        p=signed_rank(differences),
        n=len(paired),
        excluded=len(pairs) - len(paired),
    )


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of the Wilcoxon signed-rank test.

    Zero differences take part in the ranking, then only the others can change sign (Pratt 1959):
    two methods that miss the same lesion are tied there, which dropping the case would hide. All
    zero gives 1; none gives NaN. Exact up to 13 pairs (without zeros and ties up to 50), else by
    the normal approximation.
    """
    if differences.size == 0:
        return nan
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences, zero_method="pratt").pvalue)


def bootstrap_interval(
    samples: tuple[np.ndarray, ...],
    statistic: Callable[..., np.ndarray],
    *,
    resamples: int,
    seed: int,
    level: float = 0.95,
    method: str = "BCa",
) -> tuple[float, float]:
    """Bootstrap interval of a statistic over cases, which are resampled together.

    Args:
        samples: arrays of shape (n,), one value a case.
        statistic: function of the arrays with an `axis` argument.
        resamples: number of resamples.
        seed: of the resampling; the same seed gives the same interval.
        level: confidence level.
        method: `BCa` (bias-corrected and accelerated) or `percentile` (for statistics that are
            not smooth). BCa falls back to percentiles where it is not defined.

    Returns:
        Lower and upper end; NaN below two cases, the value itself when nothing varies.
    """
    if samples[0].size < 2:
        return nan, nan
    if all(np.ptp(sample) == 0 for sample in samples):
        value = float(statistic(*samples, axis=-1))
        return value, value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        interval = stats.bootstrap(
            samples,
            statistic,
            n_resamples=resamples,
            paired=True,
            vectorized=True,
            axis=-1,
            confidence_level=level,
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    low, high = float(interval.low), float(interval.high)
    if method == "BCa" and (isnan(low) or isnan(high)):
        return bootstrap_interval(
            samples, statistic, resamples=resamples, seed=seed, level=level, method="percentile"
        )
    return low, high


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


def jaccard_agrees(mean_dice: float, mean_jaccard: float, tolerance: float = 0.02) -> bool:
    """Whether a table's mean Jaccard is possible beside its mean Dice (both in percent).

    J = D / (2 - D) is convex, so mean Jaccard is at least that of the mean Dice, and never above
    mean Dice itself. Holds in every row of the papers (METHODS 4.8).

    Args:
        mean_dice: in percent.
        mean_jaccard: in percent, over the same cases.
        tolerance: allowance for rounding, in percent.
    """
    least = 100.0 * mean_dice / (200.0 - mean_dice)
    return least - tolerance <= mean_jaccard <= mean_dice + tolerance
