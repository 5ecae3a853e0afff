"""Whether slices whose SeriesInstanceUID is blank are one series.

Judged by position alone, two series that are half a step apart would pass for one series with twice
as many slices.
"""

from collections import defaultdict
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np

from remodal.errors import BadCase
from remodal.intake.slices import Slice

# Two series are mixed if adjacent slices differ this many times more than next-but-one slices.
_ALTERNATE = 1.1


class Placed(Protocol):
    """What is looked at of a slice; see `Slice`."""

    rows: int | None
    columns: int | None
    spacing: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    traits: dict[str, str]


AnySlice = TypeVar("AnySlice", bound=Placed)


def told_apart(slices: list[Slice]) -> list[list[Slice]]:
    """Sort slices with blank UIDs into series by their other elements.

    Slices that differ in an element (a number, a description, a time ...) are different series if
    their positions interleave; parts that follow one another are one series.

    Raises:
        BadCase: the instance numbers show several series, but nothing tells which slice is whose.
    """
    if not slices:
        return []
    parts = [slices]
    for element in ("size", "orientation", *sorted({key for one in slices for key in one.traits})):
        parts = [smaller for part in parts for smaller in parted(part, element)]
    for part in parts:
        if all(one.orientation is not None for one in part):
            _check_numbers(part)
    return parts


def parted(slices: list[AnySlice], element: str) -> list[list[AnySlice]]:
    """Part slices by an element, or by "size" or "orientation", unless the parts are one series.

    They are if the slices lack a place, if one of the parts is a single slice, or if the parts
    follow one another instead of interleaving.
    """
    values = defaultdict(list)
    for one in slices:
        values[_value(one, element)].append(one)
    parts = list(values.values())
    if any(one.position is None or one.orientation is None for one in slices):
        return [slices]
    # A single slice that differs is a mistake in its header, not a series.
    if len(parts) == 1 or min(len(part) for part in parts) == 1:
        return [slices]
    if element in ("size", "orientation"):
        return parts
    ranges = sorted((heights.min(), heights.max()) for heights in map(_heights, parts))
    apart = all(first[1] < second[0] for first, second in pairwise(ranges))
    return [slices] if apart else parts


def _value(one: Placed, element: str) -> object:
    if element == "size":
        return one.rows, one.columns, one.spacing
    if element == "orientation":
        return one.orientation and tuple(round(number, 2) for number in one.orientation)
    return one.traits.get(element, "")


def _heights(slices: list[AnySlice]) -> np.ndarray:
    """Places of slices along the normal of the first, in mm."""
    along, down = np.reshape(slices[0].orientation, (2, 3))
    return np.array([one.position for one in slices]) @ np.cross(along, down)


def _check_numbers(slices: list[Slice]) -> None:
    """Check that the instance numbers, if there are any, rise or fall along the slices.

    Raises:
        BadCase: they do not.
    """
    if not _are_numbered(slices) or any(one.position is None for one in slices):
        return
    numbers = {(one.instance, round(height, 2)) for one, height in zip(slices, _heights(slices))}
    steps = np.diff([number for number, _ in sorted(numbers, key=lambda pair: pair[1])])
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise _mixed("the instance numbers do not run along the slices")


def _are_numbered(slices: list[Slice]) -> bool:
    numbers = {one.instance for one in slices}
    return None not in numbers and len(numbers) > 1


def check_content(stored: np.ndarray, slices: list[Slice]) -> list[str]:
    """Check that slices do not alternate between two series, if nothing says that they are one.

    Args:
        stored: stored values (z, y, x).
        slices: their slices, in order.

    Returns:
        A warning if nothing says so.

    Raises:
        BadCase: slices are more like the next but one than like the next.
    """
    if slices[0].series or _are_numbered(slices) or len({one.file for one in slices}) == 1:
        return []
    doubt = [
        "nothing but their places says that the slices are one series "
        "(SeriesInstanceUID and InstanceNumber are blank)"
    ]
    if len(slices) < 4:
        return doubt
    planes = stored[:, ::2, ::2].astype(np.float32)
    to_next, to_next_but_one = (np.abs(planes[by:] - planes[:-by]).mean() for by in (1, 2))
    if to_next > _ALTERNATE * to_next_but_one:
        raise _mixed("slices are more like the next but one than like the next")
    return doubt


def _mixed(sign: str) -> BadCase:
    return BadCase(
        f"SeriesInstanceUID is blank and {sign}: two series may be mixed",
        expected="one series",
        remedy="put each series into a folder of its own, or keep the UIDs when exporting",
    )
