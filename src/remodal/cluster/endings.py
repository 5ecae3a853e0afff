"""How a job ended, from the files that it left: its stages' logs and Slurm's own log."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import CONTINUES
from remodal.process.stage_log import ending, last_lines

#: Lines at the end of a log that are shown.
_LINES = 6

#: What Slurm or the kernel writes into a job's log when memory has run out.
_MEMORY_KILL = re.compile(
    r"oom[-_ ]?kill|out[ _]of[ _]memory|exceeded .*memory limit|memory limit .*exceeded", re.I
)

#: Lines in a job's log that Slurm itself wrote.
_SLURM_LINE = re.compile(r"^(slurmstepd|slurmd|srun)[\w.-]*: ")


@dataclass(frozen=True)
class Step:
    """One of a job's stages.

    Attributes:
        name: for people, for example `register case=p01`.
        logs: its log files.
        outputs: what it makes.
    """

    name: str
    logs: tuple[Path, ...]
    outputs: tuple[Path, ...]


#: When files were last written (nanoseconds), by path; files that do not exist are left out.
Written = dict[Path, int]


def written(steps: Iterable[Step]) -> Written:
    """When each step's files were last written."""
    found = {}
    for step in steps:
        for path in (*step.logs, *step.outputs):
            try:
                found[path] = path.stat().st_mtime_ns
            except OSError:
                continue
    return found


def all_made(steps: Sequence[Step], before: Written) -> bool:
    """Whether every output was made since `before`."""
    now = written(steps)
    return all(
        path in now and now[path] != before.get(path) for step in steps for path in step.outputs
    )


def unfinished(steps: Sequence[Step], before: Written) -> list[Step]:
    """Steps that began since `before`, by their logs, but did not make all of their outputs."""
    now = written(steps)
    return [
        step
        for step in steps
        if any(log in now and now[log] != before.get(log) for log in step.logs)
        and not all_made([step], before)
    ]


def stopped_and_saved(steps: Sequence[Step], before: Written) -> bool:
    """Whether every step that a job did not finish says that it saved and can go on from there."""
    found = unfinished(steps, before)
    return bool(found) and all(
        any(_says_that_it_continues(log) for log in step.logs) for step in found
    )


def _says_that_it_continues(log: Path) -> bool:
    return CONTINUES in ending(log).reason


def killed_for_memory(state: str, steps: Sequence[Step], before: Written, slurm_log: Path) -> bool:
    """Whether a job had too little memory (not a GPU's: more memory of the node would not help).

    On some clusters the job's state does not tell: if only a step was killed, the job may count as
    failed. Slurm's log or the last line of the stage's log then tells.
    """
    if state == "OUT_OF_MEMORY":
        return True
    if any(_MEMORY_KILL.search(line) for line in _slurm_lines(slurm_log)):
        return True
    logs = [log for step in unfinished(steps, before) for log in step.logs]
    return any(": memory ran out" in ending(log).reason for log in logs)


def describe(
    number: str, state: str, steps: Sequence[Step], before: Written, slurm_log: Path
) -> str:
    """What a user reads about a failed job: which stage it was, and the last lines of its log."""
    lines = [f"Slurm job {number} ended as {state}."]
    found = unfinished(steps, before)
    if not found and any(step.logs for step in steps):
        lines.append("No stage of it was at work.")
    for step in found:
        for log in step.logs:
            tail = last_lines(log, _LINES)
            ends = "ends with" if tail else "is empty"
            lines.append(f"{step.name}: {log} {ends}{':' if tail else '.'}")
            lines += [f"    {line}" for line in tail]
    if said := _slurm_lines(slurm_log)[-3:]:
        lines += ["Slurm says:", *(f"    {line}" for line in said)]
    lines.append(f"Slurm's log: {slurm_log}")
    return "\n".join(lines)


def _slurm_lines(slurm_log: Path) -> list[str]:
    return [line for line in last_lines(slurm_log, 1000) if _SLURM_LINE.match(line)]
