"""Curves of a training: one row per epoch. They hold no times: equal runs give equal bytes."""

from collections.abc import Sequence
from pathlib import Path

from remodal.results.files import write_csv

Row = dict[str, float | int | None]


def curve_row(
    epoch: int,
    learning_rate: float,
    losses: dict[str, float],
    smoothed: float | None,
    dice: dict[str, float | None],
) -> Row:
    """One epoch's row.

    Args:
        epoch: number from 1.
        learning_rate: of the epoch.
        losses: means over its batches: `loss` and whatever else the objective names.
        smoothed: moving average of `loss`; None if there has been no loss yet.
        dice: validation Dice of each class; empty in an epoch without validation.
    """
    known = [value for value in dice.values() if value is not None]
    return {
        "epoch": epoch,
        "learning_rate": learning_rate,
        **losses,
        "smoothed_loss": smoothed,
        "validation_dice": sum(known) / len(known) if known else None,
        **{f"validation_dice_{name}": value for name, value in dice.items()},
    }


def write_curves(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as CSV; missing columns and undefined values are left empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["epoch"]
    shown = [{name: shown_value(value) for name, value in row.items()} for row in rows]
    write_csv(path, columns, shown)


def shown_value(value: float | int | None) -> str:
    """A value as the table shows it: eight digits, empty where it is undefined."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.8g}"
