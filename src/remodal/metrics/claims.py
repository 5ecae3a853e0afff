"""The claims of a study, tested on its own cases: each holds, does not hold or is undecided.

A verdict needs six patients and three trainings behind each row. It comes from a t test whose
variance has a term for patients and one for trainings (`remodal.metrics.contrasts`), corrected over
all claims of the study (Holm). docs/benchmarks.md shows how often such a verdict is wrong.
"""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Any

import pandas as pd

from remodal.counting import counted
from remodal.errors import UserError
from remodal.metrics.cases import cases_of_cell
from remodal.metrics.claim_kinds import KINDS
from remodal.metrics.contrasts import FEWEST_TRAININGS
from remodal.metrics.registry import Metric, require_case_metric
from remodal.metrics.statistics import FEWEST_PAIRS, holm
from remodal.settings import Cell, ClaimSettings

HOLDS, DOES_NOT_HOLD, UNDECIDED = "holds", "does not hold", "undecided"

#: Chance of any wrong verdict in a study whose methods are all equal.
_ERROR_RATE = 0.05


def evaluate_claims(
    claims: Sequence[ClaimSettings],
    cases: pd.DataFrame,
    preset: str,
    repeated: Sequence[tuple[str, str]] = (),
) -> list[dict[str, Any]]:
    """Test a study's claims together.

    See `remodal.metrics.claim_kinds` for what each kind of claim measures.

    Args:
        claims: of the study's settings.
        cases: per-case rows of all methods and scenarios, as from `read_cases`.
        preset: how much work stands behind the rows; named in the evidence.
        repeated: `Settings.repeated`, the cells that the study's noise floor is measured on.

    Returns:
        For each claim a mapping for a JSON file (None: undefined): `text`, `kind`, `metric`,
        `unit`; `verdict`; `estimate` with `low` and `high` (95 %, not corrected), positive in
        favour of the claim, `p` and `p_holm`; `cases`, `patients` and `trainings` (of the row with
        the fewest); `cells`: what each names, and its mean; `evidence`: one sentence.

    Raises:
        UserError: an unknown metric, one of a whole study, or a wrong number of cells.
    """
    found = [_measure(claim, cases, repeated) for claim in claims]
    decidable = [
        nan if _lacking(result) or result["p"] is None else result["p"] for result in found
    ]
    for result, corrected in zip(found, holm(decidable)):
        result["p_holm"] = _number(corrected)
        result["verdict"] = _verdict(result)
        result["evidence"] = _evidence(result, preset)
    return found


def _measure(
    claim: ClaimSettings, cases: pd.DataFrame, repeated: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    metric = require_case_metric(claim.metric, f"claim `{claim.text}`")
    _require_cells(claim)
    rows = [_rows(cases, cell, metric) for cell in (*claim.first, *claim.second)]
    region = claim.first[0].region
    repeats = [cases_of_cell(cases, *cell, region) for cell in repeated]
    measured = KINDS[claim.kind].measure(rows, metric, repeats)
    found = measured.behind
    return {
        "text": claim.text,
        "kind": claim.kind,
        "metric": metric.name,
        "unit": metric.unit,
        "cells": [
            cell.model_dump(exclude_defaults=True) | {"mean": _mean(of_cell, metric)}
            for cell, of_cell in zip((*claim.first, *claim.second), rows)
        ],
        "estimate": _number(measured.estimate),
        "low": _number(measured.low),
        "high": _number(measured.high),
        "p": _number(measured.p),
        "cases": found.cases,
        "patients": found.patients,
        "trainings": found.trainings,
    }


def _require_cells(claim: ClaimSettings) -> None:
    expected = KINDS[claim.kind].cells
    if {len(claim.first), len(claim.second)} != {expected}:
        raise UserError(
            f"`first` and `second` have {len(claim.first)} and {len(claim.second)} cells",
            where=f"claim `{claim.text}`",
            expected=f"{expected} each for `{claim.kind}`",
        )


def _rows(cases: pd.DataFrame, cell: Cell, metric: Metric) -> pd.DataFrame:
    """A cell's rows, with absolute values of a signed metric."""
    rows = cases_of_cell(cases, cell.method, cell.scenario, cell.region, cell.group)
    if metric.direction == "zero":
        rows = rows.assign(**{metric.name: rows[metric.name].abs()})
    return rows


def _mean(rows: pd.DataFrame, metric: Metric) -> float | None:
    return _number(rows.groupby("case")[metric.name].mean().mean())


def _lacking(result: Mapping[str, Any]) -> str:
    """What is missing for a verdict, in words; empty if nothing is."""
    if result["patients"] < FEWEST_PAIRS:
        return f"at least {FEWEST_PAIRS} patients are needed"
    if result["trainings"] < FEWEST_TRAININGS:
        return f"these trainings only: at least {FEWEST_TRAININGS} of each row are needed"
    return ""


def _verdict(result: Mapping[str, Any]) -> str:
    p = result["p_holm"]
    if p is None or p >= _ERROR_RATE:
        return UNDECIDED
    return HOLDS if result["estimate"] > 0 else DOES_NOT_HOLD


def _evidence(result: Mapping[str, Any], preset: str) -> str:
    """One sentence: estimate, interval, p, and what stands behind them."""
    behind = (
        f"{counted(result['patients'], 'patient')}, "
        f"{counted(result['trainings'], 'training')} of each row, preset {preset}"
    )
    parts = []
    if result["low"] is not None:
        parts.append(
            f"{KINDS[result['kind']].about} {_shown(result['estimate'])} {result['unit']} "
            f"(95 % interval {_shown(result['low'])} to {_shown(result['high'])})"
        )
    if result["p_holm"] is not None:
        p = result["p_holm"]
        parts.append(f"p {'< 0.001' if p < 0.001 else f'= {p:.3f}'} after Holm's correction")
    sentence = ", ".join([*parts, behind])
    lacking = _lacking(result)
    return f"{sentence}; {lacking}" if lacking else sentence


def _shown(value: float) -> str:
    """A number for reading, with a real minus sign."""
    return f"{value:.2f}".replace("-", "−")


def _number(value: float) -> float | None:
    value = float(value)
    return None if isnan(value) else value
