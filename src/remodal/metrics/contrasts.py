"""Differences between methods, with an interval that covers both sources of chance.

Other test patients would give another mean, and so would another training of the same method on the
same data. An interval over patients alone calls two equal methods different in up to three quarters
of studies (docs/benchmarks.md); here each source has its own term.

Seeds are crossed with patients: each training is tested on all of them. The variance of a
difference of two methods is then s2_A / S + s2_B / S + s2_d / n, where s2_A and s2_B are the
variances of the trainings' means and s2_d is that of the patients' differences. With three or more
folds the fold is the unit: each has its own trainings and test patients, so the spread of the
folds' differences contains both sources at once.

Neither says how much other training patients would change: seeds are trained on the same ones, and
folds share most of theirs (half with three folds), which no estimate from the same data can make
good (Bengio and Grandvalet 2004). An interval is about trainings on these patients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import inf, isnan, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

if TYPE_CHECKING:
    import pandas as pd

#: Fewer trainings than this say nothing about how much retraining changes a result.
FEWEST_TRAININGS = 3

#: Differences smaller than this come from the order of additions, not from the methods.
_ROUNDING_DECIMALS = 9


@dataclass(frozen=True)
class Variance:
    """One source of chance in a mean: the variance that it adds, and its degrees of freedom."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of the means of several cells of a study.

    Attributes:
        estimate: mean over patients.
        low: lower end of its t interval.
        high: upper end.
        p: two-sided p of the t test that it is zero.
        differences: each patient's value, averaged over trainings.
        cases: number of cases that all cells have.
        trainings: the least number of trainings behind a cell; below `FEWEST_TRAININGS`, interval
            and p are about these trainings only: they have no term for retraining.
        sources: the sources of chance in the estimate.
    """

    estimate: float
    low: float
    high: float
    p: float
    differences: np.ndarray
    cases: int
    trainings: int
    sources: tuple[Variance, ...] = ()

    @property
    def patients(self) -> int:
        """Number of patients that all cells have."""
        return len(self.differences)


@dataclass(frozen=True)
class Term:
    """One cell of a contrast: per-case rows of one method, scenario and region, and its weight."""

    weight: float
    rows: "pd.DataFrame"


def contrast(terms: Sequence[Term], metric: str, level: float = 0.95) -> Contrast:
    """Estimate a weighted sum of cells' means, such as first minus second.

    Only cases with a defined value in every cell count; examinations of one patient are averaged.

    Args:
        terms: cells with columns `method`, `fold`, `seed`, `case`, `patient` and the metric.
        metric: column of values.
        level: of the interval.
    """
    import pandas as pd

    tables = [_by_training(term.rows, metric) for term in terms]
    common = reduce(pd.Index.intersection, (table.columns for table in tables))
    trainings = min(term.rows[["fold", "seed"]].drop_duplicates().shape[0] for term in terms)
    if common.empty:
        return Contrast(nan, nan, nan, nan, np.empty(0), 0, trainings)
    patients = common.get_level_values("patient")
    tables = [table[common].T.groupby(patients).mean().T for table in tables]
    differences = sum(term.weight * table.mean() for term, table in zip(terms, tables))
    values = differences.to_numpy(float).round(_ROUNDING_DECIMALS)
    sources = _sources(terms, tables, differences, trainings)
    low, high, p = student(values.mean(), sources, level)
    return Contrast(
        float(values.mean()), low, high, p, values, len(common), trainings, tuple(sources)
    )


def _by_training(rows: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """Values with one line for each (fold, seed) and one column for each (patient, case).

    A case that is undefined in every training has no column.
    """
    return rows.pivot_table(metric, ["fold", "seed"], ["patient", "case"], dropna=True)


def _sources(
    terms: Sequence[Term],
    tables: Sequence["pd.DataFrame"],
    differences: "pd.Series",
    trainings: int,
) -> list[Variance]:
    means = _in_folds(terms, tables).groupby(level="fold").agg(["mean", "size"])
    if len(means) >= FEWEST_TRAININGS:
        return [of_folds(means["mean"].to_numpy(), means["size"].to_numpy())]
    folds = _fold_of(tables[0])
    sources = [of_mean(differences.to_numpy())]
    if trainings < FEWEST_TRAININGS:
        return sources
    methods = sorted({term.rows["method"].iloc[0] for term in terms})
    of_methods = []
    for method in methods:
        # One training serves all scenarios of its method, so they vary together.
        own = [
            term.weight * (table - table.mean())
            for term, table in zip(terms, tables)
            if term.rows["method"].iloc[0] == method
        ]
        together = reduce(lambda first, second: first + second, own)
        of_methods.append(_of_trainings(together, folds))
    return [*sources, added(of_methods)]


def _in_folds(terms: Sequence[Term], tables: Sequence["pd.DataFrame"]) -> "pd.Series":
    """Differences by fold and patient; of a patient tested in several folds, each fold's own."""
    trained = (table.groupby(level="fold").mean() for table in tables)
    weighted = (term.weight * of_folds for term, of_folds in zip(terms, trained))
    return reduce(lambda first, second: first + second, weighted).stack().dropna()


def _fold_of(table: "pd.DataFrame") -> "pd.Series":
    """The fold in which each patient is tested, the first of several."""
    return table.notna().groupby(level="fold").any().idxmax()


def _of_trainings(deviations: "pd.DataFrame", folds: "pd.Series") -> Variance:
    """The trainings' variance in a mean over one fold, or over two folds with other patients."""
    variance, freedom = 0.0, 0
    for fold, patients in folds.groupby(folds):
        share = len(patients) / len(folds)
        found = of_mean(deviations.loc[fold, patients.index].mean(axis=1).to_numpy())
        variance += share**2 * found.variance
        freedom += found.freedom
    return Variance(variance, freedom)


def of_mean(values: np.ndarray) -> Variance:
    """How much a mean would vary with other patients or trainings: s2 / n of values (n,)."""
    if len(values) < 2:
        return Variance(nan, nan)
    return Variance(float(np.var(values, ddof=1)) / len(values), len(values) - 1)


def of_folds(means: np.ndarray, sizes: np.ndarray) -> Variance:
    """How much a mean would vary with other folds: other trainings and patients together.

    Args:
        means: mean difference of each fold, over its patients.
        sizes: number of patients in each fold, the weight of its mean.
    """
    shares = sizes / sizes.sum()
    deviations = means - shares @ means
    count = len(means)
    variance = count / (count - 1) * float(np.sum((shares * deviations) ** 2))
    return Variance(variance, count - 1)


def added(parts: Sequence[Variance]) -> Variance:
    """The sum of independent variances, with (sum v)^2 / sum(v^2 / f) degrees of freedom.

    Source: Satterthwaite 1946.
    """
    total = sum(part.variance for part in parts)
    squares = sum(part.variance**2 / part.freedom for part in parts)
    return Variance(total, total**2 / squares if squares else sum(part.freedom for part in parts))


def student(
    estimate: float, sources: Sequence[Variance], level: float = 0.95
) -> tuple[float, float, float]:
    """Student's t interval of an estimate with several sources of chance, and p of its test.

    The quantile is the mean of the sources' own t quantiles, weighted by their variances (Cochran
    and Cox 1957). Satterthwaite's quantile over all sources would be too small where a few
    trainings agree by chance: 7 % of studies of equal methods would have a wrong verdict instead of
    5 %.

    Returns:
        Lower end, upper end, two-sided p; NaN where a source's variance is unknown.
    """
    variance = sum(source.variance for source in sources)
    if isnan(variance):
        return nan, nan, nan
    if variance == 0:
        return estimate, estimate, 1.0 if estimate == 0 else 0.0
    error = sqrt(variance)

    def quantile(p: float) -> float:
        return sum(s.variance * special.stdtrit(s.freedom, 1 - p / 2) for s in sources) / variance

    half = quantile(1 - level) * error
    ratio = abs(estimate) / error
    return estimate - half, estimate + half, _solved(quantile, ratio)


_LEAST_P = 1e-12


def _solved(quantile: Callable[[float], float], ratio: float) -> float:
    """The p whose quantile is the ratio of an estimate to its error, but at least `_LEAST_P`."""
    if ratio == 0:
        return 1.0
    if quantile(_LEAST_P) <= ratio:
        return _LEAST_P
    return optimize.brentq(lambda p: quantile(p) - ratio, _LEAST_P, 1.0, xtol=1e-13)


def smaller_in_size(difference: Contrast, total: Contrast) -> tuple[float, float, float, float]:
    """How much smaller in size a is than b, from contrasts of b - a and b + a.

    |b| - |a| has the sign of (b - a)(b + a): it is positive when both factors have the same sign.
    So it is established only when both are known to differ from zero, which keeps each error rate
    at that of a single t test.

    Returns:
        Estimate of |b| - |a|, its lower and upper end over all values that both intervals allow,
        and the larger of the two p values.
    """
    estimate = _sized((difference.estimate,) * 2, (total.estimate,) * 2)[0]
    low, high = _sized((difference.low, difference.high), (total.low, total.high))
    return estimate, low, high, max(difference.p, total.p)


def _sized(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Least and greatest of sign(x) sign(y) min(|x|, |y|) for x and y in two intervals."""
    if any(map(isnan, (*first, *second))):
        return nan, nan
    greatest = max(min(_reach(first, sign), _reach(second, sign)) for sign in (1, -1))
    least = -max(min(_reach(first, sign), _reach(second, -sign)) for sign in (1, -1))
    # Where no pair has the wanted sign, the ends nearest to zero count, with the other sign.
    if greatest < 0:
        greatest = -min(_nearest(first), _nearest(second))
    if least > 0:
        least = min(_nearest(first), _nearest(second))
    return least, greatest


def _reach(interval: tuple[float, float], sign: int) -> float:
    """How far an interval reaches on one side of zero; negative infinity if it does not."""
    reach = interval[1] if sign > 0 else -interval[0]
    return reach if reach >= 0 else -inf


def _nearest(interval: tuple[float, float]) -> float:
    return min(abs(interval[0]), abs(interval[1]))
