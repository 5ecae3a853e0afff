"""A paper's claims, tested on our own cases: each holds, does not hold or is undecided.

The decision is by the 95 % bootstrap interval over cases of the claimed advantage: above zero the
claim holds, below zero it does not, and otherwise, or with fewer than six cases, it is undecided.
"""

from collections.abc import Sequence
from functools import reduce
from math import isnan
from typing import Any

import numpy as np
import pandas as pd

from remodal.errors import UserError
from remodal.metrics.registry import Metric, require_case_metric
from remodal.metrics.statistics import (
    FEWEST_PAIRS,
    bootstrap_interval,
    case_values,
    compare,
)
from remodal.settings import Cell, ClaimSettings, MetricsSettings

HOLDS, DOES_NOT_HOLD, UNDECIDED = "holds", "does not hold", "undecided"


def evaluate_claim(
    claim: ClaimSettings, cases: pd.DataFrame, settings: MetricsSettings
) -> dict[str, Any]:
    """Test one claim.

    `better`: the mean paired difference of the two cells; p is Wilcoxon's signed-rank test.
    `smaller_gap`: how much smaller the absolute difference of the first pair's means is than that
    of the second pair's, on the cases that all four have; it has no p, only the interval.

    Args:
        claim: of the study's settings.
        cases: per-case rows of all methods and scenarios, as from `read_cases`.
        settings: resamples and seed of the bootstrap.

    Returns:
        A mapping for a JSON file (None: undefined): `text`, `kind`, `metric`, `unit`; `verdict`;
        `estimate` with `low` and `high`, positive in favour of the claim, `p`, `test`, `n`
        (cases); `cells`: method, scenario and mean of each; `evidence`: one sentence.

    Raises:
        UserError: an unknown metric, one of a whole study, or a wrong number of cells.
    """
    metric = require_case_metric(claim.metric, f"claim `{claim.text}`")
    _require_cells(claim)
    cells = [*claim.first, *claim.second]
    common = _common_cases([_values(cases, cell, metric) for cell in cells])
    result = {"text": claim.text, "kind": claim.kind, "metric": metric.name, "unit": metric.unit}
    result["cells"] = [
        {"method": cell.method, "scenario": cell.scenario, "mean": _number(common[i].mean())}
        for i, cell in enumerate(cells)
    ]
    test = _better if claim.kind == "better" else _smaller_gap
    result |= test(common, metric, settings)
    result["n"] = len(common)
    result["verdict"] = _verdict(result)
    result["evidence"] = _evidence(result)
    return result


def _require_cells(claim: ClaimSettings) -> None:
    expected = 1 if claim.kind == "better" else 2
    if {len(claim.first), len(claim.second)} != {expected}:
        raise UserError(
            f"`first` and `second` have {len(claim.first)} and {len(claim.second)} cells",
            where=f"claim `{claim.text}`",
            expected=f"{expected} each for `{claim.kind}`",
        )


def _values(cases: pd.DataFrame, cell: Cell, metric: Metric) -> pd.Series:
    """A cell's value of each case, as an error where the metric is signed."""
    rows = cases[(cases["method"] == cell.method) & (cases["scenario"] == cell.scenario)]
    if metric.direction == "zero":
        rows = rows.assign(**{metric.name: rows[metric.name].abs()})
    return case_values(rows, metric.name)


def _common_cases(series: Sequence[pd.Series]) -> pd.DataFrame:
    """One column for each cell (0, 1, ...), one row for each case that all of them have."""
    names = reduce(lambda shared, one: shared.intersection(one.index), series, series[0].index)
    return pd.DataFrame({i: one.loc[names] for i, one in enumerate(series)}).sort_index()


def _better(common: pd.DataFrame, metric: Metric, settings: MetricsSettings) -> dict[str, Any]:
    first, second = common[0], common[1]
    if metric.direction != "higher":
        first, second = second, first
    found = compare(first, second, resamples=settings.bootstrap, seed=settings.seed)
    return {
        "estimate": _number(found.mean_difference),
        "low": _number(found.low),
        "high": _number(found.high),
        "p": _number(found.p),
        "test": "Wilcoxon signed-rank",
    }


def _smaller_gap(common: pd.DataFrame, metric: Metric, settings: MetricsSettings) -> dict[str, Any]:
    def advantage(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.abs(second.mean(axis=axis)) - np.abs(first.mean(axis=axis))

    gaps = ((common[0] - common[1]).to_numpy(), (common[2] - common[3]).to_numpy())
    low, high = bootstrap_interval(
        gaps,
        advantage,
        resamples=settings.bootstrap,
        seed=settings.seed,
        method="percentile",  # an absolute value is not smooth at zero
    )
    return {
        "estimate": _number(advantage(*gaps)) if len(common) else None,
        "low": _number(low),
        "high": _number(high),
        "p": None,
        "test": "bootstrap interval only",
    }


def _verdict(result: dict[str, Any]) -> str:
    if result["n"] < FEWEST_PAIRS or result["low"] is None or result["high"] is None:
        return UNDECIDED
    if result["low"] > 0:
        return HOLDS
    return DOES_NOT_HOLD if result["high"] < 0 else UNDECIDED


def _evidence(result: dict[str, Any]) -> str:
    n, unit = result["n"], result["unit"]
    if n < FEWEST_PAIRS:
        return f"only {n} cases have all values; at least {FEWEST_PAIRS} are needed"
    about = "advantage" if result["kind"] == "better" else "gap smaller by"
    sentence = (
        f"{about} {result['estimate']:.2f} {unit} "
        f"(95 % interval {result['low']:.2f} to {result['high']:.2f}), n = {n}"
    )
    return sentence if result["p"] is None else f"{sentence}, Wilcoxon p = {result['p']:.3g}"


def _number(value: float) -> float | None:
    value = float(value)
    return None if isnan(value) else value
