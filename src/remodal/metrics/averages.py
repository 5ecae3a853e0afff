"""Means over several scenarios, such as over all subsets of the modalities."""

from collections.abc import Mapping, Sequence

import pandas as pd

from remodal.metrics.cases import COUNTS, FAILED, FOREIGN, KEYS

_PREDICTED = ["method", "fold", "seed", *KEYS]


def with_averages(cases: pd.DataFrame, averages: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Per-case rows with those of the averages below them, as if these were scenarios.

    A metric's average is the mean over the scenarios, each counting alike: undefined if it is
    undefined in one of them, and there only for a case that was predicted in all of them. With
    foreign images a case counts once in each scenario. Counts are summed.

    Args:
        cases: as from `read_cases`.
        averages: for each name, the scenarios.
    """
    rows = [_average(cases, name, scenarios) for name, scenarios in averages.items()]
    return pd.concat([cases, *rows], ignore_index=True) if rows else cases


def _average(cases: pd.DataFrame, name: str, scenarios: Sequence[str]) -> pd.DataFrame:
    chosen = cases[cases["scenario"].isin(scenarios)]
    of_each = _summed_up(chosen, [*_PREDICTED, "scenario"]).reset_index()
    complete = of_each.groupby(_PREDICTED, sort=False)["scenario"].transform("size")
    averaged = _summed_up(of_each[complete == len(scenarios)], _PREDICTED).reset_index()
    constant = {"scenario": name, FAILED: ""} | ({FOREIGN: ""} if FOREIGN in cases else {})
    return averaged.assign(**constant)[list(cases.columns)]


def _summed_up(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Means of the metrics, undefined where one row's is, and sums of the counts."""
    metrics = [c for c in rows if c not in (*_PREDICTED, "scenario", *COUNTS, FOREIGN, FAILED)]
    groups = rows.groupby(keys, sort=False)
    defined = groups[metrics].count().eq(groups.size(), axis=0)
    return groups[metrics].mean().where(defined).join(groups[list(COUNTS)].sum())
