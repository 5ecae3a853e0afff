"""The tables stage: the paper's tables, the claims and all per-case rows, as files."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from remodal.errors import UserError
from remodal.metrics.cases import read_cases
from remodal.metrics.claims import DOES_NOT_HOLD, HOLDS, UNDECIDED, evaluate_claims
from remodal.report.comparison import Entry, Row, Table, build_tables
from remodal.report.formats import FORMATS
from remodal.results.files import write_json, write_text
from remodal.settings import Settings
from remodal.splits import read_splits


def study_cases(settings: Settings, metrics: Path) -> pd.DataFrame:
    """Per-case rows of the study's own methods, scenarios, folds and seeds.

    What an earlier configuration left in the folder (a method since removed, a seed too many) is
    not part of the study.

    Raises:
        UserError: there is nothing measured.
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
    """Flat numbers for programs (None: undefined; a method not run is absent)."""
    numbers: dict[str, float | None] = {}
    for table in tables:
        for row in table.rows:
            for entry in row.entries:
                if entry.summary is None:
                    continue
                key = ".".join([table.name, row.method, row.scenario, _column_name(table, entry)])
                numbers[key] = _rounded(entry.summary.mean)
                numbers[f"{key}.sd"] = _rounded(entry.summary.sd)
                numbers[f"{key}.n"] = entry.summary.n
                numbers[f"{key}.missed"] = entry.summary.missed
    for verdict in (HOLDS, DOES_NOT_HOLD, UNDECIDED):
        key = "claims." + verdict.replace(" ", "_")
        numbers[key] = sum(claim["verdict"] == verdict for claim in claims)
    return numbers


def row_numbers(table: Table, row: Row) -> dict[str, float | None]:
    """One row for `dvc metrics show`: its means, and how many lesions or organs were missed."""
    ours = [entry for entry in row.entries if entry.summary is not None]
    numbers = {_column_name(table, entry): _rounded(entry.summary.mean) for entry in ours}
    return numbers | {"missed": max(entry.summary.missed for entry in ours)} if ours else {}


def _column_name(table: Table, entry: Entry) -> str:
    """Name of a metric, and of its region where the table has several."""
    column = entry.column
    several = len({one.region for one in table.columns}) > 1
    return f"{column.region}.{column.metric.name}" if several else column.metric.name


def _rounded(value: float) -> float | None:
    return None if isnan(value) else round(value, 4)


def cases_csv(cases: pd.DataFrame) -> str:
    """All per-case rows as CSV, six decimals, undefined empty."""
    return cases.to_csv(index=False, float_format="%.6f", lineterminator="\n")


def tabulate(settings: Settings, metrics: Path, splits: Path, output: Path) -> None:
    """Write the study's tables, all per-case rows, the flat numbers and the claims.

    Equal inputs give equal bytes: rows come in the order of the settings and of the names.

    Args:
        settings: the study.
        metrics: folder of the per-case tables, `<method>/fold<k>-seed<s>/<scenario>.csv`.
        splits: splits.json.
        output: folder for `<table>.csv`, `.tex`, `.md`, metrics.csv, summary.json, claims.json and
            `rows/<table>.<method>.<scenario>.json`, one row of `dvc metrics show` each.

    Raises:
        UserError: nothing measured, no splits, an unknown metric, or a wrong file of published
            numbers.
    """
    cases = study_cases(settings, metrics)
    tables = build_tables(settings, cases, read_splits(splits))
    claims = evaluate_claims(settings.claims, cases, settings.preset)
    for table in tables:
        for suffix, write in FORMATS.items():
            write_text(output / f"{table.name}.{suffix}", write(table))
        for row in table.rows:
            name = f"{table.name}.{row.method}.{row.scenario}.json"
            write_json(output / "rows" / name, row_numbers(table, row))
    write_text(output / "metrics.csv", cases_csv(cases))
    write_json(output / "claims.json", claims)
    write_json(output / "summary.json", summary_numbers(tables, claims))
