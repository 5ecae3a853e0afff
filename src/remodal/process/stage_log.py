"""A stage's log: its first line, its last line, and its time as a sign of life.

A log is a regular file that standard output goes into, as in every rule of the workflow; on a
terminal or in a pipe nothing is added. The first line says what began, and with which memory limit;
the last line says how it ended, after how long, and with how much memory. They contain no path, and
no name but the case's pseudonym.

A process that is killed cannot write a last line. So a watcher, a copy of the process from before
it imported anything, waits beside it and writes the line in its place. While the stage runs, the
watcher also renews the log's time. So a log without a last line and with an old time belongs to a
stage that was killed together with its watcher, as when a cluster kills a whole job.
"""

import os
import re
import resource
import signal
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from remodal import __version__
from remodal.process import memory

#: Commands of the workflow's rules.
STAGES = (
    *("simulate", "fetch", "convert", "convert-label", "register", "split", "plan-network"),
    *("fingerprint", "preprocess", "inventory", "train", "infer", "evaluate", "tabulate"),
    *("report", "track", "faults"),
)

#: Seconds between two signs of life, and seconds without one after which a stage counts as dead.
SIGN_OF_LIFE = 15.0
DEAD_AFTER = 45.0

_POLL = 0.25
#: Bytes at the end of a log that are read.
_TAIL = 16_384

_BEGINS, _ENDS = "begins: ", "ends: "
#: Options without paths that say which job it is.
_NAMED = ("case", "modality", "drawn-on", "method", "fold", "seed", "scenario")
_OUTCOMES = {0: "done", 75: "stopped, saved", 130: "stopped"}


class Ending(NamedTuple):
    """How a log ends.

    Attributes:
        outcome: `done`, `stopped`, `failed` or `killed`; empty without a last line.
        reason: the line for the user that comes before the last one; empty if there is none.
        lines: the last lines that the stage itself wrote.
        fault: whether it is a fault of ours: the lines end with a traceback, `reason` is its last.
    """

    outcome: str
    reason: str
    lines: list[str]
    fault: bool = False


class _Usage:
    """Most memory, in MB, that a process or one of its children was seen to hold."""

    def __init__(self, process: int) -> None:
        self._process, self.peak = process, 0

    def look(self) -> None:
        with suppress(OSError):
            listed = Path(f"/proc/{self._process}/task/{self._process}/children").read_text()
            for process in (self._process, *(int(child) for child in listed.split())):
                if process != os.getpid():
                    self.peak = max(self.peak, _peak_of(process))


def _peak_of(process: int) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 // 10**6
    return 0


@contextmanager
def stage_log(arguments: Sequence[str]) -> Iterator[list[int]]:
    """Frame what a command writes, if it is a stage that writes into a log.

    Args:
        arguments: of the command, without its own name.

    Yields:
        A list for the exit code.
    """
    stage = arguments[0] if arguments else ""
    codes: list[int] = []
    # If several processes train together, the first one writes.
    asks = {"--help", "-h"} & set(arguments)
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    if stage not in STAGES or asks or not first or not _writes_into_a_file():
        yield codes
        return
    start = time.time()
    _write(f"{_BEGINS}{' | '.join(_beginning(stage, arguments))}")
    watcher = _start_watcher(stage, start)
    try:
        yield codes
    finally:
        if watcher:
            with suppress(OSError):
                os.kill(watcher, signal.SIGKILL)
                os.waitpid(watcher, 0)
        code = codes[0] if codes else 1
        outcome = _OUTCOMES.get(code, f"failed with exit code {code}")
        _write(_last_line(outcome, start, peak_megabytes()))


def peak_megabytes() -> int:
    """Most memory, in MB, that this process or an ended child of it held."""
    of = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in of) * 1024 // 10**6


def _writes_into_a_file() -> bool:
    try:
        return stat.S_ISREG(os.fstat(1).st_mode)
    except OSError:
        return False


def _beginning(stage: str, arguments: Sequence[str]) -> Iterator[str]:
    named = []
    for option, value in zip(arguments, [*arguments[1:], ""]):
        name, _, given = option.removeprefix("--").partition("=")
        if option.startswith("--") and name in _NAMED:
            named.append(f"{name} {given or value}")
    yield " ".join([stage, *named])
    yield f"remodal {__version__}"
    yield time.strftime("%Y-%m-%d %H:%M:%S %z")
    yield f"host {os.uname().nodename}"
    yield f"memory limit {memory.memory_limit()}"


def _last_line(outcome: str, start: float, peak: int) -> str:
    return f"{_ENDS}{outcome} | {time.time() - start:.1f} s | peak memory {peak:,} MB"


def _write(line: str) -> None:
    """Write a line below everything said so far; a full disk is reported elsewhere."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(1, f"{line}\n".encode())


def _start_watcher(stage: str, start: float) -> int:
    """Fork the watcher; return its process, or 0 if no more processes are allowed."""
    kills = memory.kills()
    worker = os.getpid()
    try:
        watcher = os.fork()
    except OSError:
        return 0
    if watcher:
        return watcher
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        _watch(stage, worker, start, kills)
    finally:
        os._exit(0)


def _watch(stage: str, worker: int, start: float, kills_before: int) -> None:
    """Renew the log's time until the worker is gone, unless the worker ends this process first."""
    usage = _Usage(worker)
    renewed = time.monotonic()
    while os.getppid() == worker:
        usage.look()
        if time.monotonic() - renewed > SIGN_OF_LIFE:
            renewed = time.monotonic()
            with suppress(OSError):
                os.utime(1)
        time.sleep(_POLL)
    if memory.kills() > kills_before:
        _write(f"remodal: {memory.shortage(stage, 'the kernel killed the process', usage.peak)}")
    else:
        _write(
            f"remodal: {stage}: the process was killed or broke off; {usage.peak:,} MB were in "
            f"use, the limit is {memory.memory_limit()}; if memory ran out, {memory.remedy(stage)}"
        )
    _write(_last_line("killed", start, usage.peak))


def ending(log: Path) -> Ending:
    """How a stage ended, by its log; without an outcome if there is no last line (yet)."""
    lines = last_lines(log)
    outcome = ""
    if lines and lines[-1].startswith(_ENDS):
        outcome = re.split(r"[ ,]", lines.pop().removeprefix(_ENDS))[0]
    begun = [number for number, line in enumerate(lines) if line.startswith(_BEGINS)]
    own = lines[begun[-1] + 1 :] if begun else lines
    # A stage may have said other things before, even a traceback of what it went on without.
    told, traceback = _last(own, "remodal: "), _last(own, "Traceback (most recent call last)")
    fault = traceback > told
    said = own[told] if told >= 0 and not fault else own[-1] if own and outcome == "failed" else ""
    return Ending(outcome, said.removeprefix("remodal: "), own, fault)


def _last(lines: Sequence[str], beginning: str) -> int:
    """Index of the last line that begins like this; -1: none does."""
    found = [number for number, line in enumerate(lines) if line.startswith(beginning)]
    return found[-1] if found else -1


def shows_life(log: Path, now: float) -> bool:
    """Whether a log that has no last line was touched recently."""
    try:
        return now - log.stat().st_mtime < DEAD_AFTER
    except OSError:
        return False


def last_lines(path: Path, count: int = 1000) -> list[str]:
    """The last lines of a file that are not blank, up to `count`; none if there is no file."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:]
