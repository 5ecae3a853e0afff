"""A study's tables, as they are written."""

import csv
from pathlib import Path


def rows_of(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cells(study: Path, table: str) -> list[dict[str, str]]:
    """The cells of one of a study's tables."""
    return rows_of(study / "tables" / f"{table}.csv")
