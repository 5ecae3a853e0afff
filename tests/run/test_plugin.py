"""What a run shows on its standard error, by Snakemake itself with the plugin."""

import logging
import os
import pty
import re
import signal
import subprocess
import time
from types import SimpleNamespace

from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_remodal import LogHandler


def full_log(run) -> str:
    return "".join(p.read_text() for p in sorted((run.folder / ".snakemake/log").glob("*.log")))


def test_a_good_run_is_two_lines_and_all_else_in_the_log(run):
    done = run.snakemake()
    lines = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"4 jobs on 1 core; all that is said stands in \.snakemake/\S+\.log", lines[0]
    )
    assert re.fullmatch(r"Done: 4 jobs in \d+ \w+\.", lines[-1])
    assert len(lines) == 2
    assert "\x1b" not in done.stderr
    assert "rule register" in full_log(run)

    again = run.snakemake()
    assert again.returncode == 0
    assert "Nothing to be done" in again.stderr


def test_a_quarantined_case_is_told_and_a_failed_job_with_its_reason(run):
    run.does("a", "bad")
    run.does("b", "mistake")
    run.does("c", "fault")
    failed = run.snakemake("--keep-going")
    said = failed.stderr
    assert failed.returncode == 1
    assert "quarantined: a (register): no overlap" in said
    assert "failed: register b: image: is bent; straighten it\n    log: logs/register/b.log" in said
    assert "failed: register c: ZeroDivisionError: of ours\n" in said
    assert "a fault of remodal's; all of it: logs/register/c.log" in said
    assert "2 jobs failed (above); 1 of 4 jobs are done and kept." in said
    assert "snakemake --logger remodal --cores 1 --keep-going\n" in said
    assert "At least one job did not complete" not in said
    assert "RuleException" not in said


def test_a_killed_job_is_told_with_its_memory_and_the_command_that_make_was_given(run):
    run.does("a", "die")
    run.environment["REMODAL_COMMAND"] = "make demo"
    said = run.snakemake("--keep-going").stderr
    assert "goes on:\n    make demo\n" in said
    assert re.search(
        r"failed: register a: register: the process was killed .* the limit is [\d,]+ MB", said
    )


def test_who_asks_for_snakemake_s_own_words_gets_them(run):
    said = run.snakemake("--verbose").stderr
    assert "Building DAG of jobs..." in said
    assert "all that is said stands in" not in said


def test_a_dry_run_is_as_ever(run):
    said = run.snakemake("-n", "--quiet", "rules").stdout
    assert re.search(r"^register +3$", said, re.MULTILINE)
    assert "This was a dry-run" in said


def test_ctrl_c_on_a_terminal_says_that_nothing_is_lost_and_what_goes_on(run):
    run.does("b", "wait")
    run.command += ["--prioritize", "out/a.json"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        run.command,
        cwd=run.folder,
        env=run.environment | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(theirs)
    said, interrupted, end = b"", False, time.monotonic() + 120
    while time.monotonic() < end:
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
        if not interrupted and (run.folder / "waits").exists() and b"jobs" in said:
            interrupted = True
            os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    os.close(ours)
    assert process.wait() == 1
    text = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", said.decode())
    assert re.search(r"\d/4 jobs · about \d+ s left · register \d/3", text)
    ended = text[text.rindex("Stopped after") :]
    assert re.match(r"Stopped after \d+ s: \d of 4 jobs are done. Nothing of that is lost", ended)
    assert "snakemake --logger remodal --cores 1 --prioritize out/a.json" in ended
    assert "failed" not in text
    assert said.count(b"\x1b[?25l") <= said.count(b"\x1b[?25h")  # the cursor is back


def test_jobs_that_run_on_at_slurm_are_named_even_after_ctrl_c():
    handler = LogHandler.__new__(LogHandler)
    said = []
    handler._display = SimpleNamespace(say=lambda text, colour=None: said.append(text))
    handler._stopped, handler._planned, handler._explained = True, True, False
    handler._message(logging.ERROR, "Error in rule train")
    handler._message(logging.ERROR, "Slurm does not answer (down), so its jobs run on: 12.")
    assert said == ["Slurm does not answer (down), so its jobs run on: 12."]


def test_jobs_of_a_needed_study_are_counted_with_those_of_the_same_stage():
    handler = LogHandler.__new__(LogHandler)
    told = []
    handler._display = SimpleNamespace(plan=lambda *plan: told.append(plan[:2]))
    handler._planned, handler._cores = False, 2
    record = logging.makeLogRecord(
        {
            "event": LogEvent.RUN_INFO,
            "stats": {"train": 15, "region_demo__train": 4, "all": 1, "total": 20},
        }
    )
    handler._take(record)
    assert told == [({"train": 19, "all": 1}, 20)]
