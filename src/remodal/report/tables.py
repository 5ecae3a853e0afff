"""The tables stage: the paper's tables, the claims and all per-case rows, as files."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from remodal.errors import UserError
from remodal.metrics.averages import with_averages
from remodal.metrics.cases import read_cases
from remodal.metrics.claims import DOES_NOT_HOLD, HOLDS, UNDECIDED, evaluate_claims
from remodal.report.cells import Row, Table
from remodal.report.comparison import build_tables
from remodal.report.formats import FORMATS
from remodal.results.files import write_json, write_text
from remodal.results.paths import splits_file
from remodal.settings import Settings
from remodal.splits import read_splits


def study_cases(settings: Settings, metrics: Path) -> pd.DataFrame:
    """Per-case rows of the study's own methods, scenarios, folds and seeds.

    What an earlier configuration left in the folder (a method since removed, a seed too many) is
    not part of the study.

    Raises:
        UserError: nothing has been measured.
    """
    cases = read_cases(metrics)
    ours = (
        cases["method"].isin(list(settings.methods))
        & cases["scenario"].isin(list(settings.scenarios))
        & cases["fold"].isin(range(settings.splits.fold_count))
        & cases["seed"].isin(settings.seeds)
    )
    if not ours.any():
        raise UserError(
            "holds no measurement of this study's methods, folds and seeds",
            where=str(metrics),
            remedy="run the evaluate stage first",
        )
    return cases[ours].reset_index(drop=True)


def summary_numbers(
    tables: Sequence[Table], claims: Sequence[Mapping[str, Any]]
) -> dict[str, float | None]:
    """Flat numbers for programs (None: undefined; a method not run is absent).

    A mean and its `.sd` are those that the table shows.
    """
    numbers: dict[str, float | None] = {}
    for table in tables:
        for row, entry in table.entries:
            key = f"{table.name}.{row.name}.{entry.column.name}"
            if entry.summary is not None:
                numbers[key] = _rounded(entry.mean)
                numbers[f"{key}.sd"] = _rounded(entry.sd)
                numbers[f"{key}.n"] = entry.summary.n
                numbers[f"{key}.missed"] = entry.summary.missed
            elif not isnan(entry.mean):
                numbers[key] = _rounded(entry.mean)
    for verdict in (HOLDS, DOES_NOT_HOLD, UNDECIDED):
        key = "claims." + verdict.replace(" ", "_")
        numbers[key] = sum(claim["verdict"] == verdict for claim in claims)
    return numbers


def row_numbers(row: Row) -> dict[str, float | None]:
    """One row for `dvc metrics show`: its numbers, and how many lesions or organs were missed."""
    ours = [e for e in row.entries if e.summary is not None or not isnan(e.mean)]
    numbers = {entry.column.name: _rounded(entry.mean) for entry in ours}
    missed = [entry.summary.missed for entry in ours if entry.summary is not None]
    return numbers | ({"missed": max(missed)} if missed else {})


def _rounded(value: float) -> float | None:
    return None if isnan(value) else round(value, 4)


def cases_csv(cases: pd.DataFrame) -> str:
    """All per-case rows as CSV, with six decimals, undefined values empty."""
    return cases.to_csv(index=False, float_format="%.6f", lineterminator="\n")


def tabulate(settings: Settings, study: Path, output: Path) -> None:
    """Write the study's tables, all per-case rows, the flat numbers and the claims.

    Equal inputs give equal bytes: rows come in the order of the settings and of the names.

    Args:
        settings: the study.
        study: its folder: metrics, splits.json, and the models' records.
        output: folder for `<table>.csv`, `.tex`, `.md`, metrics.csv, summary.json, claims.json and
            `rows/<table>.<row>.json`, one row of `dvc metrics show` each.

    Raises:
        UserError: nothing measured, no splits, an unknown metric, or a wrong file of published
            numbers.
    """
    cases = study_cases(settings, study / "metrics")
    measured = with_averages(cases, settings.averages)
    tables = build_tables(settings, measured, read_splits(splits_file(study)), study)
    claims = evaluate_claims(settings.claims, measured, settings.preset, settings.repeated)
    for table in tables:
        for suffix, write in FORMATS.items():
            write_text(output / f"{table.name}.{suffix}", write(table))
        for row in table.rows:
            write_json(output / "rows" / f"{table.name}.{row.name}.json", row_numbers(row))
    write_text(output / "metrics.csv", cases_csv(cases))
    write_json(output / "claims.json", claims)
    write_json(output / "summary.json", summary_numbers(tables, claims))
