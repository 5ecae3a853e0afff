"""The per-case table: one CSV for each model and scenario, and all of a study's as one frame."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.results.files import write_text
from remodal.results.paths import training_of

if TYPE_CHECKING:
    import pandas as pd

#: Columns that identify the measurement in a row.
KEYS = ("case", "patient", "group", "region")

#: Columns of counts, in every row: voxels, lesions, and whether everything was missed (0 or 1).
COUNTS = (
    "intersection",
    "prediction_voxels",
    "truth_voxels",
    "lesions",
    "lesions_found",
    "lesions_predicted",
    "lesions_false",
    "missed",
)

#: Column with the other case whose images replaced some of a case's own, in scenarios with foreign
#: images: there, a case has one row for each such other case.
FOREIGN = "foreign"

#: Column with the fault of ours that left a case without a value; empty for all other cases.
FAILED = "failed"


def write_cases(
    path: Path, metrics: Sequence[str], rows: Iterable[Mapping[str, str | int | float]]
) -> None:
    """Write per-case rows: keys, metrics (six decimals, undefined empty), counts, `FAILED`.

    Rows with foreign images have `FOREIGN` after the keys.
    """
    rows = list(rows)
    foreign = [FOREIGN] if any(FOREIGN in row for row in rows) else []
    columns = [*KEYS, *foreign, *metrics, *COUNTS]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*columns, FAILED])
    table.writerows(
        [*(_cell(row.get(column, "")) for column in columns), row.get(FAILED, "")] for row in rows
    )
    write_text(path, text.getvalue())


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.6f}"
    return str(value)


def failed_cases(path: Path) -> dict[str, str]:
    """The cases of one per-case table that a fault of ours left without a value, with reasons."""
    with open(path, encoding="utf-8", newline="") as file:
        return {row["case"]: row[FAILED] for row in csv.DictReader(file) if row[FAILED]}


def read_cases(metrics: Path) -> "pd.DataFrame":
    """All per-case measurements of a study.

    Args:
        metrics: the study's folder of `<method>/fold<k>-seed<s>/<scenario>.csv`.

    Returns:
        One row for each method, fold, seed, scenario, case and region, in this order, with those
        columns, `patient`, `group`, the metrics (NaN: undefined) and the counts. If any scenario
        has foreign images there is a column `foreign`, empty in the other scenarios.

    Raises:
        UserError: there is no table, or one lacks its columns.
    """
    import pandas as pd

    tables = []
    for path in sorted(Path(metrics).glob("*/fold*-seed*/*.csv")):
        training = training_of(path.parent)
        if training is None:
            continue
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys((*KEYS, FOREIGN, FAILED), str),
            keep_default_na=False,
            na_values=_empty_where_numeric(path),
            float_precision="round_trip",
        )
        if table.empty:  # no test case of this fold has the scenario's modalities
            continue
        tables.append(table.assign(**training._asdict(), scenario=path.stem))
    if not tables:
        raise UserError(
            "holds no per-case table", where=str(metrics), remedy="run the evaluate stage first"
        )
    cases = pd.concat(tables, ignore_index=True)
    if FOREIGN in cases:
        cases[FOREIGN] = cases[FOREIGN].fillna("")
    order = ["method", "fold", "seed", "scenario", *KEYS]
    return cases[[*order, *(name for name in cases.columns if name not in order)]]


def cases_of_cell(
    cases: "pd.DataFrame", method: str, scenario: str, region: str = "", group: str = ""
) -> "pd.DataFrame":
    """The rows of a method in a scenario, for one region and one group or, if empty, for all."""
    chosen = (cases["method"] == method) & (cases["scenario"] == scenario)
    if region:
        chosen &= cases["region"] == region
    if group:
        chosen &= cases["group"] == group
    return cases[chosen]


def _empty_where_numeric(path: Path) -> dict[str, list[str]]:
    """What read_csv should take as undefined: an empty cell, except in a column of names."""
    with open(path, encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file), [])
    missing = [name for name in (*KEYS, *COUNTS, FAILED) if name not in columns]
    if missing:
        raise UserError(f"lacks the columns {', '.join(missing)}", where=str(path))
    return {name: [""] for name in columns if name not in (*KEYS, FOREIGN, FAILED)}
