"""What to say about a failed job: what it said itself, and where the rest is written."""

import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from remodal.process.stage_log import Ending, ending, shows_life
from remodal.results.rule_names import MARK, stage_of

#: Lines of a log that are shown if the stage itself does not say what happened.
_LINES = 12
#: Longest wait, in seconds, for the last line of a job that was killed.
_PATIENCE = 3.0


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """`register patient001`, `train maml fold 0 seed 0`; of a needed study, with its name."""
    words = [stage_of(rule).replace("_", " ")]
    for name, value in wildcards.items():
        if name not in ("study", "data"):
            words.append(f"{name} {value}" if name in ("fold", "seed") else str(value))
    if MARK in rule:
        words.append(f"of {wildcards.get('study') or wildcards.get('data')}")
    return " ".join(words)


def of_job(name: str, logs: Sequence[str], full_log: str) -> list[str]:
    """Lines for a failed job: never just the path of an empty log."""
    told = [f"failed: {name}"]
    for log in map(Path, logs):
        ended = _ended(log)
        if ended.reason:
            told[0] = f"failed: {name}: {ended.reason}"
        if ended.fault:
            told += [f"    {line}" for line in ended.lines[-_LINES:]]
            told.append(f"    a fault of remodal's; all of it: {log}")
            continue
        if ended.reason:
            told += _more(ended)
        elif ended.lines:
            told += [f"    {line}" for line in ended.lines[-_LINES:]]
        else:
            told.append("    its log says nothing: it was killed as a whole, or never began")
        told.append(f"    log: {log}")
    if not logs or len(told) == 1:
        told.append(f"    log: {full_log}")
    return told


def of_group(
    jobs: Sequence[tuple[str, Sequence[str]]], also: Sequence[str], full_log: str
) -> list[str]:
    """Lines for a failed group: on those of its jobs that began and did not end well, or on all.

    Args:
        jobs: names and logs.
        also: logs of the scheduler.
        full_log: Snakemake's own.
    """
    begun = [(name, logs) for name, logs in jobs if any(_went_wrong(Path(log)) for log in logs)]
    told = [line for name, logs in begun for line in of_job(name, logs, full_log)]
    if not begun:
        told = [f"failed: a group of {len(jobs)} jobs, before any of them said a word"]
    return [*told, *(f"    log: {log}" for log in also)]


def stopped(logs: Sequence[str]) -> str:
    """What a job said that stopped when it was asked to; empty for any other job."""
    ended = [ending(Path(log)) for log in logs]
    return next((one.reason for one in ended if one.outcome == "stopped"), "")


def _went_wrong(log: Path) -> bool:
    return log.is_file() and ending(log).outcome != "done"


def _ended(log: Path) -> Ending:
    """How a log ends; if the job was killed, its watcher may still be writing the end."""
    end = time.monotonic() + _PATIENCE
    while True:
        found = ending(log)
        alive = log.is_file() and shows_life(log, time.time())
        if found.outcome or not alive or time.monotonic() > end:
            return found
        time.sleep(0.1)


def _more(ended: Ending) -> list[str]:
    """The lines of a message below its first one, which are indented."""
    below = takewhile(lambda line: line.startswith("  "), reversed(ended.lines))
    return [f"  {line}" for line in reversed(list(below))]
