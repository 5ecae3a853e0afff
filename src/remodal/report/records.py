"""What a cell can show in place of a metric: a model's record, an option, a modality that is there.

A record is of the model (`parameters`, `hours`, numbers of cases), of the method's settings
(`option.<name>`), or of the scenario (`present.<modality>`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from remodal.errors import UserError
from remodal.report.runs import Run
from remodal.settings import Selection, Settings

TICK, PRESENT, ABSENT = "✓", "●", "○"

#: Kinds of records whose rest is a name: of an option, of a modality.
OPTION, MODALITY = "option.", "present."


@dataclass(frozen=True)
class Recorded:
    """What a record says: a number (NaN: it is a word or a mark) and how it is printed."""

    value: float
    text: str


@dataclass(frozen=True)
class _Number:
    """A number of each trained model: heading, decimals, and how it is found in its record."""

    title: str
    digits: int
    of: Callable[[Mapping[str, Any]], float | None]


def _count(part: str) -> Callable[[Mapping[str, Any]], float | None]:
    def counted(details: Mapping[str, Any]) -> float | None:
        cases = details.get("cases", {})
        return len(cases[part]) if part in cases else None

    return counted


def _millions(details: Mapping[str, Any]) -> float | None:
    """As papers count: of all networks that were trained, a discriminator too."""
    count = details.get("trained_parameter_count")
    return None if count is None else count / 1e6


def _hours(details: Mapping[str, Any]) -> float | None:
    seconds = details.get("seconds")
    return None if seconds is None else seconds / 3600


NUMBERS = {
    "parameters": _Number("Parameters [M]", 2, _millions),
    "hours": _Number("Training [h]", 2, _hours),
    "labelled": _Number("Labelled", 0, _count("train")),
    "unlabelled": _Number("Unlabelled", 0, _count("unlabelled")),
}


def record_title(name: str) -> str:
    """A record's heading.

    Raises:
        UserError: no such record.
    """
    if name in NUMBERS:
        return NUMBERS[name].title
    kind, dot, rest = name.partition(".")
    if f"{kind}{dot}" not in (OPTION, MODALITY) or not rest:
        known = [*NUMBERS, f"{OPTION}<name>", f"{MODALITY}<modality>"]
        raise UserError(
            f"unknown record `{name}`", where="tables", expected=f"one of {', '.join(known)}"
        )
    return rest.replace("_", " ")


def is_number(name: str) -> bool:
    """Whether a record is a number, to be printed and compared; else it is a mark or a word."""
    return name in NUMBERS


def digits_of(name: str) -> int:
    """Decimals of a record's number; those of a metric without a name of a record."""
    return NUMBERS[name].digits if name in NUMBERS else 2


def recorded(
    settings: Settings,
    cell: Selection,
    ticked: Sequence[Any],
    runs: Sequence[Run],
    options: Callable[[str], Mapping[str, Any]],
) -> Recorded | None:
    """What a cell's record says; a number is the mean over the method's trained models.

    Args:
        settings: the study.
        cell: names the record, and the method or the scenario.
        ticked: values that are shown as a tick; the others stay empty.
        runs: the study's trained models.
        options: the options of a method, its own defaults included.

    Returns:
        None where no model was trained, or none says it.
    """
    kind, _, name = cell.record.partition(".")
    if cell.modality:
        there = cell.modality in settings.scenarios[cell.scenario].present
        return Recorded(nan, PRESENT if there else ABSENT)
    if cell.record.startswith(OPTION):
        found = options(cell.method)
        return Recorded(nan, _in_words(found[name], ticked)) if name in found else None
    number = NUMBERS[kind]
    values = [number.of(run.details) for run in runs if run.method == cell.method]
    said = [value for value in values if value is not None]
    if not said:
        return None
    mean = sum(said) / len(said)
    return Recorded(mean, f"{mean:.{number.digits}f}")


def _in_words(value: Any, ticked: Sequence[Any]) -> str:
    """A value as a tick or nothing, where it is a yes or no or where ticks are asked for."""
    if ticked or isinstance(value, bool):
        return TICK if value in (ticked or [True]) else ""
    return str(value)
