"""A table as CSV and Markdown, and the list of all formats."""

import csv
import io
from collections.abc import Callable, Sequence
from math import isnan
from typing import NamedTuple

from remodal.report.cells import Entry, Row, Table
from remodal.report.latex import to_latex
from remodal.report.wording import (
    COMPARED,
    COUNTS,
    compared_texts,
    count_texts,
    metric_texts,
    notes,
)

CSV_COLUMNS = (
    "table",
    "heading",
    "method",
    "label",
    "scenario",
    "region",
    "group",
    "metric",
    "record",
    "minus",
    "unit",
    "status",
    "mean_over",
    "spread_over",
    "published_mean",
    "published_sd",
    "reproducibility",
    "mean",
    "case_sd",
    "seed_sd",
    "fold_sd",
    "n",
    "cases",
    "missed",
    "undefined",
    "runs",
    "runs_expected",
    "best",
    "difference_to_published",
    "reference",
    "difference_to_reference",
    "interval_low",
    "interval_high",
    "patients",
    "trainings",
    "p",
    "p_holm",
)


class _Told(NamedTuple):
    """A column of some tables only: of which, and what stands in it."""

    belongs: Callable[[Table], bool]
    value: Callable[[Entry], str | float | None]


_OTHER_COLUMNS = {
    "pair_sd": _Told(
        lambda table: any(column.spread == "pairs" for column in table.columns),
        lambda entry: entry.summary and entry.summary.pair_sd,
    ),
    "noise_floor": _Told(lambda table: bool(table.noise), lambda entry: entry.noise_floor),
    "within_noise": _Told(
        lambda table: bool(table.noise),
        lambda entry: (
            None
            if isnan(entry.noise_floor) or isnan(entry.difference)
            else str(int(entry.is_noise))
        ),
    ),
}


def to_csv(table: Table) -> str:
    """One line per entry, every number with six decimals; empty if undefined or only a bound.

    A place where the table has no cell has no line.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    others = {name: told for name, told in _OTHER_COLUMNS.items() if told.belongs(table)}
    writer.writerow([*CSV_COLUMNS, *others])
    for row, entry in table.entries:
        if not entry.is_empty:
            own = [_plain(told.value(entry)) for told in others.values()]
            writer.writerow([*_csv_cells(table, row, entry), *own])
    return text.getvalue()


def _csv_cells(table: Table, row: Row, entry: Entry) -> list[str]:
    cell, summary, published, compared = (
        entry.cell,
        entry.summary,
        entry.published,
        entry.comparison,
    )
    unit = entry.metric.unit if entry.metric else ""
    names = [table.caption, row.heading, cell.method, row.label, cell.scenario]
    names += [cell.region, cell.group, cell.metric, cell.record, cell.taken_off, unit, entry.status]
    names += [entry.column.mean, entry.column.spread] if entry.metric else ["", ""]
    printed: list[str | float | None] = [None] * 3
    if published:
        mean = None if published.below else published.mean
        printed = [mean, published.sd, published.reproducibility]
    ours: list[float | None] = [None if isnan(entry.mean) else entry.mean, *[None] * 7]
    if summary:
        ours[1:] = [summary.sd, summary.seed_sd, summary.fold_sd, summary.n]
        ours += [summary.cases, summary.missed, summary.undefined]
    tested: list[float | None] = [None] * 6
    if compared:
        tested = [compared.estimate, compared.low, compared.high]
        tested += [compared.patients, compared.trainings, entry.p]
    cells = [*names, *printed, *ours, entry.runs, table.runs_expected, int(entry.best)]
    reference = entry.reference.cell.method if entry.reference else ""
    cells += [table.difference(entry), reference, *tested, entry.p_holm]
    return [_plain(cell) for cell in cells]


def _plain(cell: str | float | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return "" if isnan(cell) else f"{cell:.6f}"
    return str(cell)


def to_markdown(table: Table) -> str:
    """A pipe table under its title, the notes, and the paired comparisons."""
    header = _header(table)
    lines = [f"**{table.caption}**", "", _pipes(header), _rule(header)]
    heading = ""
    for row in table.rows:
        if row.heading and row.heading != heading:
            lines.append(_pipes([f"*{row.heading}*", *[""] * (len(header) - 1)]))
        heading = row.heading
        lines.append(_pipes(_cells(table, row)))
    lines += ["", *(f"- {note}" for note in notes(table))]
    if table.compared:
        lines += ["", "**Paired comparisons with the reference method**", ""]
        lines += [_pipes(COMPARED), _rule(COMPARED)]
        lines += [_pipes(compared_texts(table, row, entry)) for row, entry in table.compared]
    return "\n".join(lines) + "\n"


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _rule(header: Sequence[str]) -> str:
    return _pipes([":---", *["---:"] * (len(header) - 1)])


def _header(table: Table) -> list[str]:
    named = [
        " ".join(filter(None, [f"{column.heading}:" if column.heading else "", column.title, part]))
        for column in table.columns
        for part in table.parts(column)
    ]
    return [table.corner, *named, *COUNTS]


def _cells(table: Table, row: Row) -> list[str]:
    """The printed cells of one row, under the headings of `_header`."""
    cells = []
    for entry in row.entries:
        texts = metric_texts(table, entry, bold=lambda text: f"**{text}**")
        cells += [texts[part] for part in table.parts(entry.column)]
    return [row.label, *cells, *count_texts(row)]


FORMATS: dict[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "tex": to_latex,
    "md": to_markdown,
}
