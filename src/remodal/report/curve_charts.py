"""Charts of the trained models' curves."""

from collections.abc import Sequence
from textwrap import wrap

from remodal.report.breakdowns import Chart
from remodal.report.charts import Curve, training_curves
from remodal.report.runs import Run
from remodal.settings import Settings

#: Characters of a heading that fit above a panel where four stand side by side.
_WIDEST = 26


def curve_charts(settings: Settings, runs: Sequence[Run]) -> list[Chart]:
    """The validation Dice and the loss of all trainings; those that were recorded."""
    described = [
        (
            "Validation Dice [%]",
            _chart(runs, "validation_dice", "Dice [%]", factor=100),
            f"Dice over fixed patches of the validation cases; {_use_of_validation(settings)}. "
            "Each panel shows one method's runs in colour and the others' in grey.",
        ),
        (
            "Training loss",
            _chart(runs, "loss", "Loss", comparable=False),
            "The sum that is minimised. Methods add up different terms, some of them negative, so "
            "each has an axis of its own; it spans the values after the first epoch.",
        ),
    ]
    return [Chart(title, svg, caption) for title, svg, caption in described if svg]


def _use_of_validation(settings: Settings) -> str:
    """Whether a checkpoint is chosen by the validation Dice, in words."""
    chosen = [
        settings.title_of(name)
        for name in settings.methods
        if settings.recipe_of(name).checkpoint == "best_validation"
    ]
    if not chosen:
        return "it is only watched, and never chooses a checkpoint"
    if len(chosen) == len(settings.methods):
        return "it chooses the checkpoint"
    return f"it chooses the checkpoint of {', '.join(chosen)}, and is only watched in the others"


def _chart(
    runs: Sequence[Run], column: str, axis: str, factor: float = 1.0, comparable: bool = True
) -> str:
    """Chart of one column of the curves, a panel per method; empty when nothing was recorded."""
    panels: dict[str, list[Curve]] = {}
    for run in runs:
        if column in run.curves and run.curves[column].notna().any():
            known = run.curves[run.curves[column].notna()]
            curve = Curve(known["epoch"].tolist(), (factor * known[column]).tolist())
            panels.setdefault(_heading(run.label), []).append(curve)
    return training_curves(panels, axis, comparable) if panels else ""


def _heading(label: str) -> str:
    """A label in as many lines as it needs; its modalities, in parentheses, begin a new one."""
    if len(label) <= _WIDEST:
        return label
    name, bracket, modalities = label.partition(" (")
    return "\n".join([*wrap(name, _WIDEST), *wrap(bracket.strip() + modalities, _WIDEST)])
