"""What the plugin makes of records that Snakemake only sends on a cluster."""

import io
import logging
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_remodal import LogHandler

QUIET = {"dryrun": False, "verbose": False, "printshellcmds": False, "debug_dag": False}


@pytest.fixture
def tell(monkeypatch):
    """Hand a record to the plugin; return what it shows."""
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    handler = LogHandler(SimpleNamespace(**QUIET, quiet=None, nocolor=True, stdout=False), None)

    def told(text: str, event: LogEvent | None = None, level: int = logging.INFO, **more) -> str:
        extra = {"event": event, **more}
        before = len(shown.getvalue())
        handler.emit(logging.makeLogRecord({"msg": text, "levelno": level} | extra))
        return shown.getvalue()[before:]

    assert "4 jobs" in told("", LogEvent.RUN_INFO, stats={"register": 3, "all": 1, "total": 4})
    yield told
    handler.close()


def failure(log: str, **more) -> dict:
    about = {"rule_name": "register", "jobid": 1, "log": [log], "indent": False}
    return {"level": logging.ERROR, "event": LogEvent.JOB_ERROR, **about, **more}


def test_what_the_executor_has_told_of_a_job_is_not_told_again(tell, tmp_path):
    log = tmp_path / "a.log"
    log.write_text("begins: register\nremodal: is bent\nends: failed with exit code 2\n")
    said = tell("Slurm job 7 ended as FAILED.\nregister case=a: is bent", level=logging.ERROR)
    assert said.count("is bent") == 1
    assert tell("Error in rule register", **failure(str(log))) == ""
    assert "failed: register: is bent" in tell("Error in rule register", **failure(str(log)))


def test_the_jobs_of_a_failed_group_are_told_once(tell, tmp_path):
    infos = []
    for number, ends in enumerate(["ends: done", "remodal: is bent\nends: failed"]):
        log = tmp_path / f"{number}.log"
        log.write_text(f"begins: register\n{ends}\n")
        infos.append({"rule_name": "register", "jobid": number, "log": [str(log)]})
    group = {"job_error_info": infos, "aux_logs": ["slurm.log"], "level": logging.ERROR}
    said = tell("Error in group", LogEvent.GROUP_ERROR, **group)
    assert said.count("failed: ") == 1
    assert "is bent" in said
    assert "slurm.log" in said
    assert tell("Error in rule", **failure(str(log), indent=True)) == ""


def test_a_training_that_was_stopped_and_saved_is_no_failure(tell, tmp_path):
    log = tmp_path / "a.log"
    log.write_text("begins: train\nremodal: stopped by SIGTERM and saved\nends: stopped, saved\n")
    said = tell("Error in rule", **failure(str(log)))
    assert said == "stopped: register: stopped by SIGTERM and saved\n"
    assert "has saved (" in tell("train maml has saved (Slurm job 7).")


def test_what_snakemake_says_of_itself_while_it_runs_stays_in_its_log(tell):
    assert tell("Select jobs to execute...") == ""
    assert tell("WorkflowError:\nAt least one job did not complete", level=logging.ERROR) == ""
    assert "no such file" in tell("WorkflowError:\nno such file", level=logging.ERROR)
    assert tell("Job 5 has been submitted with SLURM jobid 7 (log: x)") == ""
    assert "too few" in tell("too few nodes", level=logging.WARNING)
    assert "Trying to restart" in tell("Trying to restart job 5.")
