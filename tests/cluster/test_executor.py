"""How the executor handles Slurm's answers, or none; Slurm's programs are scripts here."""

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import ResourceList
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

import snakemake_executor_plugin_remodal_slurm as plugin
from remodal.cluster.slurm import Limits
from remodal.cluster.usage import uses
from remodal.errors import Preempted
from remodal.process.memory import shortage
from snakemake_executor_plugin_remodal_slurm import Executor, ExecutorSettings


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Set what `squeue` or another program answers; none is there at first."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def answers(program: str, said: str, complaint: str = "", code: int = 0) -> None:
        (folder / f"{program}.said").write_text(said)
        script = f"#!/bin/sh\ncat {folder}/{program}.said\necho '{complaint}' >&2\nexit {code}\n"
        (folder / program).write_text(script)
        (folder / program).chmod(0o755)

    for program in ("squeue", "sacct", "scancel"):
        answers(program, "", f"{program}: error: Unable to contact slurm controller", code=1)
    answers("sacct", "", "Slurm accounting storage is disabled", code=1)
    return answers


class Job:
    """A job of one stage, as Snakemake hands it to its executor."""

    jobid = 7
    rule = SimpleNamespace(name="train")
    wildcards = SimpleNamespace(items=lambda: [("method", "maml")])

    def __init__(self, folder: Path) -> None:
        self.log, self.output = [folder / "train.log"], [folder / "model"]
        self.attempt = 1

    @property
    def attempt(self) -> int:
        return self._attempt

    @attempt.setter
    def attempt(self, attempt: int) -> None:
        """As Snakemake does: what a job asks for is evaluated again."""
        self._attempt = attempt
        asked = {"mem_mb": 32000, "runtime": 2880, "slurm_partition": "gpu"}
        self._resources = ResourceList(fromdict=asked)

    @property
    def resources(self) -> ResourceList:
        return self._resources

    def is_group(self) -> bool:
        return False


@pytest.fixture
def executor(monkeypatch):
    """An executor without a Snakemake around it; `told` is what it reports."""
    monkeypatch.setattr(plugin.SlurmExecutor, "__init__", lambda self, workflow, logger: None)
    monkeypatch.setattr(plugin, "_SETTLED", 0)
    made = Executor(None, None)
    made.told, made.again = [], []
    made.workflow = SimpleNamespace(executor_settings=ExecutorSettings())
    made.logger = logging.getLogger("executor")
    made.run_uuid, made._submitted_job_clusters, made._main_event_loop = "run", set(), None
    made._job_submission_executor = SimpleNamespace(submit=lambda run, job: made.again.append(job))
    made.report_job_submission = lambda job_info: None
    made.report_job_success = lambda job_info: made.told.append("success")
    made.report_job_error = lambda job_info, **_: made.told.append("error")
    return made


@pytest.fixture
def submitted(executor, tmp_path):
    """A job that is at Slurm under number 12."""
    info = SubmittedJobInfo(Job(tmp_path), "12", {"slurm_logfile": tmp_path / "12.log"})
    executor._report_job_submission_threadsafe(info)
    return info


def asked(executor, *jobs) -> list:
    """The jobs that still run after Slurm was asked once."""

    async def ask() -> list:
        return [job async for job in executor.check_active_jobs(list(jobs))]

    return asyncio.run(ask())


def test_a_job_goes_on_while_nobody_answers_and_ends_when_somebody_does(
    programs, executor, submitted
):
    assert asked(executor, submitted) == [submitted]
    assert asked(executor, submitted) == [submitted]
    assert executor.told == []
    programs("squeue", "12|COMPLETED\n")
    assert asked(executor, submitted) == []
    assert executor.told == ["success"]


def test_the_accounting_answers_for_a_controller_that_is_away(programs, executor, submitted):
    programs("sacct", "12|RUNNING\n")
    assert asked(executor, submitted) == [submitted]
    programs("sacct", "12|CANCELLED by 0\n")
    assert asked(executor, submitted) == []
    assert executor.told == ["error"]


def test_a_job_that_the_controller_forgot_waits_for_an_accounting_that_is_away(
    programs, executor, submitted
):
    programs("squeue", "")
    programs("sacct", "", "Connection refused", code=1)
    assert asked(executor, submitted) == [submitted]
    programs("sacct", "12|COMPLETED\n")
    assert asked(executor, submitted) == []
    assert executor.told == ["success"]


@pytest.mark.parametrize("accounting", [False, True])
@pytest.mark.parametrize(("made", "told"), [(True, "success"), (False, "error")])
def test_a_job_that_nobody_knows_any_more_ended_as_its_outputs_tell(
    programs, executor, submitted, tmp_path, made, told, accounting
):
    programs("squeue", "")
    if accounting:
        programs("sacct", "12|RUNNING\n")  # never closed in the database
    if made:
        (tmp_path / "model").touch()
    assert asked(executor, submitted) == [submitted]  # it may be on its way into a list
    assert asked(executor, submitted) == []
    assert executor.told == [told]


def test_an_output_from_before_does_not_count_as_made(programs, executor, tmp_path):
    (tmp_path / "model").touch()
    info = SubmittedJobInfo(Job(tmp_path), "12", {"slurm_logfile": tmp_path / "12.log"})
    executor._report_job_submission_threadsafe(info)
    programs("squeue", "")
    asked(executor, info)
    asked(executor, info)
    assert executor.told == ["error"]


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT"])
def test_a_training_that_saved_is_submitted_again_and_has_not_failed(
    programs, executor, submitted, tmp_path, state
):
    saved = Preempted("stopped", where="x", remedy="the same command continues from there")
    for number in ("12", "13", "14", "15", "16", "17"):  # more often than there are retries
        programs("squeue", f"{number}|{state}\n")
        info = SubmittedJobInfo(submitted.job, number, submitted.aux)
        executor._report_job_submission_threadsafe(info)
        (tmp_path / "train.log").write_text(
            f"begins: train\nepoch {number}\nremodal: {saved}\nends: stopped, saved | 9.0 s\n"
        )
        assert asked(executor, info) == []
    assert executor.told == []
    assert executor.again == [submitted.job] * 6
    executor._fit(submitted.job)
    assert submitted.job.resources.mem_mb == 32000  # nor does it ask for more


def test_a_training_that_saved_once_and_then_fails_before_it_says_a_word_has_failed(
    programs, executor, submitted, tmp_path
):
    saved = Preempted("stopped", where="x", remedy="the same command continues from there")
    (tmp_path / "train.log").write_text(f"remodal: {saved}\n")
    info = SubmittedJobInfo(submitted.job, "13", submitted.aux)
    executor._report_job_submission_threadsafe(info)
    programs("squeue", "13|FAILED\n")
    assert asked(executor, info) == []
    assert executor.told == ["error"]


def test_a_person_who_cancels_a_training_is_not_answered_by_the_same_again(
    programs, executor, submitted, tmp_path
):
    saved = Preempted("stopped", where="x", remedy="the same command continues from there")
    (tmp_path / "train.log").write_text(f"remodal: {saved}\n")
    programs("squeue", "12|CANCELLED\n")
    asked(executor, submitted)
    assert (executor.told, executor.again) == (["error"], [])


def ends(
    programs, executor, job_info, state: str, slurm_says: str = "", again: bool = True
) -> ResourceList:
    """Let a job end, first submitted `again` or not; what its next attempt asks for."""
    Path(job_info.aux["slurm_logfile"]).write_text(slurm_says)
    if again:
        executor._report_job_submission_threadsafe(job_info)
    programs("squeue", f"{job_info.external_jobid}|{state}\n")
    asked(executor, job_info)
    if executor.told[-1:] == ["error"]:
        job_info.job.attempt += 1
    executor._fit(job_info.job)
    return job_info.job.resources


def test_memory_grows_after_a_kill_for_memory_time_after_a_time_out_and_nothing_else(
    programs, executor, submitted
):
    def ask(state: str, says: str = "") -> tuple[int, int]:
        found = ends(programs, executor, submitted, state, says)
        return found.mem_mb, found.runtime

    assert ask("FAILED") == (32000, 2880)
    assert ask("CANCELLED") == (32000, 2880)
    assert ask("TIMEOUT") == (32000, 5760)
    assert ask("OUT_OF_MEMORY") == (64000, 5760)
    says = "slurmstepd-n2: error: Detected 1 oom_kill event in StepId=12.0."
    assert ask("FAILED", says) == (128000, 5760)
    saved = Preempted("stopped", where="x", remedy="the same command continues from there")
    submitted.job.log[0].write_text("at work")
    executor._report_job_submission_threadsafe(submitted)
    submitted.job.log[0].write_text(f"remodal: {saved}\n")
    asked(executor, submitted)
    executor._fit(executor.again[0])
    assert executor.again[0].resources.mem_mb == 128000  # submitted again, it asks for the same


def test_no_job_asks_for_more_than_its_partition_grants(programs, executor, submitted):
    executor._limits = {"gpu": Limits(minutes=1440, memory=48000)}
    executor._fit(submitted.job)
    assert (submitted.job.resources.mem_mb, submitted.job.resources.runtime) == (32000, 1440)
    found = ends(programs, executor, submitted, "OUT_OF_MEMORY")
    assert (found.mem_mb, found.runtime) == (48000, 1440)


def test_a_failure_is_told_with_the_last_lines_of_the_stages_log(
    programs, executor, submitted, tmp_path, caplog
):
    (tmp_path / "train.log").write_text("epoch 1\nremodal: no foreground in any case\n")
    programs("squeue", "12|FAILED\n")
    asked(executor, submitted)
    said = caplog.text
    assert "Slurm job 12 ended as FAILED" in said
    assert f"train method=maml: {tmp_path / 'train.log'} ends with:" in said
    assert "    remodal: no foreground in any case" in said


def test_a_submission_waits_for_a_controller_that_is_away(
    programs, executor, submitted, monkeypatch
):
    told = []
    monkeypatch.setattr(plugin.SlurmExecutor, "run_job", lambda self, job: told.append(job))
    monkeypatch.setattr(plugin.time, "sleep", lambda _: programs("squeue", ""))  # back meanwhile
    executor.run_job(submitted.job)
    assert told == [submitted.job]


def test_ctrl_c_while_slurm_is_away_says_what_runs_on(programs, executor, submitted, caplog):
    asked(executor, submitted)
    executor.cancel_jobs([])  # while it asks, Snakemake lists none
    assert "so its jobs run on: 12" in caplog.text
    assert "remodal resume" in caplog.text


def test_a_short_wait_is_asked_about_soon_and_a_long_one_seldom(executor, monkeypatch):
    executor.wait = True
    clock = [0.0]
    monkeypatch.setattr(plugin.time, "monotonic", lambda: clock[0])

    async def tick(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(plugin.asyncio, "sleep", tick)

    def pause(since: float) -> float:
        clock[0] = executor._asked = since
        executor._changed = 0.0
        asyncio.run(executor.sleep())
        return clock[0] - since

    assert pause(0) == 5
    assert 10 <= pause(200) <= 12
    assert pause(86400) == 60


def test_what_a_job_asked_for_and_how_long_it_waited_and_ran_is_noted_for_the_report(
    programs, executor, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    job = Job(Path("results/studies/liver-paper"))
    job.name = "train"
    info = SubmittedJobInfo(job, "12", {"slurm_logfile": tmp_path / "12.log"})
    executor._report_job_submission_threadsafe(info)
    programs("squeue", "2026-01-01T10:00:00|2026-01-01T10:02:00|2026-01-01T11:02:00\n")
    executor._succeed(info)
    (noted,) = uses([Path("results/studies/liver-paper")])
    assert (noted.waited, noted.memory[0]) == ((120, 120), 32000)
    assert noted.minutes == (2880, 60)


def test_an_account_is_used_though_the_accounting_cannot_confirm_it(programs, executor, submitted):
    programs("sacctmgr", "", "Connection refused", code=1)
    programs("sshare", "", "Connection refused", code=1)
    asked = {"slurm_account": "lab", **dict(submitted.job.resources.items())}
    submitted.job._resources = ResourceList(fromdict=asked)
    assert next(executor.get_account_arg(submitted.job)) == " -A lab"


@pytest.mark.parametrize(
    ("said", "next_asks_for"), [("the kernel killed the process", 64000), ("CUDA error", 32000)]
)
def test_a_stage_that_says_that_memory_ran_out_gets_more_of_it_but_for_a_gpus(
    programs, executor, submitted, tmp_path, said, next_asks_for
):
    (tmp_path / "train.log").write_text(f"remodal: {shortage('train', said, 31000)}\n")
    found = ends(programs, executor, submitted, "FAILED", again=False)
    assert found.mem_mb == next_asks_for
