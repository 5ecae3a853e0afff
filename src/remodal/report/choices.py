"""The options on which the paper is silent, with the value that this study used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from remodal.registration.ways import completed
from remodal.report.own_recipes import own_recipes
from remodal.report.paper_notes import Choice, read_notes
from remodal.results.files import read_json
from remodal.results.paths import model_folder
from remodal.settings import Settings

DEFAULT = "the method's default"


@dataclass(frozen=True)
class MadeChoice:
    """A choice, the value used and why; the value is empty if a rule decides, not an option."""

    choice: Choice
    used: str
    reason: str


def made_choices(settings: Settings, study: Path) -> list[MadeChoice]:
    """What the paper leaves open, and what was done here.

    Choices that concern no method or no table of this study are left out.

    Raises:
        UserError: a wrong file of choices.
    """
    choices = read_notes(settings.published).choices
    return [made_choice(choice, settings, study) for choice in choices if choice.concerns(settings)]


def made_choice(choice: Choice, settings: Settings, study: Path) -> MadeChoice:
    """What was done about one choice."""
    used = _used(settings, study, choice.option) if choice.option else ""
    return MadeChoice(choice, used, _reason(choice, used))


def _reason(choice: Choice, used: str) -> str:
    """Why the value was chosen: the notes explain only the value in the paper's own study."""
    if used in ("", DEFAULT, in_words(choice.here)):
        return choice.reason
    return f"Set by this study or preset. Else {in_words(choice.here)}: {choice.reason}"


def _used(settings: Settings, study: Path, option: str) -> str:
    parts = option.split(".")
    if parts[0] == "methods":
        return _method_option(settings, study, parts[1], parts[2])
    value: Any = settings.model_dump() | {"registration": completed(settings.registration)}
    for part in parts:
        if part not in value:
            return ""  # belongs to a way of registration that was not chosen
        value = value[part]
    if parts[0] != "recipe":
        return in_words(value)
    return in_words(value) + _otherwise(settings, ".".join(parts[1:]))


def _otherwise(settings: Settings, key: str) -> str:
    """The methods whose own recipes differ in this setting, with their values."""
    return "".join(
        f"; {settings.title_of(method)}: {in_words(own[key])}"
        for method, own in own_recipes(settings).items()
        if key in own
    )


def _method_option(settings: Settings, study: Path, method: str, option: str) -> str:
    options = model_options(settings, study, method)
    return in_words(options[option]) if option in options else DEFAULT


def model_options(settings: Settings, study: Path, method: str) -> dict[str, Any]:
    """Options from the trained model's description, with defaults; otherwise from the settings."""
    options = dict(settings.methods[method].options) if method in settings.methods else {}
    for training in settings.trainings(method):
        described = model_folder(study, training) / "model.json"
        if described.is_file():
            return read_json(described).get("options", {}) | options
    return options


def in_words(value: Any) -> str:
    """A setting's value as a reader would write it."""
    if value is None:
        return "(by rule)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(in_words(item) for item in value)
    if isinstance(value, dict):
        return " ".join(in_words(item) for item in value.values())
    return str(value)


def with_code(text: str) -> Markup:
    """HTML of a text in which backticks mark code, as in the page of the paper's rows."""
    parts = [
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)
