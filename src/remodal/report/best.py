"""Which values of a table are the best among their rivals, which the paper prints in bold."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import isnan, nan
from typing import TYPE_CHECKING

from remodal.metrics.registry import Metric

if TYPE_CHECKING:
    from remodal.report.cells import Entry, Row


def with_best(rows: Sequence["Row"]) -> list["Row"]:
    """Mark the best among rivals, as the paper does in bold.

    Values that print alike (two decimals) share the mark; a value without a rival gets none. None
    of our values is marked if the rivals' means are over different cases, or different numbers of
    them, or if a distance of 0 may stand for a prediction that is missing.
    """
    return [
        replace(
            row,
            entries=tuple(
                _marked(entry, rivals_of(rows, row, position))
                for position, entry in enumerate(row.entries)
            ),
        )
        for row in rows
    ]


def _marked(entry: "Entry", rivals: Sequence["Entry"]) -> "Entry":
    if entry.metric is None or not entry.column.ranked:
        return entry
    counts = {e.summary.n for e in rivals if e.summary is not None}
    comparable = _same_cases(rivals) and len(counts) == 1 and not _rewarded(rivals, entry.metric)
    ours, theirs = [e.mean for e in rivals], [_published_mean(e) for e in rivals]
    return replace(
        entry,
        best=comparable and _is_best(entry.mean, ours, entry.metric),
        published_best=_is_best(_published_mean(entry), theirs, entry.metric),
    )


def _rewarded(rivals: Sequence["Entry"], metric: Metric) -> bool:
    """Whether a convention on empty masks may have made a missing prediction the best."""
    of_distances = metric.direction == "lower" and metric.unit != "%"
    missed = any(entry.summary.missed for entry in rivals if entry.summary is not None)
    return bool(metric.variant_of) and of_distances and missed


def rivals_of(rows: Sequence["Row"], row: "Row", position: int) -> list["Entry"]:
    """The cells with which the one at a position of a row competes, including itself.

    If the columns name different methods, these are the cells of its row that differ only in the
    method; otherwise, those of its column that are under the same heading and about the same thing.
    """
    entry = row.entries[position]
    beside = [other for other in row.entries if other.metric and not other.column.variant]
    if not entry.column.variant and len({other.cell.method for other in beside}) > 1:
        return [e for e in beside if _but_method(e) == _but_method(entry)]
    column = [other.entries[position] for other in rows if other.heading == row.heading]
    return [other for other in column if _about(other) == _about(entry)]


def _but_method(entry: "Entry") -> tuple[str, ...]:
    return (entry.cell.scenario, *_about(entry))


def _about(entry: "Entry") -> tuple[str, ...]:
    return entry.cell.region, entry.cell.group, entry.cell.metric, entry.column.mean


def cases_differ(rows: Sequence["Row"]) -> bool:
    """Whether rivals were measured on different test cases."""
    return any(not _same_cases(rivals) for rivals in _all_rivals(rows))


def counts_differ(rows: Sequence["Row"]) -> bool:
    """Whether rivals have different numbers of cases with a defined value."""
    return any(
        len({entry.summary.n for entry in rivals if entry.summary is not None}) > 1
        for rivals in _all_rivals(rows)
    )


def _all_rivals(rows: Sequence["Row"]) -> Iterator[list["Entry"]]:
    for row in rows:
        for position, entry in enumerate(row.entries):
            if entry.metric:
                yield rivals_of(rows, row, position)


def _same_cases(entries: Sequence["Entry"]) -> bool:
    return len({entry.cases for entry in entries if entry.cases}) <= 1


def _published_mean(entry: "Entry") -> float:
    known = entry.published is not None and not entry.published.below
    return entry.published.mean if known else nan


def _is_best(value: float, values: Iterable[float], metric: Metric) -> bool:
    rank = {"higher": lambda v: -v, "lower": lambda v: v, "zero": abs}[metric.direction]
    ranks = [round(rank(v), 2) for v in values if not isnan(v)]
    return not isnan(value) and len(ranks) > 1 and round(rank(value), 2) == min(ranks)
