"""What the methods paragraph says about the trained models: losses, options and precision used.

It is taken from the files beside the weights, which include a method's defaults and the precision
that was chosen for the device.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remodal.report.choices import in_words, model_options
from remodal.report.own_recipes import own_recipes
from remodal.report.runs import Run
from remodal.settings import Settings

_PRECISIONS = {
    "32-true": "in 32-bit floating point",
    "bf16-mixed": "in mixed precision (bfloat16)",
    "16-mixed": "in mixed precision (float16)",
}
_DICE_OVER = {"sample": "each sample", "batch": "the batch"}
#: Options with a sentence of their own.
_DICE, _SUPERVISION = "dice_over", ("deep_supervision", "intra_deep_supervision")


@dataclass(frozen=True)
class Trained:
    """What is known about the models that were optimised.

    Attributes:
        options: of each method, by its label; methods that were only assembled are left out.
        precisions: number format and device of every training.
    """

    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    precisions: Sequence[tuple[str, str]] = ()


def what_was_trained(settings: Settings, study: Path, runs: Iterable[Run]) -> Trained:
    """Options and precision of the models that were optimised, from the files beside them."""
    options: dict[str, dict[str, Any]] = {}
    precisions: dict[tuple[str, str], None] = {}
    for run in runs:
        if run.details.get("epochs"):
            options[run.label] = model_options(settings, study, run.method)
            if "precision" in run.details:
                precisions[run.details["precision"], run.details.get("device", "")] = None
    return Trained(options, list(precisions))


def loss_sentence(trained: Trained) -> str:
    """What the Dice terms are computed over, and which models had deep supervision."""
    sentences = []
    modes = _by_value(trained, _DICE)
    if modes:
        over = {_DICE_OVER.get(mode, mode): labels for mode, labels in modes.items()}
        parts = [
            f"over {words}" + (f" ({listed(labels)})" if len(over) > 1 else "")
            for words, labels in over.items()
        ]
        sentences.append(f"The Dice term was computed {' and '.join(parts)}.")
    deep = [
        label + (" (its modality-specific models)" if "intra" in name else "")
        for name in _SUPERVISION
        for label in _by_value(trained, name).get(True, [])
    ]
    if deep:
        sentences.append(
            "Deep supervision, at every decoder level but the lowest, with weights that halve from "
            f"level to level and sum to 1, was used for {listed(deep)}."
        )
    return " ".join(sentences)


def options_sentence(trained: Trained) -> str:
    """The other options of the methods, by their names in the settings."""
    told = {_DICE, *_SUPERVISION}
    described = []
    for label, options in trained.options.items():
        rest = [f"{name} = {in_words(options[name])}" for name in options if name not in told]
        if rest:
            described.append(f"{label} ({', '.join(rest)})")
    return f"Options of the methods: {'; '.join(described)}." if described else ""


def own_recipes_sentence(settings: Settings) -> str:
    """Which methods were trained with recipes of their own, and what differs."""
    described = []
    for method, own in own_recipes(settings).items():
        values = ", ".join(
            f"{key.split('.')[-1].replace('_', ' ')} {in_words(value)}"
            for key, value in own.items()
        )
        described.append(f"{settings.title_of(method)} ({values})")
    return f"Otherwise trained were {listed(described)}." if described else ""


def precision_sentence(trained: Trained) -> str:
    """Number format and device of the trainings."""
    found = [
        _PRECISIONS.get(precision, f"with precision {precision}") + (f" on {device}" * bool(device))
        for precision, device in trained.precisions
    ]
    return f"Training ran {listed(found)}." if found else ""


def _by_value(trained: Trained, option: str) -> dict[Any, list[str]]:
    """Labels of the methods that have an option, by its value."""
    found: dict[Any, list[str]] = {}
    for label, options in trained.options.items():
        if option in options:
            found.setdefault(options[option], []).append(label)
    return found


def listed(names: Sequence[str]) -> str:
    """Names joined for a sentence, with "and" before the last."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
