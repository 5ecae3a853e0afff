"""Structures by their names: which number of a file's structures gets which value."""

import sys
from collections.abc import Mapping, Sequence

from remodal.errors import BadCase

#: Pairs of the value that a structure gets and its name; empty: all structures, by their numbers.
Wanted = Sequence[tuple[int, str]]


def values_of(numbers: Mapping[int, str], wanted: Wanted) -> dict[int, int]:
    """The value that each structure of a file gets, by its number; those not wanted are left out.

    Names are compared without case and surrounding spaces; structures of the same name are taken
    together.

    Args:
        numbers: name of each structure, by its number.
        wanted: what is taken.

    Raises:
        BadCase: a name is not there.
    """
    if not wanted:
        return {number: number for number in numbers}
    values: dict[int, int] = {}
    for value, name in wanted:
        found = [number for number, given in numbers.items() if _same(given, name)]
        if not found:
            # The names may hold the patient's, so they stay out of the reason, which is shared.
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
        BadCase: it is not one that a label can have.
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
