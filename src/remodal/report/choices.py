"""The options on which the paper is silent, with the value that this study used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remodal.report.published import Choice, read_choices
from remodal.results.files import read_json
from remodal.settings import Settings

DEFAULT = "the method's default"


@dataclass(frozen=True)
class MadeChoice:
    """A choice with the value used; empty where there is no option and the reason says it."""

    choice: Choice
    used: str


def made_choices(settings: Settings, study: Path) -> list[MadeChoice]:
    """What the paper leaves open, and what was done here.

    Options of methods that this study does not have are left out.

    Raises:
        UserError: a wrong file of choices.
    """
    made = []
    for choice in read_choices(settings.published):
        parts = choice.option.split(".")
        if parts[0] == "methods" and parts[1] not in settings.methods:
            continue
        made.append(MadeChoice(choice, _used(settings, study, parts)))
    return made


def _used(settings: Settings, study: Path, parts: list[str]) -> str:
    if parts == [""]:
        return ""
    if parts[0] == "methods":
        return _method_option(settings, study, parts[1], parts[2])
    value: Any = settings
    for part in parts:
        value = getattr(value, part)
    return in_words(value)


def _method_option(settings: Settings, study: Path, method: str, option: str) -> str:
    """From the trained model's description, which knows the defaults; else from the settings."""
    options = dict(settings.methods[method].options)
    for path in sorted((study / "models" / method).glob("fold*-seed*/model.json")):
        options = read_json(path).get("options", {}) | options
        break
    return in_words(options[option]) if option in options else DEFAULT


def in_words(value: Any) -> str:
    """A setting's value as a reader writes it."""
    if value is None:
        return "(by rule)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(in_words(item) for item in value)
    return str(value)
