"""Published numbers: `config/published/<name>.csv` holds one printed cell per line."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from remodal.errors import UserError
from remodal.settings import Selection
from remodal.settings.places import CONFIG, shipped_file

FOLDER = CONFIG / "published"

#: How far apart two values are that count as equal: less than one parameter among millions.
_EQUAL = 5e-7


class Key(NamedTuple):
    """A table, and what a cell of it selects; `minus` is what the cell takes off, in one word."""

    table: str
    method: str
    scenario: str
    region: str
    group: str
    metric: str
    record: str
    minus: str


COLUMNS = (*Key._fields, "mean", "sd", "spread", "reproducibility", "source")

REPRODUCIBILITY: dict[str, str] = {
    "A": "Class A: the published numbers follow exactly, without data.",
    "B": "Class B: the paper's data are public, so retraining on them gives numbers that can be "
    "compared with the published ones.",
    "C": "Class C: the paper's data are private, so only the ordering of the methods can be "
    "tested, not the published values.",
}

#: What the standard deviation after a published mean is taken over.
SPREADS = {
    "cases": "cases",
    "folds": "folds",
    "seeds": "seeds",
    "pairs": "pairs of a case and another patient's image",
    "none": "",
}


@dataclass(frozen=True)
class Published:
    """One printed number.

    Attributes:
        mean: what is printed.
        below: whether the paper prints only that the value is below that (`<0.1`).
        sd: standard deviation; None where none is printed.
        spread: what that is taken over.
        reproducibility: its class, a key of `REPRODUCIBILITY`.
        source: where it is printed.
        decimals: of the printed mean.
        truncated: whether it is cut off after them instead of rounded.
        exact: the value that it stands for, where the paper prints it in a way of its own.
        derivation: that way.
    """

    mean: float
    sd: float | None
    spread: str
    reproducibility: str
    source: str
    decimals: int = 2
    truncated: bool = False
    exact: float | None = None
    derivation: str = ""
    below: bool = False

    def says(self, value: float) -> bool:
        """Whether the paper would print this value so; never for one that cannot be exact."""
        if self.reproducibility != "A" or self.below or not isfinite(value):
            return False
        if self.exact is not None:
            return abs(value - self.exact) < _EQUAL
        last = Decimal(1).scaleb(-self.decimals)
        ways = [ROUND_DOWN] if self.truncated else [ROUND_HALF_UP, ROUND_HALF_EVEN]
        printed = Decimal(repr(self.mean)).quantize(last)
        return any(Decimal(repr(value)).quantize(last, way) == printed for way in ways)


def key_of(table: str, cell: Selection) -> Key:
    """The key under which a cell's published number is found."""
    return Key(table, *(getattr(cell, part) for part in Key._fields[1:-1]), cell.taken_off)


def read_published(name: str, folder: Path = FOLDER) -> dict[Key, Published]:
    """Published numbers, by the key that `key_of` gives; empty without a name.

    Raises:
        UserError: no such file, a wrong column, or a cell that is not a number or occurs twice.
    """
    if not name:
        return {}
    path = shipped_file(folder / f"{name}.csv")
    numbers: dict[Key, Published] = {}
    for row, line in _lines(path):
        where = f"{path}, row {row}"
        key = Key(*(line[part] for part in Key._fields))
        if key in numbers:
            said = " ".join(filter(None, key))
            raise UserError(f"`{said}` stands twice", where=where, expected="once")
        below = line["mean"].startswith("<")
        mean = _number(line | {"mean": line["mean"].removeprefix("<")}, "mean", where)
        if mean is None:
            raise UserError("`mean` is empty", where=where, expected="the published number")
        for column, known in (("spread", SPREADS), ("reproducibility", REPRODUCIBILITY)):
            if line[column] not in known:
                raise UserError(
                    f"`{column}` is `{line[column]}`",
                    where=where,
                    expected=f"one of {', '.join(known)}",
                )
        numbers[key] = Published(
            mean,
            _number(line, "sd", where),
            line["spread"],
            line["reproducibility"],
            line["source"],
            len(line["mean"].partition(".")[2]),
            below=below,
        )
    return numbers


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            "cannot be read",
            where=str(path),
            expected="a table of published numbers",
            remedy="put it there, or leave the study's `published` empty",
        ) from error
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise UserError(
            f"has the columns {', '.join(reader.fieldnames or ['(none)'])}",
            where=str(path),
            expected=", ".join(COLUMNS),
        )
    for row, line in enumerate(reader, 2):
        if None in line or None in line.values():
            raise UserError("has more or fewer cells than the header", where=f"{path}, row {row}")
        yield row, line


def _number(line: dict[str, str], column: str, where: str) -> float | None:
    text = line[column]
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise UserError(
            f"`{column}` is `{text}`", where=where, expected="a number such as 78.76"
        ) from error
