"""Snakemake's executor for Slurm, made to withstand what clusters do; `executor: remodal-slurm`.

Submitting is left to `snakemake-executor-plugin-slurm`. What happens to a job after that differs:

- If the controller or the accounting is away, this says nothing about jobs: they count as running,
  and submissions wait. The plugin (2.8) forgets all jobs of which it gets no news, and waits for
  ever.
- `squeue` is asked first, then `sacct`, if there is one, about jobs that `squeue` does not list, or
  no longer lists. A job that neither knows has ended; its outputs tell how.
- A training that stopped after saving is submitted again. This does not count as a failed attempt.
- Only a kill for memory makes a job ask for more memory, and only a time-out for more time. It
  never asks for more than its partition grants.
- A failure is reported with the last lines of the stage's log.
- The time between two questions grows with the wait, so the end of a short job is noticed early.

Snakemake finds executors by the names of their packages; hence this package beside `remodal`.
"""

import asyncio
import shlex
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from snakemake.iocontainers import ResourceList
from snakemake_executor_plugin_slurm import Executor as SlurmExecutor
from snakemake_executor_plugin_slurm import ExecutorSettings as SlurmSettings
from snakemake_executor_plugin_slurm import common_settings
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface
from snakemake_interface_executor_plugins.workflow import WorkflowExecutorInterface

from remodal.cluster.endings import (
    Step,
    Written,
    all_made,
    describe,
    killed_for_memory,
    stopped_and_saved,
    written,
)
from remodal.cluster.requests import Shortages, request
from remodal.cluster.slurm import (
    Limits,
    ask,
    limits_of_partitions,
    recorded_states_of_run,
    states_of_run,
    times_of_job,
)
from remodal.cluster.usage import Ended, home_of, note

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

_FAILED = {"BOOT_FAIL", "CANCELLED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"}
#: Slurm may restart such a job itself; if the state lasts longer than `_SETTLED` seconds, it won't.
_UNKNOWN = "UNKNOWN TO SLURM"
_UNSETTLED = {"NODE_FAIL", "PREEMPTED", "REVOKED", _UNKNOWN}
_SETTLED = 60
#: Endings that the cluster causes, not a person: a job that saved before goes on.
_TAKEN_AWAY = {"FAILED", "TIMEOUT", "PREEMPTED", "NODE_FAIL"}

#: The time between two questions: at most this many seconds, and this share of the wait so far.
_LONGEST_PAUSE, _SHARE = 60, 0.05


@dataclass
class ExecutorSettings(SlurmSettings):
    """Those of the plugin, of which two differ."""

    # `Optional`: Snakemake makes command line options of these types, and knows no `int | None`.
    init_seconds_before_status_checks: Optional[int] = field(  # noqa: UP045
        default=5,
        metadata={
            "help": "Least time in seconds between two questions to Slurm about all jobs; it grows "
            f"with the wait to {_LONGEST_PAUSE}.",
            "env_var": False,
            "required": False,
        },
    )
    status_command: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Not used: `squeue` is asked, and `sacct` where there is one.",
            "env_var": False,
            "required": False,
        },
    )


class Executor(SlurmExecutor):
    """See the module."""

    def __init__(
        self, workflow: WorkflowExecutorInterface, logger: LoggerExecutorInterface
    ) -> None:
        # All of it first: the thread that asks Slurm starts within the call below.
        self._submitted: dict[str, SubmittedJobInfo] = {}  # at Slurm, by number
        self._before: dict[str, Written] = {}
        self._shortages: dict[tuple[str, ...], Shortages] = {}
        self._unsettled_since: dict[str, float] = {}
        self._limits: dict[str, Limits] | None = None
        self._cancelled = False
        self._silent = False
        self._changed = self._asked = time.monotonic()
        super().__init__(workflow, logger)

    # Submitting

    def run_job(self, job: JobExecutorInterface) -> None:
        """Submit a job, when Slurm takes any; called in a thread of its own."""
        try:
            self._wait_for_controller()
            self._fit(job)
        except Exception as error:  # nobody looks at what this thread raises
            self._report_job_error_threadsafe(SubmittedJobInfo(job), f"not submitted: {error}")
            return
        if not self._cancelled:
            super().run_job(job)

    def run_array_jobs(self, jobs: list[JobExecutorInterface]) -> None:
        """The same for jobs of one rule, as an array."""
        try:
            self._wait_for_controller()
            for job in jobs:
                self._fit(job)
        except Exception as error:
            for job in jobs:
                self._report_job_error_threadsafe(SubmittedJobInfo(job), f"not submitted: {error}")
            return
        if not self._cancelled:
            super().run_array_jobs(jobs)

    def _wait_for_controller(self) -> None:
        while not self._cancelled and ask("squeue", "--noheader", "--name=nobody")[0] is None:
            self._tell_of_silence()
            time.sleep(self._least_pause)

    def _fit(self, job: JobExecutorInterface) -> None:
        """Make a job ask for what it needs and can get."""
        if self._limits is None:
            self._limits = limits_of_partitions()
        asked = job.resources
        limits = (self._limits or {}).get(str(asked.get("slurm_partition")), Limits())
        shortages = self._shortages.get(_key(job), Shortages())
        fitting = request(asked.get("mem_mb"), asked.get("runtime"), shortages, limits)
        changes = {name: value for name, value in fitting.items() if asked.get(name) != value}
        if not changes:
            return
        said = (f"{name}={value}, not {asked.get(name)}" for name, value in changes.items())
        self.logger.info(f"Job {job.jobid} asks for {', '.join(said)}.")
        changed = {**dict(asked.items()), **changes}
        # A group returns a copy of its resources, a single job the list itself.
        job._resources = changed if job.is_group() else ResourceList(fromdict=changed)

    def get_account_arg(self, job: JobExecutorInterface) -> Iterator[str]:
        """The account's option, if one is named. `sbatch` judges it: the accounting may be away."""
        account = job.resources.get("slurm_account")
        yield f" -A {shlex.quote(str(account))}" if account else ""

    def _report_job_submission_threadsafe(self, job_info: SubmittedJobInfo) -> None:
        # Known from this moment, so that Ctrl-C cancels it even before Snakemake has heard of it.
        self._before[job_info.external_jobid] = written(_steps(job_info.job))
        self._submitted[job_info.external_jobid] = job_info
        self._changed = time.monotonic()
        super()._report_job_submission_threadsafe(job_info)

    # Asking

    @property
    def _least_pause(self) -> int:
        return self.workflow.executor_settings.init_seconds_before_status_checks

    async def sleep(self) -> None:
        """Wait until it is time to ask again: soon after a job was submitted or ended."""
        while self.wait:
            now = time.monotonic()
            pause = max(self._least_pause, min(_LONGEST_PAUSE, (now - self._changed) * _SHARE))
            if now - self._asked >= pause:
                return
            await asyncio.sleep(min(1, self._least_pause))

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Yield the jobs that have not ended, and report the others."""
        self._asked = time.monotonic()
        states = self._states(active_jobs) if active_jobs else {}
        for job_info in active_jobs:
            state = None if states is None else self._settled(job_info, states)
            if state == "COMPLETED":
                self._succeed(job_info)
            elif state is None:
                yield job_info
            else:
                self._fail(job_info, state)

    def _states(self, jobs: list[SubmittedJobInfo]) -> dict[str, str] | None:
        """State of each job by number; None when nobody answers."""
        listed = states_of_run(self.run_uuid, everywhere=bool(self._submitted_job_clusters))
        missing = [j.external_jobid for j in jobs if j.external_jobid not in (listed or {})]
        recorded = recorded_states_of_run(self.run_uuid) if missing else {}
        if listed is None and not recorded:
            self._tell_of_silence()
            return None
        if self._silent and listed is not None:
            self._silent = False
            self.logger.warning("Slurm answers again.")
        if listed is None or recorded is None:
            return (recorded or {}) | (listed or {})
        # The controller has forgotten these. If the accounting says how they ended, that holds; if
        # it says that they still run, it is mistaken.
        ends = _FAILED | _UNSETTLED | {"COMPLETED"}
        forgotten = {j: recorded[j] if recorded.get(j) in ends else _UNKNOWN for j in missing}
        return forgotten | listed

    def _settled(self, job_info: SubmittedJobInfo, states: dict[str, str]) -> str | None:
        """State in which a job has ended; None while it has not, or may start again."""
        number = job_info.external_jobid
        state = states.get(number)
        if state not in _UNSETTLED:
            self._unsettled_since.pop(number, None)
            return state if state == "COMPLETED" or state in _FAILED else None
        now = time.monotonic()
        if number not in self._unsettled_since or now - self._unsettled_since[number] < _SETTLED:
            self._unsettled_since.setdefault(number, now)
            return None
        if state == _UNKNOWN and all_made(_steps(job_info.job), self._before[number]):
            return "COMPLETED"
        return state

    def _tell_of_silence(self) -> None:
        if not self._silent:
            self._silent = True
            self.logger.warning("Slurm does not answer. Its jobs go on; waiting for it.")

    # Endings

    def _succeed(self, job_info: SubmittedJobInfo) -> None:
        self._note(job_info)
        if not self.workflow.executor_settings.keep_successful_logs:
            Path(job_info.aux["slurm_logfile"]).unlink(missing_ok=True)
        self._forget(job_info)
        self.report_job_success(job_info)

    def _note(self, job_info: SubmittedJobInfo) -> None:
        """Keep for the report what a job asked for, and how long it waited and ran."""
        job, steps = job_info.job, _steps(job_info.job)
        home = home_of(path for step in steps for path in step.outputs)
        if home is None:
            return
        asked, times = job.resources, times_of_job(job_info.external_jobid)
        stages = dict.fromkeys(step.name.split()[0] for step in steps)
        asked_for = (asked.get(name, "") for name in ("mem_mb", "runtime"))
        with suppress(OSError):  # the stages themselves report a full disk
            note(home, Ended(job.name, ",".join(stages), *asked_for, *(times or ("", ""))))

    def _fail(self, job_info: SubmittedJobInfo, state: str) -> None:
        job, log = job_info.job, Path(job_info.aux["slurm_logfile"])
        steps, before = _steps(job), self._forget(job_info)
        if state in _TAKEN_AWAY and stopped_and_saved(steps, before) and not self._cancelled:
            self.logger.info(f"{steps[0].name} has saved (Slurm job {job_info.external_jobid}).")
            job.attempt = job.attempt  # the same attempt, but with the profile's own requests again
            self._job_submission_executor.submit(self.run_job, job)
            return
        known = self._shortages.get(_key(job), Shortages())
        if killed_for_memory(state, steps, before, log):
            self._shortages[_key(job)] = Shortages(known.memory + 1, known.time)
        elif state == "TIMEOUT":
            self._shortages[_key(job)] = Shortages(known.memory, known.time + 1)
        said = describe(job_info.external_jobid, state, steps, before, log)
        self.logger.error(said)
        self.report_job_error(job_info, aux_logs=[str(log)])

    def _forget(self, job_info: SubmittedJobInfo) -> Written:
        """Strike an ended job off; return when its files had last been written before it began."""
        number = job_info.external_jobid
        self._submitted.pop(number, None)
        self._unsettled_since.pop(number, None)
        self._changed = time.monotonic()
        return self._before.pop(number)

    # Stopping

    def cancel(self) -> None:
        """Cancel all jobs, including those that are just being submitted."""
        self._cancelled = True
        self._job_submission_executor.shutdown(wait=True, cancel_futures=True)
        super().cancel()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel all jobs that Slurm has, whether or not Snakemake lists them at this moment."""
        numbers = list(self._submitted)
        if not numbers:
            return
        clusters = ("--clusters=all",) if self._submitted_job_clusters else ()
        said, complaint = ask("scancel", *clusters, *numbers)
        if said is None:
            self.logger.error(
                f"Slurm does not answer ({complaint}), so its jobs run on: {' '.join(numbers)}. "
                "When it does: `scancel` with these numbers, or `remodal resume` to go on."
            )


def _steps(job: JobExecutorInterface) -> list[Step]:
    """The stages that a job, or a group of jobs, consists of."""
    steps = []
    for one in job.jobs if job.is_group() else [job]:
        wildcards = " ".join(f"{name}={value}" for name, value in one.wildcards.items())
        name = f"{one.rule.name} {wildcards}".strip()
        logs, outputs = (tuple(map(Path, files)) for files in (one.log, one.output))
        steps.append(Step(name, logs, outputs))
    return steps


def _key(job: JobExecutorInterface) -> tuple[str, ...]:
    """What identifies a job from attempt to attempt."""
    return tuple(sorted(str(path) for step in _steps(job) for path in step.outputs))
