"""What a run will cost, before it begins: jobs, submissions, hours, disk, the cluster's limits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from remodal.cluster.estimates import free_megabytes, hours, megabytes
from remodal.cluster.planned import Submission, planned_submissions, stages
from remodal.cluster.slurm import Limits, limits_of_partitions
from remodal.settings import Settings
from remodal.settings.composition import compose


def plan(arguments: list[str]) -> Iterator[str]:
    """Lines on what Snakemake with these options would do.

    Raises:
        UserError: Snakemake cannot plan it, or the settings are wrong.
    """
    submissions = planned_submissions(arguments)
    if not submissions:
        yield "Nothing to be done."
        return
    settings = compose(_configuration(arguments))
    yield from _stages(submissions, settings)
    yield ""
    if any(one.partition for one in submissions):
        yield from _submissions(submissions, limits_of_partitions())
    else:
        yield f"{len(submissions):,} jobs on this machine"


def _configuration(arguments: list[str]) -> dict[str, Any]:
    """The configuration that Snakemake composes from its file and its options."""
    from snakemake.cli import parse_args
    from snakemake.utils import update_config

    _, options = parse_args(list(arguments))
    found = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    given = (item.split("=", 1) for item in options.config or [])
    update_config(found, {key: yaml.safe_load(value) for key, value in given})
    return found


def _stages(submissions: Sequence[Submission], settings: Settings) -> Iterator[str]:
    """A row per stage, then hours and disk in all."""
    rows = [("stage", "jobs", "hours", "from")]
    known = on_gpus = disk = 0.0
    unknown = []
    for stage, jobs in stages(submissions).items():
        took, source = hours(jobs, settings)
        rows.append((stage, f"{len(jobs):,}", "-" if took is None else f"{took:,.1f}", source))
        disk += megabytes(jobs, settings)
        if took is None:
            unknown.append(stage)
        else:
            known += took
            on_gpus += took * jobs[0].gpus
    yield from _aligned(rows)
    yield f"{known:,.1f} hours of work, {on_gpus:,.1f} of them GPU-hours"
    if unknown:
        yield f"not estimated, for want of an earlier run here: {', '.join(unknown)}"
    yield f"{disk / 1000:,.1f} GB of results; {free_megabytes(Path('results')) / 1000:,.1f} GB free"


def _submissions(
    submissions: Sequence[Submission], limits: Mapping[str, Limits] | None
) -> Iterator[str]:
    """A row per kind of submission with its largest request, then what exceeds the limits."""
    kinds: dict[tuple[str, str], list[Submission]] = {}
    for submission in submissions:
        kinds.setdefault((submission.name, submission.partition), []).append(submission)
    rows = [("submission", "number", "partition", "GPUs", "most memory", "longest")]
    for (name, partition), several in kinds.items():
        memory, minutes = (max(getattr(one, key) for one in several) for key in _ASKED)
        gpus = max(one.gpus for one in several)
        asked = (f"{memory / 1000:.0f} GB", _duration(minutes))
        rows.append((name, f"{len(several):,}", partition or "-", str(gpus), *asked))
    yield f"{sum(len(one.jobs) for one in submissions):,} jobs in {len(submissions):,} submissions"
    yield from _aligned(rows)
    if limits is None:
        yield "Slurm does not answer here: nothing is compared with the limits of its partitions."
        return
    yield from _excesses(kinds, limits)


_ASKED = ("memory", "minutes")


def _excesses(
    kinds: Mapping[tuple[str, str], Sequence[Submission]], limits: Mapping[str, Limits]
) -> Iterator[str]:
    """A line for each request that its partition does not grant."""
    lacking = Counter(partition for _, partition in kinds if partition not in limits)
    for partition in lacking:
        there = ", ".join(sorted(limits))
        yield f"There is no partition `{partition}`; in the profile write one of: {there}"
    before = len(lacking)
    for (name, partition), several in kinds.items():
        granted = limits.get(partition, Limits())
        minutes, memory = (
            max(getattr(one, key) for one in several) for key in ("minutes", "memory")
        )
        if granted.minutes is not None and minutes > granted.minutes:
            before += 1
            goes_on = "; a training goes on in its next job" if name == "train" else ""
            yield (
                f"{name} asks for {_duration(minutes)}, `{partition}` grants "
                f"{_duration(granted.minutes)}: it gets that{goes_on}"
            )
        if granted.memory is not None and memory > granted.memory:
            before += 1
            yield (
                f"{name} asks for {memory / 1000:.0f} GB, the largest node of `{partition}` has "
                f"{granted.memory / 1000:.0f} GB: it gets that"
            )
    if not before:
        yield "All requests are within the limits of their partitions."


def _duration(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
