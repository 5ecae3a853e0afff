"""How far a study's models are, from the files that their jobs write.

Only files are looked at, no processes: a training on another node, or under another user, shows
like one here. So a training that is killed without a word looks like one that computes, until it
has not written for longer than it should take: then it is `stalled`.
"""

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from remodal.config import read_settings
from remodal.errors import UserError
from remodal.files import read_json

State = Literal["waiting", "running", "done", "stalled", "failed"]

#: A training is stalled after this many epochs' time without a word, and after no less than
#: `_LEAST_SILENCE` seconds; in its first epoch, whose length is not known yet, `_FIRST_SILENCE`.
_SILENT_EPOCHS = 3
_LEAST_SILENCE = 600.0
_FIRST_SILENCE = 3600.0

#: Bytes at the end of a log that are read.
_TAIL = 8192

_COLOURS = {"done": "green", "running": "cyan", "stalled": "yellow", "failed": "bold red"}


@dataclass(frozen=True)
class ModelStatus:
    """How far one model is.

    Attributes:
        model: `<method>/fold<k>-seed<s>`.
        state: `waiting` (not begun, or saved and stopped), `running`, `done`, `stalled` (no sign of
            life for longer than it should take) or `failed`.
        epoch: finished epochs; None where nothing is known.
        epochs: how many there will be.
        loss: training loss of the last finished epoch.
        validation_dice: the last one measured.
        seconds_left: of training, at its mean pace; None where that is not known.
        seconds_silent: since the job last wrote; None if it never did, or is done.
        reason: what a failed job said last.
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


def find_studies(folder: Path) -> list[Path]:
    """Study folders: the folder itself, or those of a folder of results.

    Raises:
        UserError: there is none.
    """
    folder = Path(folder)
    if (folder / "settings.yaml").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob("studies/*/settings.yaml"))
    if not found:
        raise UserError(
            "holds no study",
            where=str(folder),
            expected="results, or a folder of results/studies",
            remedy="start one with `snakemake`",
        )
    return found


def study_status(study: Path, now: float | None = None) -> list[ModelStatus]:
    """How far each model of a study is, in the order of its settings.

    Args:
        study: its folder, with the settings that its last run wrote.
        now: seconds since the epoch, for tests.

    Raises:
        UserError: the settings cannot be read.
    """
    settings = read_settings(study / "settings.yaml")
    now = time.time() if now is None else now
    return [
        _model_status(study, method, f"fold{fold}-seed{seed}", settings.training.epochs, now)
        for method in settings.methods
        for fold in range(settings.splits.fold_count)
        for seed in settings.seeds
    ]


def _model_status(study: Path, method: str, run: str, epochs: int, now: float) -> ModelStatus:
    name = f"{method}/{run}"
    model = study / "models" / name
    if (model / "model.safetensors").is_file():
        return _finished(name, model)
    progress = study / "checkpoints" / f"{method}-{run}" / "progress.json"
    log = study / "logs" / "train" / f"{method}-{run}.log"
    said = _read(progress)
    written = [path.stat().st_mtime for path in (progress, log) if path.is_file()]
    if not written:
        return ModelStatus(name, "waiting", epochs=epochs)
    silent = max(0.0, now - max(written))  # clocks of nodes differ
    ending = _ending(log)
    state = ending.state or ("running" if silent < _patience(said) else "stalled")
    epoch, epochs = said.get("epoch", 0), said.get("epochs", epochs)
    left = None
    if "seconds_per_epoch" in said and state in ("running", "waiting"):
        of_this_epoch = silent if state == "running" else 0.0
        left = max(0.0, (epochs - epoch) * said["seconds_per_epoch"] - of_this_epoch)
    return ModelStatus(
        name,
        state,
        epoch,
        epochs,
        said.get("loss"),
        said.get("validation_dice"),
        left,
        silent,
        ending.reason,
    )


def _finished(name: str, model: Path) -> ModelStatus:
    """A model that is there, with its curves' last values."""
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
    """Seconds without a word after which a training counts as stalled."""
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


class _Ending(NamedTuple):
    """What a log's last line means: a state, or empty while the job may still be running."""

    state: State | Literal[""] = ""
    reason: str = ""


def _ending(log: Path) -> _Ending:
    """How a training ended, if its log says so.

    Every message of `remodal` to its user is one line, the last one. After a fault of ours it is a
    traceback's; a job that is killed outright says nothing.
    """
    lines = _last_lines(log)
    if not lines:
        return _Ending()
    last = lines[-1]
    if last.startswith("remodal: "):
        # Preempted after saving, or Ctrl-C: no failure.
        if "the same command continues" in last:
            return _Ending("waiting")
        return _Ending("failed", last.removeprefix("remodal: "))
    begun = [number for number, line in enumerate(lines) if line.startswith("Traceback (most")]
    if begun and all(line.startswith(" ") for line in lines[begun[-1] + 1 : -1]):
        return _Ending("failed", last)
    return _Ending()


def _last_lines(log: Path) -> list[str]:
    """Lines at the end of a log that are not blank."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def show(folder: Path, as_json: bool = False, every: float | None = None) -> None:
    """Print how far the models are: a table on a terminal, plain lines elsewhere.

    Args:
        folder: results, or a study's folder.
        as_json: one JSON object, of each study's models by its name.
        every: show it anew every so many seconds until all is done or Ctrl-C; None: once.

    Raises:
        UserError: no study there, or its settings cannot be read.
    """
    studies = find_studies(folder)
    while True:
        found = {study.name: study_status(study) for study in studies}
        if as_json:
            listed = {name: [asdict(model) for model in models] for name, models in found.items()}
            print(json.dumps(listed, indent=2))
        elif sys.stdout.isatty():
            _print_tables(found, clear=every is not None)
        else:
            print("\n".join(_lines(found)), flush=True)
        if every is None or all(m.state == "done" for models in found.values() for m in models):
            return
        try:
            time.sleep(every)
        except KeyboardInterrupt:
            return


_HEADINGS = ("model", "state", "epoch", "loss", "val. Dice", "left", "last written")


def _cells(model: ModelStatus) -> tuple[str, ...]:
    epoch = "-" if model.epoch is None else f"{model.epoch}/{model.epochs}"
    silent = "-" if model.seconds_silent is None else f"{rough_duration(model.seconds_silent)} ago"
    return (
        model.model,
        model.state,
        epoch,
        _number(model.loss),
        _number(model.validation_dice),
        "-" if model.seconds_left is None else rough_duration(model.seconds_left),
        silent,
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def rough_duration(seconds: float) -> str:
    """A duration in its largest unit and the next: `45 s`, `12 min`, `3 h 20 min`, `6 d 4 h`."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"


def summary(models: Sequence[ModelStatus]) -> str:
    """How many models are in which state, in one line."""
    counts = Counter(model.state for model in models)
    order = ("done", "running", "stalled", "failed", "waiting")
    states = ", ".join(f"{counts[state]} {state}" for state in order if counts[state])
    return f"{len(models)} {'model' if len(models) == 1 else 'models'}: {states}"


def _lines(found: dict[str, list[ModelStatus]]) -> Iterator[str]:
    """Aligned plain text."""
    for study, models in found.items():
        yield f"{study}: {summary(models)}"
        rows = [_HEADINGS, *map(_cells, models)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        yield from (f"{model.model}: {model.reason}" for model in models if model.reason)


def _print_tables(found: dict[str, list[ModelStatus]], clear: bool) -> None:
    """Tables in colour, one a study; on a narrow terminal it is the names that wrap."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if clear:
        console.clear()
    for study, models in found.items():
        cells = [_cells(model) for model in models]
        table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
        table.add_column("model", overflow="fold")
        for number, heading in enumerate(_HEADINGS[1:], 1):
            width = max(len(row[number]) for row in [_HEADINGS, *cells])
            table.add_column(heading, no_wrap=True, min_width=width)
        for model, row in zip(models, cells):
            table.add_row(*map(escape, row), style=_COLOURS.get(model.state, "dim"))
        console.print(f"{study}: {summary(models)}", style="bold", markup=False)
        console.print(table)
        for model in models:
            if model.reason:
                console.print(f"{model.model}: {model.reason}", style="red", markup=False)
