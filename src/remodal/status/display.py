"""Show how far studies are: tables on a terminal, plain lines elsewhere, JSON for programs."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.cluster.queue import queue_lines
from remodal.counting import counted
from remodal.errors import UserError
from remodal.results.paths import settings_file
from remodal.settings.composition import read_settings
from remodal.status.models import ModelStatus, model_status
from remodal.status.stages import StageStatus, stage_status

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS = {
    "done": "green",
    "running": "cyan",
    "stopped": "yellow",
    "stalled": "yellow",
    "failed": "bold red",
}


@dataclass(frozen=True)
class StudyStatus:
    """How far a study is."""

    stages: list[StageStatus]
    models: list[ModelStatus]

    @property
    def done(self) -> bool:
        """Whether nothing is left to do, by the last stages: a pulled study may lack the others."""
        last = [stage for stage in self.stages if stage.stage in ("report", "track")]
        return all(m.state == "done" for m in self.models) and all(s.complete for s in last)

    @property
    def at_work(self) -> bool:
        """Whether any job shows life."""
        return any(stage.running for stage in self.stages)


def find_studies(folder: Path) -> list[Path]:
    """Study folders: the given one itself, or those in a folder of results.

    Raises:
        UserError: there is none.
    """
    folder = Path(folder)
    if settings_file(folder).is_file():
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


def study_status(study: Path, now: float | None = None) -> StudyStatus:
    """How far a study is, by the settings that its last run wrote.

    Raises:
        UserError: the settings cannot be read.
    """
    settings = read_settings(settings_file(study))
    return StudyStatus(
        stage_status(study, settings, now),
        [model_status(study, settings, training, now) for training in settings.trainings()],
    )


def show(folder: Path, as_json: bool = False, every: float | None = None) -> None:
    """Print how far studies are.

    Args:
        folder: results, or a study's folder.
        as_json: print one JSON object: the stages and models of each study, by its name.
        every: seconds after which to show it again, until all is done or Ctrl-C; None: only once.

    Raises:
        UserError: no study there, or its settings cannot be read.
    """
    studies = find_studies(folder)
    while True:
        found = {study.name: study_status(study) for study in studies}
        if as_json:
            print(json.dumps({name: asdict(status) for name, status in found.items()}, indent=2))
        elif sys.stdout.isatty():
            _print_tables(found, clear=every is not None)
        else:
            print("\n".join(_lines(found)), flush=True)
        if not as_json:
            for line in queue_lines(Path()):
                print(line, flush=True)
        if every is None or all(status.done for status in found.values()):
            return
        try:
            time.sleep(every)
        except KeyboardInterrupt:
            return


def summary(models: Sequence[ModelStatus]) -> str:
    """How many models are in which state, in one line."""
    counts = Counter(model.state for model in models)
    order = ("done", "running", "stopped", "stalled", "failed", "waiting")
    states = ", ".join(f"{counts[state]} {state}" for state in order if counts[state])
    return f"{counted(len(models), 'model')}: {states}"


_STAGE_HEADINGS = ("stage", "done", "at work", "failed", "quarantined")
_HEADINGS = ("model", "state", "epoch", "loss", "val. Dice", "left", "last epoch")


def _stage_cells(stage: StageStatus) -> tuple[str, ...]:
    total = "?" if stage.total is None else stage.total
    counts = (stage.running, stage.failed, stage.quarantined)
    return (stage.stage, f"{stage.done}/{total}", *(str(n) if n else "-" for n in counts))


def _stage_colour(stage: StageStatus) -> str:
    if stage.failed:
        return _COLOURS["failed"]
    if stage.complete:
        return _COLOURS["done"]
    return _COLOURS["running"] if stage.running else "dim"


def _remarks(status: StudyStatus) -> Iterator[str]:
    """What the tables have no room for: why something failed, and that nothing is running."""
    for stage in status.stages:
        yield from stage.reasons
    yield from (f"{model.model}: {model.reason}" for model in status.models if model.reason)
    if not status.done and not status.at_work:
        yield "No stage is at work now. Where no Snakemake is either, `snakemake` goes on."


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


def _lines(found: dict[str, StudyStatus]) -> Iterator[str]:
    """Aligned plain text."""
    for study, status in found.items():
        yield f"{study}: {summary(status.models)}"
        yield from _aligned([_STAGE_HEADINGS, *map(_stage_cells, status.stages)])
        yield ""
        yield from _aligned([_HEADINGS, *map(_cells, status.models)])
        yield from _remarks(status)


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def _print_tables(found: dict[str, StudyStatus], clear: bool) -> None:
    """Tables in colour, two per study; on a narrow terminal the names wrap."""
    from rich.console import Console

    console = Console()
    if clear:
        console.clear()
    for study, status in found.items():
        console.print(f"{study}: {summary(status.models)}", style="bold", markup=False)
        stages = {_stage_cells(stage): _stage_colour(stage) for stage in status.stages}
        console.print(_table(_STAGE_HEADINGS, stages))
        models = {_cells(model): _COLOURS.get(model.state, "dim") for model in status.models}
        console.print(_table(_HEADINGS, models))
        for remark in _remarks(status):
            console.print(remark, style="red", markup=False)


def _table(headings: tuple[str, ...], rows: dict[tuple[str, ...], str]) -> "Table":
    """A table of rows with their colours."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column(headings[0], overflow="fold")
    for number, heading in enumerate(headings[1:], 1):
        width = max(len(row[number]) for row in [headings, *rows])
        table.add_column(heading, no_wrap=True, min_width=width)
    for row, colour in rows.items():
        table.add_row(*map(escape, row), style=colour)
    return table
