"""Structures chosen by name: which value each structure of a file gets."""

import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from remodal.errors import BadCase

#: Pairs of the value that a structure gets and its name; empty: all structures, by their numbers.
Wanted = Sequence[tuple[int, str]]
#: Brings points (n, 3; LPS mm) from where they were drawn to where they lie on the image's grid.
Move = Callable[[np.ndarray], np.ndarray]


def unmoved(points: np.ndarray) -> np.ndarray:
    """The points themselves."""
    return points


def values_of(numbers: Mapping[int, str], wanted: Wanted) -> dict[int, int]:
    """The value that each structure of a file gets, by its number; those not wanted are left out.

    Names are compared regardless of case and surrounding spaces; structures of the same name are
    taken together.

    Args:
        numbers: name of each structure, by its number.
        wanted: the structures to take.

    Raises:
        BadCase: no structure has one of the names.
    """
    if not wanted:
        return {number: number for number in numbers}
    values: dict[int, int] = {}
    for value, name in wanted:
        found = [number for number, given in numbers.items() if _same(given, name)]
        if not found:
            # The names may contain the patient's, so they stay out of the reason, which is shared.
            print(f"remodal: the structures are {sorted(numbers.values())}", file=sys.stderr)
            raise BadCase(
                f"none of the {len(numbers)} structures is named `{name}`",
                expected="a name as in the file (the log of this job lists them)",
                remedy="correct the sheet's column `structures`",
            )
        values |= dict.fromkeys(found, value)
    return values


def as_byte(value: int) -> int:
    """The value itself.

    Raises:
        BadCase: a label cannot have this value.
    """
    if not 1 <= value <= 255:
        raise BadCase(
            f"structure number {value}",
            expected="1 to 255",
            remedy="name the structures in the sheet's column `structures`",
        )
    return value


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
