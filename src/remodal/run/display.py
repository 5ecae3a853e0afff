"""The line that shows how far a run is, and the lines above it that stay."""

import os
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from remodal.counting import counted
from remodal.results.records import read_record
from remodal.run.pace import Job, Pace
from remodal.status.display import rough_duration

#: Seconds between two lines without a terminal: a share of the time so far, within bounds.
_SHARE, _OFTEN, _SELDOM = 1 / 20, 30.0, 1800.0


class RunDisplay:
    """What a run shows.

    Args:
        stream: where to; standard error.
        colour: whether a terminal may be coloured.
    """

    def __init__(self, stream: TextIO | None = None, colour: bool = True) -> None:
        self._console = Console(file=stream or sys.stderr, no_color=not colour, highlight=False)
        self._live: Live | None = None
        self._pace: Pace | None = None
        self._total = self._done = 0
        self._quarantined: set[tuple[str, str]] = set()
        self._began = self._shown = time.time()
        self._stops = False
        self.failed = 0

    def plan(self, counts: Mapping[str, int], total: int, cores: int | None, log: str) -> None:
        """The run begins, with this many jobs by rule; everything else goes to that log."""
        self._pace, self._total = Pace(dict(counts), cores), total
        self._began = self._shown = time.time()
        where = f" on {counted(cores, 'core')}" if cores else ""
        self.say(f"{counted(total, 'job')}{where}; all that is said stands in {log}")
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._line,
                console=self._console,
                transient=True,
                refresh_per_second=2,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            self._console.show_cursor(True)  # a run that is killed leaves it as it was

    def say(self, text: str, style: str = "") -> None:
        """Print a line that stays."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def begin(self, number: int, job: Job) -> None:
        """A job begins."""
        if self._pace:
            self._pace.begin(number, job)
            self._tick()

    def end(self, number: int, outputs: Iterable[str]) -> None:
        """A job has ended well; if it quarantined a case, say so."""
        if self._pace:
            self._pace.end(number)
        for output in outputs:
            self._tell_quarantine(Path(output))

    def progress(self, done: int, total: int) -> None:
        """This many jobs are done."""
        self._done, self._total = done, total
        self._tick()

    def fail(self, number: int, told: list[str]) -> None:
        """A job has failed."""
        self.failed += 1
        self.leave(number, "\n".join(told), "red")

    def leave(self, number: int, told: str, style: str = "yellow") -> None:
        """A job has ended, but is not done."""
        if self._pace:
            self._pace.fail(number)
        if told:
            self.say(told, style)

    def stop(self) -> None:
        """The run was asked to stop, and waits for its jobs."""
        self._stops = True
        self.say("Stops: jobs that run save what they can ...")

    def finish(self, stopped: bool, log: str) -> None:
        """The run is over: say how it ended, and which command continues it."""
        if self._live:
            self._live.stop()
            self._live = None
        if self._pace is None:
            return
        spent = rough_duration(time.time() - self._began)
        done = f"{self._done} of {self._total} jobs are done"
        if stopped:
            self.say(
                f"Stopped after {spent}: {done}. Nothing of that is lost, and trainings have saved "
                f"their state. This goes on:\n    {command()}",
                style="bold",
            )
        elif self.failed:
            self.say(
                f"{counted(self.failed, 'job')} failed (above); {done} and "
                f"kept. When the cause is mended, this goes on:\n    {command()}\n"
                f"All that was said: {log}",
                style="bold",
            )
        elif self._done == self._total:
            self.say(f"Done: {counted(self._total, 'job')} in {spent}.", style="bold green")
        self._pace = None

    def _tell_quarantine(self, output: Path) -> None:
        if output.suffix != ".json" or not output.is_file():
            return
        try:
            record = read_record(output)
        except (OSError, ValueError):
            return  # no record
        if not record.ok and (record.case, record.reason) not in self._quarantined:
            self._quarantined.add((record.case, record.reason))
            self.say(f"quarantined: {record.case} ({record.stage}): {record.reason}", "yellow")

    def _line(self) -> Text:
        return Text(self.line(), style="cyan", no_wrap=True, overflow="ellipsis")

    def line(self) -> str:
        """How far the run is: jobs, time left, and what runs."""
        assert self._pace is not None
        pace = self._pace
        parts = [f"{self._done}/{self._total} jobs"]
        if self._stops:
            return f"{parts[0]} · stops"
        left, longer = pace.seconds_left()
        if self._done < self._total and left:
            parts.append(f"{'at least' if longer else 'about'} {rough_duration(left)} left")
        rules = dict.fromkeys(job.rule for job in pace.running.values())
        parts += [
            f"{rule.replace('_', ' ')} {pace.done(rule)}/{pace.counts.get(rule, '?')}"
            for rule in rules
        ]
        if self._quarantined:
            parts.append(f"{len({case for case, _ in self._quarantined})} quarantined")
        return " · ".join(parts)

    def _tick(self) -> None:
        """Where there is no terminal: a line every now and then."""
        if self._console.is_terminal or self._pace is None:
            return
        now = time.time()
        if now - self._shown >= min(_SELDOM, max(_OFTEN, (now - self._began) * _SHARE)):
            self._shown = now
            self.say(self.line())


def command() -> str:
    """The command that the user gave: if `make` called Snakemake, the `make` command."""
    return os.environ.get("REMODAL_COMMAND") or shlex.join(["snakemake", *sys.argv[1:]])
