"""The line and what stays above it."""

import io
from types import SimpleNamespace

import pytest

from remodal.run import display
from remodal.run.display import RunDisplay
from remodal.run.failure import job_name, of_group, of_job
from remodal.run.pace import Job

DONE = "begins: register\nends: done | 1.0 s | peak memory 1 MB\n"


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(display, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


def test_without_a_terminal_there_is_a_line_every_now_and_then(clock):
    said = io.StringIO()
    run = RunDisplay(said)
    run.plan({"convert": 500}, 500, 2, "full.log")
    for number in range(500):
        run.begin(number, Job("convert", clock.now))
        clock.now += 10
        run.end(number, [])
        run.progress(number + 1, 500)
    lines = said.getvalue().splitlines()
    assert 20 < len(lines) < 80
    assert all("/500 jobs" in line for line in lines[1:])
    assert "\x1b" not in said.getvalue()


def test_a_long_line_is_not_broken_where_there_is_no_terminal(clock):
    said = io.StringIO()
    RunDisplay(said).say("x " * 200)
    assert said.getvalue().count("\n") == 1


def test_a_job_is_named_by_what_it_is_about():
    assert (
        job_name("convert_label", {"data": "d", "case": "p1", "modality": "venous"})
        == "convert label p1 venous"
    )
    wildcards = {"study": "s", "method": "maml", "fold": "0", "seed": "1"}
    assert job_name("train", wildcards) == "train maml fold 0 seed 1"
    of_needed = job_name("region_demo__train", wildcards | {"study": "region-demo"})
    assert of_needed == "train maml fold 0 seed 1 of region-demo"


def test_an_empty_log_is_not_all_that_is_pointed_to(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("")
    told = of_job("register a", [str(log)], "full.log")
    assert "its log says nothing: it was killed as a whole, or never began" in "\n".join(told)
    assert of_job("register a", [], "full.log")[-1] == "    log: full.log"


def test_every_line_of_a_message_is_shown(tmp_path):
    log = tmp_path / "faults.log"
    log.write_text("begins: faults\nremodal: 2 cases:\n  a: odd\n  b: odd\nends: failed\n")
    told = of_job("faults", [str(log)], "full.log")
    assert told[:3] == ["failed: faults: 2 cases:", "    a: odd", "    b: odd"]


TRACEBACK = "Traceback (most recent call last):\n  File x\nValueError: odd\n"


def test_a_message_is_all_that_is_shown_even_below_a_traceback_of_something_else(tmp_path):
    log = tmp_path / "train.log"
    log.write_text(f"begins: train\n{TRACEBACK}remodal: is bent\nends: failed with exit code 2\n")
    assert of_job("train", [str(log)], "full.log") == [
        "failed: train: is bent",
        f"    log: {log}",
    ]


def test_a_fault_of_ours_is_named_and_where_all_of_it_is(tmp_path):
    log = tmp_path / "train.log"
    log.write_text(f"begins: train\nremodal: a note\n{TRACEBACK}ends: failed with exit code 1\n")
    told = of_job("train", [str(log)], "full.log")
    assert told[0] == "failed: train: ValueError: odd"
    assert "    Traceback (most recent call last):" in told
    assert told[-1] == f"    a fault of remodal's; all of it: {log}"


def test_of_a_group_the_jobs_that_went_wrong_are_told(tmp_path):
    for case, text in (("a", DONE), ("b", "begins: register\nremodal: is bent\nends: failed\n")):
        (tmp_path / f"{case}.log").write_text(text)
    jobs = [(f"register {case}", [str(tmp_path / f"{case}.log")]) for case in "abc"]
    told = of_group(jobs, ["slurm.log"], "full.log")
    assert told == [
        "failed: register b: is bent",
        f"    log: {tmp_path / 'b.log'}",
        "    log: slurm.log",
    ]
    assert "before any of them said a word" in of_group(jobs[2:], [], "full.log")[0]
