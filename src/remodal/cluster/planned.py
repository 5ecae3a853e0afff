"""What Snakemake would submit: its dry run, listened to job by job instead of printed."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.results.rule_names import stage_of


@dataclass(frozen=True)
class PlannedJob:
    """One job of a stage, with what the profile requests for it.

    Attributes:
        stage: name of the rule.
        memory: MB; None where nothing is asked for.
        minutes: of run time; None where nothing is asked for.
        partition: of the cluster; empty where none is named.
        gpus: number of GPUs.
        benchmark: file that will take its time and memory; None where there is none.
        outputs: how many files and folders it makes.
    """

    stage: str
    memory: int | None
    minutes: int | None
    partition: str
    gpus: int
    benchmark: Path | None
    outputs: int


@dataclass(frozen=True)
class Submission:
    """What is submitted as one job of the cluster: a job, or a group that runs in turn."""

    name: str
    jobs: tuple[PlannedJob, ...]

    @property
    def memory(self) -> int:
        """MB: the most that one of its jobs needs."""
        return max(job.memory or 0 for job in self.jobs)

    @property
    def minutes(self) -> int:
        """Minutes of all its jobs together."""
        return sum(job.minutes or 0 for job in self.jobs)

    @property
    def partition(self) -> str:
        """Where it runs."""
        return self.jobs[0].partition

    @property
    def gpus(self) -> int:
        """GPUs that it holds."""
        return max(job.gpus for job in self.jobs)


def planned_submissions(arguments: list[str]) -> list[Submission]:
    """Submissions of a Snakemake run with these options.

    Raises:
        UserError: Snakemake cannot plan it; it has said why.
    """
    from snakemake.cli import args_to_api, parse_args
    from snakemake.logging import logger

    heard = _Heard()
    logger.addFilter(heard)
    try:
        parser, options = parse_args([*arguments, "--dry-run"])
        if not args_to_api(options, parser):
            raise UserError("Snakemake cannot plan this run", remedy="see above")
    finally:
        logger.removeFilter(heard)
    return heard.submissions()


@dataclass
class _Heard(logging.Filter):
    """Keeps what Snakemake logs about jobs and groups, and lets only complaints through."""

    alone: list[Any] = field(default_factory=list)
    groups: list[Any] = field(default_factory=list)

    def filter(self, record: logging.LogRecord) -> bool:
        event = getattr(getattr(record, "event", None), "value", None)
        if event == "job_info" and not record.indent:  # type: ignore[attr-defined]
            self.alone.append(record)
        elif event == "group_info":
            self.groups.append(record)
        return record.levelno >= logging.WARNING

    def submissions(self) -> list[Submission]:
        """What was heard, without jobs that stay here: a dry run does not tell them apart."""
        here = local_rules(Path("workflow/rules"))
        sent = [one for one in self.alone if one.shellcmd and stage_of(one.rule_name) not in here]
        return [
            *(Submission(one.rule_name, (_job(one.rule_name, one),)) for one in sent),
            *(
                Submission(group.group_id, tuple(_job(job.rule.name, job) for job in group.jobs))
                for group in self.groups
            ),
        ]


def local_rules(folder: Path) -> set[str]:
    """Names of the rules that run beside Snakemake, from the files of rules."""
    found = set()
    for file in folder.glob("*.smk"):
        for name, body in re.findall(
            r"^rule (\w+):\n((?:    .*\n|\n)*)", file.read_text(encoding="utf-8"), re.MULTILINE
        ):
            if "    localrule: True\n" in body:
                found.add(name)
    return found


def _job(stage: str, planned: Any) -> PlannedJob:
    """A job from Snakemake's own, or from its log record: both give these fields the same names."""
    asked = dict(planned.resources.items())
    return PlannedJob(
        stage_of(stage),
        _number(asked, "mem_mb"),
        _number(asked, "runtime"),
        str(asked.get("slurm_partition", "")),
        _gpus(asked),
        Path(str(planned.benchmark)) if planned.benchmark else None,
        len(planned.output),
    )


def _number(asked: dict[str, Any], name: str) -> int | None:
    """A resource; None if it is not asked for, or is known only once the job's inputs exist."""
    value = asked.get(name)
    return value if isinstance(value, int) else None


def _gpus(asked: dict[str, Any]) -> int:
    """GPUs that a job asks for as `gpu`, or within `gres`."""
    if asked.get("gpu"):
        return int(asked["gpu"])
    named = [part for part in str(asked.get("gres", "")).split(",") if part.startswith("gpu")]
    counts = [part.split(":")[-1] for part in named]
    return sum(int(count) if count.isdigit() else 1 for count in counts)


def stages(submissions: Iterable[Submission]) -> dict[str, list[PlannedJob]]:
    """The jobs by stage."""
    found: dict[str, list[PlannedJob]] = {}
    for submission in submissions:
        for job in submission.jobs:
            found.setdefault(job.stage, []).append(job)
    return found
