"""Snakemake's logger plugin `remodal`: hands on what Snakemake says to remodal's own display.

Everything is in the file in .snakemake/log as usual. A dry run, and any option that asks for more
or less of Snakemake's own output, shows that output and nothing of ours.
"""

import logging
import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from remodal.results.rule_names import stage_of
from remodal.run.display import RunDisplay
from remodal.run.failure import job_name, of_group, of_job, stopped
from remodal.run.pace import Job

#: Messages without an event, useful only to somebody who looks for a fault in Snakemake.
_NOISE = ("Building DAG of jobs", "Assuming unrestricted shared filesystem", "Using shell")
#: Messages while jobs run that say something new; `has saved` is remodal-slurm's.
_NEWS = ("Will exit after finishing", "Waiting at most", "Trying to restart job", "has saved (")
#: How remodal-slurm begins its message on a failed job, with the ends of its logs.
_CLUSTER = "Slurm job "
#: How it begins its message on jobs that it could not cancel.
_RUN_ON = "Slurm does not answer"
_STOPPED = "Terminating processes on user request"
#: Messages that follow a failure already reported: how they begin, and what they then contain.
_TOLD = {
    "WorkflowError": "At least one job did not complete",
    "Exiting because a job execution failed": "",
    "RuleException": "returned non-zero exit status",
}


class LogHandler(LogHandlerBase):
    """Snakemake's records as calls of the display."""

    def __post_init__(self) -> None:
        """Choose who speaks: Snakemake itself, or the display."""
        asked = self.common_settings
        self._own: logging.Handler | None = None
        if asked.dryrun or asked.verbose or asked.printshellcmds or asked.debug_dag or asked.quiet:
            self._own = _own_words(asked)
        self._display = RunDisplay(colour=not asked.nocolor)
        self._cores: int | None = None
        self._planned = self._stopped = self._explained = False
        self._jobs: dict[int, Mapping[str, Any]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record."""
        try:
            if self._own is not None:
                self._own.handle(record)
            else:
                self._take(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """The run is over."""
        if self._own is None:
            self._display.finish(self._stopped, _full_log())
        super().close()

    def _take(self, record: logging.LogRecord) -> None:
        event, said = getattr(record, "event", None), record.__dict__
        if event == LogEvent.RESOURCES_INFO:
            self._cores = said.get("cores", self._cores)
        elif event == LogEvent.RUN_INFO:
            counts: Counter[str] = Counter()
            for rule, count in said["stats"].items():
                counts[stage_of(rule)] += count
            self._planned = True
            self._display.plan(counts, counts.pop("total"), self._cores, _full_log())
        elif event == LogEvent.JOB_INFO:
            self._jobs[said["jobid"]] = said
            self._display.begin(said["jobid"], _job(said, record.created))
        elif event == LogEvent.JOB_FINISHED:
            job = self._jobs.pop(said["job_id"], {})
            self._display.end(said["job_id"], job.get("output", ()))
        elif event == LogEvent.PROGRESS:
            self._display.progress(said["done"], said["total"])
        elif event == LogEvent.JOB_ERROR:
            self._job_failed(said)
        elif event == LogEvent.GROUP_ERROR:
            self._group_failed(said)
        elif event in (None, LogEvent.ERROR):
            self._message(record.levelno, record.getMessage())

    def _message(self, level: int, text: str) -> None:
        if text.startswith(_STOPPED):
            self._stopped = True
            self._display.stop()
        elif not text or text == "None" or _is_told(text):
            return
        elif level >= logging.WARNING:
            # After a stop, messages are about the ends of the jobs that were stopped.
            if not self._stopped or text.startswith(_RUN_ON):
                self._explained = text.startswith(_CLUSTER)
                self._display.say(text, "red" if level >= logging.ERROR else "yellow")
        elif any(news in text for news in _NEWS) or not (self._planned or text.startswith(_NOISE)):
            self._display.say(text)

    def _job_failed(self, said: Mapping[str, Any]) -> None:
        if self._stopped or said["indent"]:
            return  # not a failure, or reported with its group
        name = job_name(said["rule_name"], self._wildcards(said["jobid"]))
        if self._take_explained():
            self._display.fail(said["jobid"], [])
        elif reason := stopped(said["log"]):
            self._display.leave(said["jobid"], f"stopped: {name}: {reason}")
        else:
            self._display.fail(said["jobid"], of_job(name, said["log"], _full_log()))

    def _group_failed(self, said: Mapping[str, Any]) -> None:
        if self._stopped:
            return
        jobs = [
            (job_name(info["rule_name"], self._wildcards(info["jobid"])), info["log"])
            for info in said["job_error_info"]
        ]
        told = of_group(jobs, said["aux_logs"], _full_log()) if not self._take_explained() else []
        self._display.fail(said["job_error_info"][0]["jobid"], told)

    def _take_explained(self) -> bool:
        """Whether the executor has reported the failure; true only once per failure."""
        explained, self._explained = self._explained, False
        return explained

    def _wildcards(self, number: int) -> Mapping[str, str]:
        return self._jobs.get(number, {}).get("wildcards", {})

    @property
    def writes_to_stream(self) -> bool:
        """In place of Snakemake's own words on the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake writes its file itself."""
        return False

    @property
    def has_filter(self) -> bool:
        """Everything is looked at."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Nothing is formatted."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No."""
        return False


def _is_told(text: str) -> bool:
    return any(text.startswith(begin) and part in text for begin, part in _TOLD.items())


def _own_words(asked: Any) -> logging.Handler:
    """The handler that shows what Snakemake shows without a plugin."""
    handler = ColorizingTextHandler(
        nocolor=asked.nocolor, stream=sys.stdout if asked.stdout else sys.stderr
    )
    handler.addFilter(
        DefaultFilter(
            asked.quiet, asked.debug_dag, asked.verbose, asked.dryrun, asked.printshellcmds
        )
    )
    handler.setFormatter(DefaultFormatter(asked.quiet, asked.show_failed_logs))
    return handler


def _job(said: Mapping[str, Any], began: float) -> Job:
    progress, stage = None, stage_of(said["rule_name"])
    if stage == "train" and said["log"]:
        log = Path(said["log"][0])
        progress = log.parents[2] / "checkpoints" / log.stem / "progress.json"
    return Job(stage, began, said["threads"], progress)


def _full_log() -> str:
    """Snakemake's own log of this run."""
    for handler in logging.getLogger("snakemake.logging").handlers:
        if isinstance(handler, logging.FileHandler):
            return os.path.relpath(handler.baseFilename)
    return ".snakemake/log"
