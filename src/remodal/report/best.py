"""Which values of a table are the best of their group, as the paper's bold marks them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isnan, nan
from typing import TYPE_CHECKING

from remodal.metrics.registry import Metric

if TYPE_CHECKING:
    from remodal.report.comparison import Entry, Row


def with_best(rows: Sequence["Row"]) -> list["Row"]:
    """Mark the best of each column, among the rows of the same heading, as the paper's bold does.

    Values that print alike (two decimals) share the mark; a value without a rival gets none. Nor
    does any of ours where the rivals' means are over other cases, or other numbers of them.
    """
    marked = []
    for row in rows:
        rivals = _rivals(row, rows)
        comparable = _same_cases(rivals)
        entries = []
        for i, entry in enumerate(row.entries):
            column = [other.entries[i] for other in rivals]
            metric = entry.column.metric
            counts = {e.summary.n for e in column if e.summary is not None}
            entries.append(
                replace(
                    entry,
                    best=comparable
                    and len(counts) == 1
                    and _is_best(_mean(entry), [_mean(e) for e in column], metric),
                    published_best=_is_best(
                        _published_mean(entry), [_published_mean(e) for e in column], metric
                    ),
                )
            )
        marked.append(replace(row, entries=tuple(entries)))
    return marked


def mixed_groups(rows: Sequence["Row"]) -> bool:
    """Whether a group has rows that were measured on different test cases."""
    return any(not _same_cases(_rivals(row, rows)) for row in rows)


def _rivals(row: "Row", rows: Sequence["Row"]) -> list["Row"]:
    return [other for other in rows if other.group == row.group]


def _same_cases(rows: Sequence["Row"]) -> bool:
    return len({row.cases for row in rows if row.cases}) <= 1


def _mean(entry: "Entry") -> float:
    return nan if entry.summary is None else entry.summary.mean


def _published_mean(entry: "Entry") -> float:
    return nan if entry.published is None else entry.published.mean


def _is_best(value: float, values: Iterable[float], metric: Metric) -> bool:
    rank = {"higher": lambda v: -v, "lower": lambda v: v, "zero": abs}[metric.direction]
    ranks = [round(rank(v), 2) for v in values if not isnan(v)]
    return not isnan(value) and len(ranks) > 1 and round(rank(value), 2) == min(ranks)
