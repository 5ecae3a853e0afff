"""A table beside the paper's: published value, ours, difference and paired statistics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any

import pandas as pd

from remodal.metrics.contrasts import Contrast, Term, contrast
from remodal.metrics.registry import Metric, StudyMetric, require_metric
from remodal.metrics.statistics import Summary, holm, signed_rank, summarise
from remodal.report.best import with_best
from remodal.report.published import Key, Published, read_published
from remodal.settings import RowSettings, Settings, TableSettings
from remodal.splits.completeness import left_out

SIMULATED = "(simulated data)"


@dataclass(frozen=True)
class Column:
    """One column of a table: a metric of a region."""

    region: str
    metric: Metric
    title: str


@dataclass(frozen=True)
class Entry:
    """One method, scenario, region and metric.

    Attributes:
        summary: ours; None where the method was not run in this scenario.
        fold_sd: standard deviation over the means of the folds; NaN with one fold.
        runs: trained models that were measured.
        published: the paper's number; None where it prints none.
        best: whether ours is the best of its group.
        published_best: whether the paper's is.
        comparison: method minus the table's reference method; None for the reference itself.
        p: two-sided signed-rank test of the patients' differences.
        p_holm: the same corrected over all comparisons of the table.
    """

    column: Column
    summary: Summary | None
    fold_sd: float
    runs: int
    published: Published | None
    best: bool = False
    published_best: bool = False
    comparison: Contrast | None = None
    p: float = nan
    p_holm: float = nan

    @property
    def status(self) -> str:
        """`ok`, `undefined` (run, but no case has a value) or `not run`."""
        if self.summary is None:
            return "not run"
        return "undefined" if isnan(self.summary.mean) else "ok"


@dataclass(frozen=True)
class Row:
    """One row: a method in a scenario, and the test cases that it was measured on."""

    method: str
    label: str
    scenario: str
    group: str
    reference: str
    cases: frozenset[str]
    entries: tuple[Entry, ...]

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with this row."""
        return self.method == self.reference


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: key of the settings.
        title: the paper's caption; says so when the data are simulated.
        effort: preset, epochs and seeds, in words.
        columns: metrics, of each region.
        rows: methods in scenarios.
        runs_expected: models that should stand behind each row.
        simulated: whether our values are of simulated data, which nothing published can be
            compared with.
        left_out: for each of its scenarios the test cases that lack an image, and which.
    """

    name: str
    title: str
    effort: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    runs_expected: int
    simulated: bool
    left_out: Mapping[str, Mapping[str, list[str]]]

    @property
    def caption(self) -> str:
        """What every exported copy of the table says of itself."""
        return f"{self.title}. {self.effort}"

    @property
    def reproducibility(self) -> str:
        """Class of the published numbers (A, B or C); empty when there are none."""
        found = {e.published.reproducibility for r in self.rows for e in r.entries if e.published}
        return max(found, default="")

    @property
    def has_published(self) -> bool:
        """Whether the paper prints any number of this table."""
        return any(self.prints(column) for column in self.columns)

    def prints(self, column: Column) -> bool:
        """Whether the paper prints any number of a column."""
        found = (e for row in self.rows for e in row.entries if e.column == column)
        return any(entry.published for entry in found)

    def parts(self, column: Column) -> list[str]:
        """Headings under a column; no difference to what nothing can be compared with."""
        published = self.prints(column)
        return [
            *(["published"] if published else []),
            "ours",
            *(["difference"] if published and not self.simulated else []),
            *(["p"] if self.compared else []),
        ]

    def difference(self, entry: Entry) -> float:
        """Ours minus published; NaN where either is missing or they cannot be compared."""
        if self.simulated or entry.summary is None or entry.published is None:
            return nan
        return entry.summary.mean - entry.published.mean

    @property
    def compared(self) -> list[tuple[Row, Entry]]:
        """Rows and entries that have a paired comparison."""
        return [(row, e) for row in self.rows for e in row.entries if e.comparison is not None]


def build_tables(settings: Settings, cases: pd.DataFrame, splits: Mapping[str, Any]) -> list[Table]:
    """All tables of a study.

    Args:
        settings: the study.
        cases: per-case rows.
        splits: content of splits.json: which test cases a scenario leaves out.

    Raises:
        UserError: an unknown metric, or a wrong file of published numbers.
    """
    published, missing = read_published(settings.published), left_out(settings, splits)
    return [
        _build_table(settings, name, table, cases, published, missing)
        for name, table in settings.tables.items()
    ]


def _build_table(
    settings: Settings,
    name: str,
    table: TableSettings,
    cases: pd.DataFrame,
    published: Mapping[Key, Published],
    missing: Mapping[str, Mapping[str, list[str]]],
) -> Table:
    columns = _columns(settings, table.metrics)
    rows = [_row(settings, name, table, row, columns, cases, published) for row in table.rows]
    rows = with_best(rows)
    rows = _with_comparisons(rows, cases)
    title = f"{table.title} {SIMULATED}" if settings.data.simulated else table.title
    runs = settings.splits.fold_count * len(settings.seeds)
    return Table(
        name,
        title,
        _effort(settings),
        tuple(columns),
        tuple(rows),
        runs,
        settings.data.simulated,
        {row.scenario: missing[row.scenario] for row in rows if missing[row.scenario]},
    )


def _effort(settings: Settings) -> str:
    """How much training stands behind a study's tables."""
    epochs = sorted({settings.recipe_of(method).epochs for method in settings.methods})
    shown = " to ".join(map(str, dict.fromkeys((epochs[0], epochs[-1]))))
    seeds = len(settings.seeds)
    return (
        f"Preset {settings.preset}: {shown} {'epoch' if epochs == [1] else 'epochs'}, "
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}."
    )


def _columns(settings: Settings, metrics: Iterable[str]) -> list[Column]:
    """One column per metric, or a region and metric when there are several regions."""
    regions = list(settings.data.regions)
    columns = []
    for region in regions:
        prefix = f"{heading(region)}: " if len(regions) > 1 else ""
        for name in metrics:
            metric = require_metric(name)
            columns.append(Column(region, metric, prefix + metric.title))
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
        of_cell = _cell(cases, row.method, row.scenario, column.region)
        name = column.metric.name
        key = (table_name, row.method, row.scenario, column.region, name)
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
        frozenset(_of(cases, row.method, row.scenario)["case"]),
        tuple(entries),
    )


def _cell(cases: pd.DataFrame, method: str, scenario: str, region: str) -> pd.DataFrame:
    of_row = _of(cases, method, scenario)
    return of_row[of_row["class"] == region]


def _of(cases: pd.DataFrame, method: str, scenario: str) -> pd.DataFrame:
    return cases[(cases["method"] == method) & (cases["scenario"] == scenario)]


def _fold_sd(cases: pd.DataFrame, metric: Metric) -> float:
    """Standard deviation (n - 1) over the folds' means, each over its cases."""
    means = pd.Series([summarise(fold, metric.name).mean for _, fold in cases.groupby("fold")])
    return float(means.std(ddof=1))


def _with_comparisons(rows: Sequence[Row], cases: pd.DataFrame) -> list[Row]:
    """Compare each row with its scenario's reference, and correct p over the whole table (Holm)."""
    compared = [[_comparison(row, entry, cases) for entry in row.entries] for row in rows]
    p_values = [
        nan if found is None else signed_rank(found.differences)
        for comparisons in compared
        for found in comparisons
    ]
    tested = iter(zip(p_values, holm(p_values)))
    return [
        replace(
            row,
            entries=tuple(
                _tested(entry, comparison, *next(tested))
                for entry, comparison in zip(row.entries, comparisons, strict=True)
            ),
        )
        for row, comparisons in zip(rows, compared, strict=True)
    ]


def _tested(entry: Entry, comparison: Contrast | None, p: float, p_holm: float) -> Entry:
    return replace(entry, comparison=comparison, p=p, p_holm=p_holm)


def _comparison(row: Row, entry: Entry, cases: pd.DataFrame) -> Contrast | None:
    """Method minus reference (a signed error by its size)."""
    metric = entry.column.metric
    if (
        row.is_reference
        or not row.reference
        or isinstance(metric, StudyMetric)
        or entry.summary is None
    ):
        return None
    terms = []
    for weight, method in ((1, row.method), (-1, row.reference)):
        of_cell = _cell(cases, method, row.scenario, entry.column.region)
        if metric.direction == "zero":
            of_cell = of_cell.assign(**{metric.name: of_cell[metric.name].abs()})
        terms.append(Term(weight, of_cell))
    return contrast(terms, metric.name)
