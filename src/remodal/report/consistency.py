"""Whether the mean Dice and the mean Jaccard of one row can be of the same cases.

Of one case the two say the same: J = D / (2 - D). This curve is convex, so over the same cases the
mean Jaccard is at least D / (2 - D) of the mean Dice (Jensen's inequality).
"""

from collections.abc import Iterator, Sequence
from math import isnan

from remodal.errors import FaultOfOurs
from remodal.metrics.registry import METRICS
from remodal.report.cells import Entry, Row, Table

#: How far rounding may move our means (the per-case tables have six decimals) and printed ones, %.
_OURS, _PRINTED = 1e-4, 0.005


def least_jaccard(dice: float) -> float:
    """The least mean Jaccard of cases with this mean Dice; both in percent."""
    return 100 * dice / (200 - dice)


def require_consistent(tables: Sequence[Table]) -> None:
    """Check our own means of Dice and Jaccard against each other.

    Raises:
        FaultOfOurs: a pair of them is impossible.
    """
    for table in tables:
        for row, dice, jaccard in _pairs(table):
            ours = [entry.summary for entry in (dice, jaccard)]
            of_same_cases = all(ours) and len({found.n for found in ours if found}) == 1
            if of_same_cases and _too_low(dice.mean, jaccard.mean, _OURS):
                raise FaultOfOurs(
                    f"a mean {_impossible(dice.mean, jaccard.mean)}",
                    where=f"table `{table.name}`, row `{row.name}`",
                    remedy="please report it with the study's metrics/ folder",
                )


def printed_inconsistencies(table: Table) -> list[str]:
    """Notes on published means of Dice and Jaccard that cannot be of the same cases."""
    return [
        f"The published row {row.label} has a mean {_impossible(*printed)}: these means cannot be "
        "of the same cases."
        for row, *entries in _pairs(table)
        if len(printed := [e.published.mean for e in entries if e.published]) == 2
        and _too_low(*printed, _PRINTED)
    ]


def _pairs(table: Table) -> Iterator[tuple[Row, Entry, Entry]]:
    """The cells that differ only in having Dice and Jaccard, each pair with the row of its Dice."""
    plain = [e for _, e in table.entries if e.metric and not e.cell.taken_off]
    found = {(e.cell, e.column.mean): e for e in plain}
    for row, entry in table.entries:
        name = entry.cell.metric
        other = name.replace("dice", "jaccard", 1) if name.startswith("dice") else ""
        key = entry.cell.model_copy(update={"metric": other}), entry.column.mean
        if other in METRICS and key in found:
            yield row, entry, found[key]


def _too_low(dice: float, jaccard: float, rounding: float) -> bool:
    if isnan(dice) or isnan(jaccard):
        return False
    return jaccard + rounding < least_jaccard(dice - rounding)


def _impossible(dice: float, jaccard: float) -> str:
    least = least_jaccard(dice)
    return f"Dice of {dice:.2f} % but a Jaccard of {jaccard:.2f} %, less than {least:.2f} %"
