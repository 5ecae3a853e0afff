"""A table beside the paper's: published value, ours, difference and paired statistics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

import pandas as pd

from remodal.metrics.registry import Metric, StudyMetric, require_metric
from remodal.metrics.statistics import Comparison, Summary, case_values, compare, holm, summarise
from remodal.report.published import Key, Published, read_published
from remodal.settings import RowSettings, Settings, TableSettings

SIMULATED = "(simulated data)"


@dataclass(frozen=True)
class Column:
    """One column of a table: a metric of a class."""

    class_name: str
    metric: Metric
    title: str


@dataclass(frozen=True)
class Entry:
    """One method, scenario, class and metric.

    Attributes:
        summary: ours; None where the method was not run in this scenario.
        fold_sd: standard deviation over the means of the folds; NaN with one fold.
        runs: trained models that were measured.
        published: the paper's number; None where it prints none.
        best: whether ours is the best of its group.
        published_best: whether the paper's is.
        comparison: method minus the table's reference method; None for the reference itself.
        p_holm: its p value corrected over all comparisons of the table.
    """

    column: Column
    summary: Summary | None
    fold_sd: float
    runs: int
    published: Published | None
    best: bool = False
    published_best: bool = False
    comparison: Comparison | None = None
    p_holm: float = nan

    @property
    def status(self) -> str:
        """`ok`, `undefined` (run, but no case has a value) or `not run`."""
        if self.summary is None:
            return "not run"
        return "undefined" if isnan(self.summary.mean) else "ok"

    @property
    def difference(self) -> float:
        """Ours minus published; NaN where either is missing."""
        if self.summary is None or self.published is None:
            return nan
        return self.summary.mean - self.published.mean


@dataclass(frozen=True)
class Row:
    """One row: a method in a scenario."""

    method: str
    label: str
    scenario: str
    group: str
    reference: str
    entries: tuple[Entry, ...]

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with this row."""
        return self.method == self.reference


@dataclass(frozen=True)
class Table:
    """One table; `runs_expected` models should stand behind each row."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    runs_expected: int

    @property
    def reproducibility(self) -> str:
        """Class of the published numbers (A, B or C); empty when there are none."""
        found = {e.published.reproducibility for r in self.rows for e in r.entries if e.published}
        return max(found, default="")

    @property
    def has_published(self) -> bool:
        """Whether the paper prints any number of this table."""
        return any(entry.published for row in self.rows for entry in row.entries)

    @property
    def compared(self) -> list[tuple[Row, Entry]]:
        """Rows and entries that have a paired comparison."""
        return [(row, e) for row in self.rows for e in row.entries if e.comparison is not None]


def build_tables(settings: Settings, cases: pd.DataFrame) -> list[Table]:
    """All tables of a study.

    Raises:
        UserError: an unknown metric, or a wrong file of published numbers.
    """
    published = read_published(settings.published)
    return [
        _build_table(settings, name, table, cases, published)
        for name, table in settings.tables.items()
    ]


def _build_table(
    settings: Settings,
    name: str,
    table: TableSettings,
    cases: pd.DataFrame,
    published: Mapping[Key, Published],
) -> Table:
    columns = _columns(settings, table.metrics)
    rows = [_row(settings, name, table, row, columns, cases, published) for row in table.rows]
    rows = _with_best(rows)
    rows = _with_comparisons(rows, cases, settings)
    title = f"{table.title} {SIMULATED}" if settings.data.simulated else table.title
    runs = settings.splits.fold_count * len(settings.seeds)
    return Table(name, title, tuple(columns), tuple(rows), runs)


def _columns(settings: Settings, metrics: Iterable[str]) -> list[Column]:
    """One column a metric, or a class and metric when there are several classes."""
    classes = list(settings.data.classes)
    columns = []
    for class_name in classes:
        prefix = f"{heading(class_name)}: " if len(classes) > 1 else ""
        for name in metrics:
            metric = require_metric(name)
            columns.append(Column(class_name, metric, prefix + metric.title))
    return columns


def heading(name: str) -> str:
    """A key of the settings as a reader's heading."""
    return name.replace("_", " ").capitalize()


def _row(
    settings: Settings,
    table_name: str,
    table: TableSettings,
    row: RowSettings,
    columns: Sequence[Column],
    cases: pd.DataFrame,
    published: Mapping[Key, Published],
) -> Row:
    entries = []
    for column in columns:
        of_cell = _cell(cases, row.method, row.scenario, column.class_name)
        name = column.metric.name
        key = (table_name, row.method, row.scenario, column.class_name, name)
        counted = isinstance(column.metric, StudyMetric) or name in of_cell
        measured = counted and not of_cell.empty
        entries.append(
            Entry(
                column,
                summarise(of_cell, name) if measured else None,
                _fold_sd(of_cell, column.metric) if measured else nan,
                len(of_cell[["fold", "seed"]].drop_duplicates()),
                published.get(key),
            )
        )
    return Row(
        row.method,
        settings.methods[row.method].label or row.method,
        row.scenario,
        row.group,
        table.reference.get(row.scenario, ""),
        tuple(entries),
    )


def _cell(cases: pd.DataFrame, method: str, scenario: str, class_name: str) -> pd.DataFrame:
    return cases[
        (cases["method"] == method)
        & (cases["scenario"] == scenario)
        & (cases["class"] == class_name)
    ]


def _fold_sd(cases: pd.DataFrame, metric: Metric) -> float:
    """Standard deviation (n - 1) over the folds' means, each over its cases."""
    means = pd.Series([summarise(fold, metric.name).mean for _, fold in cases.groupby("fold")])
    return float(means.std(ddof=1))


def _with_best(rows: Sequence[Row]) -> list[Row]:
    """Mark the best of each column, among the rows of the same heading, as the paper's bold does.

    Values that print alike (two decimals) share the mark; a value without a rival gets none.
    """
    marked = []
    for row in rows:
        rivals = [other for other in rows if other.group == row.group]
        entries = []
        for i, entry in enumerate(row.entries):
            column = [other.entries[i] for other in rivals]
            metric = entry.column.metric
            entries.append(
                replace(
                    entry,
                    best=_is_best(_mean(entry), [_mean(e) for e in column], metric),
                    published_best=_is_best(
                        _published_mean(entry), [_published_mean(e) for e in column], metric
                    ),
                )
            )
        marked.append(replace(row, entries=tuple(entries)))
    return marked


def _mean(entry: Entry) -> float:
    return nan if entry.summary is None else entry.summary.mean


def _published_mean(entry: Entry) -> float:
    return nan if entry.published is None else entry.published.mean


def _is_best(value: float, values: Iterable[float], metric: Metric) -> bool:
    rank = {"higher": lambda v: -v, "lower": lambda v: v, "zero": abs}[metric.direction]
    ranks = [round(rank(v), 2) for v in values if not isnan(v)]
    return not isnan(value) and len(ranks) > 1 and round(rank(value), 2) == min(ranks)


def _with_comparisons(rows: Sequence[Row], cases: pd.DataFrame, settings: Settings) -> list[Row]:
    """Compare each row with its scenario's reference, and correct p over the whole table (Holm)."""
    compared = [[_comparison(row, entry, cases, settings) for entry in row.entries] for row in rows]
    p_values = [nan if c is None else c.p for comparisons in compared for c in comparisons]
    corrected = iter(holm(p_values))
    return [
        replace(
            row,
            entries=tuple(
                replace(entry, comparison=comparison, p_holm=next(corrected))
                for entry, comparison in zip(row.entries, comparisons, strict=True)
            ),
        )
        for row, comparisons in zip(rows, compared, strict=True)
    ]


def _comparison(
    row: Row, entry: Entry, cases: pd.DataFrame, settings: Settings
) -> Comparison | None:
    """Method minus reference, case by case (a signed error by its size)."""
    metric = entry.column.metric
    if (
        row.is_reference
        or not row.reference
        or isinstance(metric, StudyMetric)
        or entry.summary is None
    ):
        return None
    values = []
    for method in (row.method, row.reference):
        of_cell = _cell(cases, method, row.scenario, entry.column.class_name)
        if metric.direction == "zero":
            of_cell = of_cell.assign(**{metric.name: of_cell[metric.name].abs()})
        values.append(case_values(of_cell, metric.name))
    return compare(*values, resamples=settings.metrics.bootstrap, seed=settings.metrics.seed)
