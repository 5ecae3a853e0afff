"""How far a study's models are: epoch, loss, Dice, time left."""

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from remodal.process.stage_log import ending, shows_life
from remodal.results.files import read_json
from remodal.results.paths import Training, checkpoint_folder, log_file, model_folder
from remodal.settings import Settings

State = Literal["waiting", "running", "done", "stopped", "stalled", "failed"]

#: A running training counts as stalled if no epoch ends for as long as this many epochs take, but
#: at least `_LEAST_SILENCE` seconds. In its first epoch, whose length is not known yet, it counts
#: as stalled after `_FIRST_SILENCE` seconds.
_SILENT_EPOCHS = 3
_LEAST_SILENCE = 600.0
_FIRST_SILENCE = 3600.0

WITHOUT_A_WORD = "its log ends without a last line, as when a whole job is killed"


@dataclass(frozen=True)
class ModelStatus:
    """How far one model is.

    Attributes:
        model: `<method>/fold<k>-seed<s>`.
        state: `waiting` (not begun), `running`, `done`, `stopped` (by a signal, by Ctrl-C, or its
            log has no last line: the next run goes on with it), `stalled` (running, but an epoch
            takes longer than it should) or `failed`.
        epoch: finished epochs; None where nothing is known.
        epochs: how many there will be.
        loss: training loss of the last finished epoch.
        validation_dice: the last one measured.
        seconds_left: of training, at its mean pace; None where that is not known.
        seconds_silent: since the training last wrote; None if it never did, or is done.
        reason: what a failed job said last, or why the training counts as stopped.
    """

    model: str
    state: State
    epoch: int | None = None
    epochs: int | None = None
    loss: float | None = None
    validation_dice: float | None = None
    seconds_left: float | None = None
    seconds_silent: float | None = None
    reason: str = ""


def model_status(
    study: Path, settings: Settings, training: Training, now: float | None = None
) -> ModelStatus:
    """How far one model is.

    Args:
        study: folder of the study.
        settings: as written by its last run.
        training: which model.
        now: seconds since 1970, for tests.
    """
    name, folder = str(training.folder), model_folder(study, training)
    if (folder / "model.safetensors").is_file():
        return _finished(name, folder)
    epochs = settings.recipe_of(training.method).epochs
    progress = checkpoint_folder(study, training) / "progress.json"
    log = log_file(study, "train", training.job)
    said = _read(progress)
    written = [path.stat().st_mtime for path in (progress, log) if path.is_file()]
    if not written:
        return ModelStatus(name, "waiting", epochs=epochs)
    now = time.time() if now is None else now
    heard = progress if progress.is_file() else log
    silent = max(0.0, now - heard.stat().st_mtime)  # clocks of nodes differ
    state, reason = _state(log, silent, _patience(said), now)
    epoch, epochs = said.get("epoch", 0), said.get("epochs", epochs)
    left = None
    if "seconds_per_epoch" in said and state in ("running", "stopped"):
        of_this_epoch = silent if state == "running" else 0.0
        left = max(0.0, (epochs - epoch) * said["seconds_per_epoch"] - of_this_epoch)
    loss, dice = said.get("loss"), said.get("validation_dice")
    return ModelStatus(name, state, epoch, epochs, loss, dice, left, silent, reason)


def _state(log: Path, silent: float, patience: float, now: float) -> tuple[State, str]:
    """State of a training that has begun, and why."""
    if not log.is_file():  # by hand, on a terminal: only its progress tells
        return ("running" if silent < patience else "stalled"), ""
    ended = ending(log)
    if ended.outcome in ("failed", "killed"):
        return "failed", ended.reason or ended.outcome
    if ended.outcome:
        return "stopped", ""
    if not shows_life(log, now):
        return "stopped", WITHOUT_A_WORD
    return ("running" if silent < patience else "stalled"), ""


def _finished(name: str, model: Path) -> ModelStatus:
    """A finished model, with the last values of its curves."""
    rows = _rows(model / "curves.csv")
    dice = [row["validation_dice"] for row in rows if row.get("validation_dice")]
    epochs = int(rows[-1]["epoch"]) if rows else None
    return ModelStatus(
        name,
        "done",
        epochs,
        epochs,
        float(rows[-1]["loss"]) if rows else None,
        float(dice[-1]) if dice else None,
    )


def _patience(said: dict[str, Any]) -> float:
    """Seconds without an epoch after which a training counts as stalled."""
    if "seconds_per_epoch" not in said:
        return _FIRST_SILENCE
    return max(_LEAST_SILENCE, _SILENT_EPOCHS * said["seconds_per_epoch"])


def _read(progress: Path) -> dict[str, Any]:
    """Content of progress.json; empty if there is none."""
    try:
        return read_json(progress)
    except (OSError, ValueError):
        return {}


def _rows(curves: Path) -> list[dict[str, str]]:
    try:
        with open(curves, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []
