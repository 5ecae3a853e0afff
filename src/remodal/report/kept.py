"""Tables that are kept in git (docs/results), and whether a run gives the same numbers."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.metrics.registry import METRICS
from remodal.report.records import CLOCKED
from remodal.results.files import read_json, write_json

_SUMMARY, _MADE = "summary.json", "made-with.json"
_TABLES = ("*.csv", "*.md", "*.tex", "claims.json", _SUMMARY)
#: Per-case rows are much larger than all tables together, and are in DVC.
_LEFT_OUT = {"metrics.csv"}
#: What decides whether two runs must have equal numbers.
_DECIDES = ("instruction_set", "threads", "torch", "remodal", "commit")


def keep_tables(study: Path, output: Path) -> None:
    """Copy a study's tables, claims and flat numbers, and write what they were made with.

    Raises:
        UserError: the study has no tables.
    """
    _summary(study / "tables")
    output.mkdir(parents=True, exist_ok=True)
    for pattern in _TABLES:
        for path in sorted((study / "tables").glob(pattern)):
            if path.name not in _LEFT_OUT:
                shutil.copyfile(path, output / path.name)
    write_json(output / _MADE, {"date": date.today().isoformat(), **_made_with(study)})


def compared(study: Path, kept: Path) -> str:
    """One line: whether the numbers of a study's tables equal the kept ones, or what differs.

    Raises:
        UserError: the study has no tables.
    """
    ours = _summary(study / "tables")
    if not (kept / _SUMMARY).is_file():
        return f"No tables are kept in {kept} to compare with."
    theirs = _summary(kept)
    numbers = {key for key in ours.keys() | theirs.keys() if key.split(".")[-1] not in CLOCKED}
    differing = [key for key in numbers if ours.get(key) != theirs.get(key)]
    if not differing:
        apart = ", except how long training took" if numbers < ours.keys() else ""
        return f"The tables equal those of {kept}: all {len(numbers)} numbers{apart}."
    said = f"{len(differing)} of {len(numbers)} numbers differ from {kept}"
    largest = _largest(ours, theirs)
    if largest:
        said += f" (means by at most {', '.join(largest)})"
    return f"{said}. {_difference(_made_with(study), read_json(kept / _MADE))}"


def _summary(tables: Path) -> dict[str, Any]:
    if not (tables / _SUMMARY).is_file():
        raise UserError(
            "holds no tables",
            where=str(tables),
            expected=_SUMMARY,
            remedy="finish the study first",
        )
    return read_json(tables / _SUMMARY)


def _largest(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """The largest difference of a mean, for each metric that has one."""
    found: dict[str, float] = {}
    for key, value in ours.items():
        other = theirs.get(key)
        # Only a mean has a number of cases beside it; other numbers are counts and spreads.
        if f"{key}.n" in ours and value is not None and other is not None:
            metric = _metric_of(key)
            found[metric] = max(found.get(metric, 0.0), abs(value - other))
    return [f"{metric} {value:.4g}" for metric, value in found.items() if value]


def _metric_of(key: str) -> str:
    """The metric in the name of a number; how it is averaged may stand after it."""
    parts = key.split(".")
    return next((part for part in reversed(parts) if part in METRICS), parts[-1])


def _made_with(study: Path) -> dict[str, Any]:
    """What determines the numbers, from the first trained model; empty if there is none."""
    for path in sorted((study / "models").glob("*/fold*-seed*/training.json")):
        found = read_json(path)
        if found.get("epochs"):
            machine = found["hardware"]
            return {
                **{name: machine.get(name) for name in ("cpu", "instruction_set", "threads")},
                "device": found["device"],
                "torch": found["versions"]["torch"],
                "remodal": found["versions"]["remodal"],
                "commit": found["code"]["commit"],
            }
    return {}


def _difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """How the two runs differed."""
    unlike = [
        f"{name.replace('_', ' ')} {ours.get(name)} here, {theirs.get(name)} there"
        for name in _DECIDES
        if ours.get(name) != theirs.get(name)
    ]
    if unlike:
        return f"The runs differ in: {'; '.join(unlike)}."
    return "Nothing that is recorded of the two runs explains it: please report it."
