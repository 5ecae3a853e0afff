"""A table beside the paper's: published value, ours, difference and paired statistics."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from remodal.counting import counted
from remodal.metrics.contrasts import Contrast, Term, contrast
from remodal.metrics.registry import StudyMetric, require_case_metric, require_metric
from remodal.metrics.statistics import holm, signed_rank, summarise
from remodal.report.best import with_best
from remodal.report.cell_rows import rows_of
from remodal.report.cells import Column, Entry, Reference, Row, Table
from remodal.report.choices import model_options
from remodal.report.consistency import require_consistent
from remodal.report.noise_marks import with_noise
from remodal.report.paper_notes import printed_numbers
from remodal.report.preparation_text import label_use
from remodal.report.published import Key, Published, key_of
from remodal.report.records import Recorded, is_number, record_title, recorded
from remodal.report.runs import trained_runs
from remodal.settings import ColumnSettings, RowSettings, Selection, Settings, TableSettings
from remodal.splits.completeness import left_out


@dataclass(frozen=True)
class _Sources:
    """What the cells of a study's tables are made of."""

    settings: Settings
    cases: pd.DataFrame
    published: Mapping[Key, Published]
    recorded: Callable[[Selection, Sequence[Any]], Recorded | None]


def build_tables(
    settings: Settings, cases: pd.DataFrame, splits: Mapping[str, Any], study: Path
) -> list[Table]:
    """All tables of a study.

    Args:
        settings: the study.
        cases: per-case rows, with those of the averages (`with_averages`).
        splits: content of splits.json, for the test cases that a scenario leaves out.
        study: its folder, for the records of the trained models.

    Raises:
        UserError: an unknown metric or record, or a wrong file of published numbers.
        FaultOfOurs: means of ours that contradict each other.
    """
    options = cache(partial(model_options, settings, study))
    runs = trained_runs(settings, study)

    def of_record(cell: Selection, ticked: Sequence[Any]) -> Recorded | None:
        return recorded(settings, cell, ticked, runs, options)

    sources = _Sources(settings, cases, printed_numbers(settings.published), of_record)
    missing = left_out(settings, splits)
    tables = [
        _build_table(sources, name, table, missing) for name, table in settings.tables.items()
    ]
    require_consistent(tables)
    return tables


def _build_table(
    sources: _Sources,
    name: str,
    table: TableSettings,
    missing: Mapping[str, Mapping[str, list[str]]],
) -> Table:
    settings = sources.settings
    chosen = settings.columns_of(table)
    columns = [_column(settings, table, column) for column in chosen]
    cells = settings.cells_of(table)
    references = _references(settings, table, cells)
    rows = [
        _row(sources, name, row, heading, list(zip(columns, chosen, of_row)), of_references)
        for row, heading, of_row, of_references in zip(
            table.rows, table.headings, cells, references
        )
    ]
    rows = with_best(rows)
    rows, noise = with_noise(settings, _with_comparisons(rows, sources.cases), sources.cases)
    shown = dict.fromkeys(e.cell.scenario for row in rows for e in row.entries if e.metric)
    scenarios = dict.fromkeys(chain(*(settings.averages.get(name, [name]) for name in shown)))
    return Table(
        name,
        table.title,
        _effort(settings),
        _corner(table),
        tuple(columns),
        tuple(rows),
        settings.splits.fold_count * len(settings.seeds),
        settings.data.simulated,
        {scenario: missing[scenario] for scenario in scenarios if missing[scenario]},
        {method: settings.title_of(method) for method in settings.methods},
        noise,
        tuple(label_use(settings)),
    )


def _effort(settings: Settings) -> str:
    """How much training is behind a study's tables."""
    epochs = sorted({settings.recipe_of(method).epochs for method in settings.methods})
    shown = " to ".join(map(str, dict.fromkeys((epochs[0], epochs[-1]))))
    return (
        f"Preset {settings.preset}: {shown} {'epoch' if epochs == [1] else 'epochs'}, "
        f"{counted(len(settings.seeds), 'seed')}."
    )


def _references(
    settings: Settings, table: TableSettings, cells: Sequence[Sequence[Selection]]
) -> list[list[Reference | None]]:
    """What each cell is compared with: the reference row's cell, or the reference method's."""
    chosen = [of_row for row, of_row in zip(table.rows, cells) if row.reference]
    label = next((_label(settings, table, row) for row in table.rows if row.reference), "")

    def reference_of(cell: Selection, position: int) -> Reference | None:
        if chosen:
            found = chosen[0][position]
            return Reference(found, label) if found.metric == cell.metric != "" else None
        if method := table.reference.get(cell.scenario, ""):
            return Reference(cell.model_copy(update={"method": method}), settings.title_of(method))
        return None

    return [[reference_of(cell, n) for n, cell in enumerate(of_row)] for of_row in cells]


def _corner(table: TableSettings) -> str:
    """What the rows are: the first thing that they select."""
    parts = ("method", "scenario", "region", "group", "metric", "record")
    first = table.rows[0]
    said = [first, *first.variants.values()]
    return next(part for part in parts if any(getattr(one, part) for one in said)).capitalize()


def _column(settings: Settings, table: TableSettings, chosen: ColumnSettings) -> Column:
    regions = list(settings.data.regions)
    only = regions[0] if len(regions) == 1 else ""
    return Column(
        chosen.name,
        chosen.title or _name(settings, chosen),
        chosen.heading,
        chosen.region or only,
        require_metric(chosen.metric) if chosen.metric else None,
        chosen.mean or table.mean,
        chosen.spread or table.spread,
        marks=bool(chosen.record) and not is_number(chosen.record),
        ranked=not any(part.taken_off for part in _selections(table, chosen)),
        variant=chosen.variant,
    )


def _selections(table: TableSettings, column: ColumnSettings) -> Iterator[Selection]:
    """All that says something about the cells of a column: itself, the rows, their variants."""
    yield column
    for row in table.rows:
        yield row
        if column.variant in row.variants:
            yield row.variants[column.variant]


def _name(settings: Settings, chosen: Selection) -> str:
    """What a row or a column selects, for a reader."""
    parts = [
        settings.title_of(chosen.method) if chosen.method else "",
        settings.heading_of(chosen.scenario),
        settings.heading_of(chosen.region),
        chosen.group,
        require_metric(chosen.metric).title if chosen.metric else "",
        record_title(chosen.record) if chosen.record else "",
        _taken_off(settings, chosen),
    ]
    if isinstance(chosen, ColumnSettings):
        parts.insert(0, settings.heading_of(chosen.variant))
    return ": ".join(filter(None, parts))


def _taken_off(settings: Settings, chosen: Selection) -> str:
    """What is taken off, for a reader."""
    method = settings.title_of(chosen.minus_method) if chosen.minus_method else ""
    named = ", ".join(filter(None, [method, settings.heading_of(chosen.minus)]))
    return f"minus {named}" if named else ""


def _row(
    sources: _Sources,
    table_name: str,
    row: RowSettings,
    heading: str,
    cells: Sequence[tuple[Column, ColumnSettings, Selection]],
    references: Sequence[Reference | None],
) -> Row:
    settings = sources.settings
    entries = []
    for (column, chosen, cell), reference in zip(cells, references):
        published = sources.published.get(key_of(table_name, cell)) if chosen.published else None
        if cell == Selection():
            entries.append(Entry(column, cell, None, None, None, frozenset(), 0, None))
        elif cell.record:
            found = sources.recorded(cell, chosen.ticked)
            entries.append(Entry(column, cell, None, None, found, frozenset(), 0, published))
        else:
            entries.append(_measured(sources.cases, column, cell, published, reference))
    label = _label(settings, settings.tables[table_name], row)
    return Row(row.name, label, heading, tuple(entries), names_method=bool(row.method))


def _label(settings: Settings, table: TableSettings, row: RowSettings) -> str:
    """What a row is called: its method, and what else it selects if others have that method too."""
    if row.label:
        return row.label
    under = list(zip(table.headings, table.rows))
    mine = next(heading for heading, one in under if one is row)
    called = [(heading, one.method) for heading, one in under if not one.label]
    if row.method and called.count((mine, row.method)) == 1:
        return settings.title_of(row.method)
    return _name(settings, row)


def _measured(
    cases: pd.DataFrame,
    column: Column,
    cell: Selection,
    published: Published | None,
    reference: Reference | None,
) -> Entry:
    metric = require_metric(cell.metric)
    if cell.taken_off:
        require_case_metric(cell.metric, f"tables, `{cell.name}`")
    of_cell = rows_of(cases, cell)
    of_models = rows_of(cases, cell.model_copy(update={"group": ""}))
    has_values = isinstance(metric, StudyMetric) or metric.name in of_cell
    return Entry(
        column,
        cell,
        metric,
        summarise(of_cell, metric.name) if has_values and not of_cell.empty else None,
        None,
        frozenset(of_cell["case"]),
        len(of_models[["fold", "seed"]].drop_duplicates()),
        published,
        reference,
    )


def _with_comparisons(rows: Sequence[Row], cases: pd.DataFrame) -> list[Row]:
    """Compare each cell with its reference's, and correct p over the whole table (Holm)."""
    compared = [[_comparison(entry, cases) for entry in row.entries] for row in rows]
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


def _comparison(entry: Entry, cases: pd.DataFrame) -> Contrast | None:
    """Cell minus reference (a signed error by its size)."""
    metric = entry.metric
    if (
        entry.is_reference
        or entry.reference is None
        or metric is None
        or isinstance(metric, StudyMetric)
        or entry.summary is None
    ):
        return None
    terms = []
    for weight, cell in ((1, entry.cell), (-1, entry.reference.cell)):
        of_cell = rows_of(cases, cell)
        if metric.direction == "zero":
            of_cell = of_cell.assign(**{metric.name: of_cell[metric.name].abs()})
        terms.append(Term(weight, of_cell))
    return contrast(terms, metric.name)
