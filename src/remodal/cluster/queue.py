"""What Slurm says of this folder's jobs, for `remodal status`: how many, in what state, and why."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from remodal.cluster.slurm import SlurmJob, jobs_of_folder
from remodal.results.rule_names import stage_of

#: Reasons for which a job would wait for ever: its request must change, or someone must release it.
_FOR_EVER = re.compile(r"^Partition\w+Limit$|PerJob|^Bad|^Invalid|^JobHeld")

#: How many jobs are named by their numbers.
_NAMED = 5


def queue_lines(folder: Path) -> list[str]:
    """Lines on the waiting and running Slurm jobs of Snakemakes in `folder`; none without Slurm."""
    if shutil.which("squeue") is None:
        return []
    jobs, _ = jobs_of_folder(folder.resolve())
    return describe_queue(jobs or [])


def describe_queue(jobs: Iterable[SlurmJob]) -> list[str]:
    """A line per stage, state and reason, with how many jobs and their first numbers."""
    alike: dict[tuple[str, str, str], list[SlurmJob]] = {}
    for job in jobs:
        alike.setdefault((_stage(job.what), job.state, job.reason), []).append(job)
    lines = []
    for (stage, state, reason), several in alike.items():
        numbers = ", ".join(job.number for job in several[:_NAMED])
        more = ", ..." if len(several) > _NAMED else ""
        why = f": {reason}" if reason else ""
        advice = "; it may wait for ever: see `remodal plan`" if _FOR_EVER.search(reason) else ""
        lines.append(f"Slurm: {len(several)} {stage} {state}{why} ({numbers}{more}){advice}")
    return lines


def _stage(what: str) -> str:
    """Rule or group of a job, from the comment that the executor gives it."""
    return stage_of(re.sub(r"^(rule|group)_", "", what.partition("_wildcards_")[0]))
