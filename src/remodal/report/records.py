"""What a cell can show in place of a metric: a model's record, an option, a modality's presence.

A record describes the model (`parameters`, `hours`, numbers of cases), the method's settings
(`option.<name>`), or the scenario (`present.<modality>`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from remodal.errors import UserError
from remodal.report.runs import Run
from remodal.settings import Selection, Settings

TICK, PRESENT, ABSENT = "✓", "●", "○"

#: Kinds of records that are followed by a name: of an option, of a modality.
OPTION, MODALITY = "option.", "present."


@dataclass(frozen=True)
class Recorded:
    """What a record says: a number (NaN for a word or a mark) and how it is printed."""

    value: float
    text: str


@dataclass(frozen=True)
class _Number:
    """A number of each trained model: heading, decimals, and how to find it in the record.

    `all_digits` are the decimals with which nothing of it is lost, if there is such a number.
    """

    title: str
    digits: int
    of: Callable[[Mapping[str, Any]], float | None]
    all_digits: int | None = None


def _count(part: str) -> Callable[[Mapping[str, Any]], float | None]:
    def counted(details: Mapping[str, Any]) -> float | None:
        cases = details.get("cases", {})
        return len(cases[part]) if part in cases else None

    return counted


def _millions(details: Mapping[str, Any]) -> float | None:
    """Parameters as papers count them: of all trained networks, including a discriminator."""
    count = details.get("trained_parameter_count")
    return None if count is None else count / 1e6


def _hours(details: Mapping[str, Any]) -> float | None:
    seconds = details.get("seconds")
    return None if seconds is None else seconds / 3600


NUMBERS = {
    "parameters": _Number("Parameters [M]", 2, _millions, all_digits=6),
    "hours": _Number("Training [h]", 2, _hours),
    "labelled": _Number("Labelled", 0, _count("train")),
    "unlabelled": _Number("Unlabelled", 0, _count("unlabelled")),
}


#: Records of how long something took, which no other run repeats.
CLOCKED = frozenset({"hours"})


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
    """Whether a record is a number, to be printed and compared, rather than a mark or a word."""
    return name in NUMBERS


def digits_of(name: str) -> int:
    """Decimals of a record's number; those of a metric if the name is not a record's."""
    return NUMBERS[name].digits if name in NUMBERS else 2


def in_full(name: str, value: float) -> str:
    """A record's number with all its digits; empty if it is not a count of something."""
    digits = NUMBERS[name].all_digits if name in NUMBERS else None
    return "" if digits is None else f"{value:.{digits}f}"


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
        ticked: values that are shown as a tick; all others are left empty.
        runs: the study's trained models.
        options: gives the options of a method, including its defaults.

    Returns:
        None if no model was trained, or no model's record has it.
    """
    kind, _, name = cell.record.partition(".")
    if cell.modality:
        if cell.scenario in settings.averages:
            return Recorded(nan, "")
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
    """A value as a word; as a tick or nothing, if it is a yes or no or if ticks are asked for."""
    if ticked or isinstance(value, bool):
        return TICK if value in (ticked or [True]) else ""
    return str(value)
