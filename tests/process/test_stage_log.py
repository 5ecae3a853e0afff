"""The first and the last line of a stage's log, whatever happens to the stage."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remodal.process import memory, stage_log
from remodal.process.stage_log import ending, shows_life
from remodal.results.files import write_text

ROOT = Path(__file__).parents[2]

#: A stage that waits until somebody ends it.
WAITS = """
import sys, time
from remodal.process import stage_log
{first}
stage_log.SIGN_OF_LIFE = 0.1
with stage_log.stage_log(["register", "--case", "patient001", "--settings", "x"]) as codes:
    print("begun", flush=True)
    {work}
    codes.append(0)
"""


def until(true) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def started(log: Path, work: str = "time.sleep(600)", first: str = "") -> subprocess.Popen:
    program = WAITS.format(work=work, first=first)
    with open(log, "w") as said:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=said, stderr=said)
    until(lambda: "begun" in log.read_text())
    return process


def remodal(log: Path, *arguments: str) -> int:
    with open(log, "w") as said:
        command = [sys.executable, "-m", "remodal", *arguments]
        return subprocess.run(command, stdout=said, stderr=said, cwd=log.parent).returncode


def test_a_failed_stage_says_what_began_and_how_it_ended(tmp_path):
    log = tmp_path / "split.log"
    options = ["--settings", "no.yaml", "--registered", ".", "--output", "x.json"]
    assert remodal(log, "split", *options) == 2
    first, *_, told, last = log.read_text().splitlines()
    assert re.fullmatch(
        r"begins: split \| remodal [\d.]+ \| \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \| "
        r"host \S+ \| memory limit [\d,]+ MB \([\w -]+\)",
        first,
    )
    assert told.startswith("remodal: no.yaml")
    assert re.fullmatch(
        r"ends: failed with exit code 2 \| \d+\.\d s \| peak memory [\d,]+ MB", last
    )
    assert ending(log).outcome == "failed"
    assert ending(log).reason == told.removeprefix("remodal: ")


def test_the_first_line_names_the_job_and_no_path(tmp_path):
    log, source = tmp_path / "convert.log", tmp_path / "Mueller^Hans"
    options = ["--modality=venous", "--output", f"{source}.nii", "--record", f"{source}.json"]
    remodal(log, "convert", str(source), "--case", "patient007", *options)
    first = log.read_text().splitlines()[0]
    assert first.startswith("begins: convert case patient007 modality venous | remodal ")
    assert "Mueller" not in first


def test_nothing_is_added_where_standard_output_is_no_log(tmp_path):
    command = [sys.executable, "-m", "remodal", "split", "--settings", "no.yaml"]
    command += ["--registered", ".", "--output", "x.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == ""
    assert done.stderr.startswith("remodal: ")
    assert done.stderr.count("\n") == 1


def test_what_is_no_stage_writes_into_a_file_as_ever(tmp_path):
    assert remodal(tmp_path / "said", "--version") == 0
    assert re.fullmatch(r"[\d.]+\n", (tmp_path / "said").read_text())


def test_a_killed_stage_has_a_last_line_too(tmp_path):
    log = tmp_path / "log"
    process = started(log)
    process.kill()
    process.wait()
    until(lambda: ending(log).outcome)
    assert ending(log).outcome == "killed"
    assert re.search(r"register: the process was killed .* the limit is [\d,]+ MB", log.read_text())
    assert "raise" in ending(log).reason or "fewer jobs" in ending(log).reason


def test_a_library_that_breaks_off_leaves_a_last_line_too(tmp_path):
    log = tmp_path / "log"
    started(log, "import os; os._exit(1)").wait()
    until(lambda: ending(log).outcome)
    assert ending(log).outcome == "killed"


def test_a_stopped_stage_is_no_failed_one(tmp_path):
    write_text(tmp_path / "log", "remodal: interrupted\nends: stopped | 3.0 s | peak memory 1 MB\n")
    assert ending(tmp_path / "log").outcome == "stopped"


def test_one_watcher_is_left_by_nobody(tmp_path):
    log = tmp_path / "log"
    assert started(log, "pass").wait() == 0
    lines = log.read_text().splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["begins:", "begun", "ends:"]
    assert lines[-1].startswith("ends: done | ")


def test_a_log_shows_life_although_nothing_is_written(tmp_path):
    log = tmp_path / "log"
    process = started(log)
    try:
        os.utime(log, (1, 1))
        until(lambda: log.stat().st_mtime > 1)
        assert shows_life(log, time.time())
    finally:
        process.kill()
        process.wait()
    until(lambda: ending(log).outcome)
    os.utime(log, (1, 1))
    assert not shows_life(log, time.time())


def test_several_processes_of_one_training_have_one_frame(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    log = tmp_path / "log"
    assert started(log, "pass").wait() == 0
    assert log.read_text() == "begun\n"


def test_a_traceback_is_told_by_its_last_line(tmp_path):
    write_text(
        tmp_path / "log",
        "begins: infer | remodal 1\nTraceback (most recent call last):\n  File x\nValueError: odd\n"
        "ends: failed with exit code 1 | 3.0 s | peak memory 1 MB\n",
    )
    assert ending(tmp_path / "log").reason == "ValueError: odd"


@pytest.fixture
def control_group():
    """A control group of 150 MB, removed afterwards."""
    file = memory._control_group("memory.limit_in_bytes", 1) or memory._control_group(
        "memory.max", 2
    )
    group = file and file.parent / f"remodal-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / file.name).write_text("150000000")
    except (OSError, AttributeError):
        pytest.skip("control groups cannot be made here")
    yield group
    group.rmdir()


def test_a_kill_for_want_of_memory_is_named(tmp_path, control_group):
    log = tmp_path / "log"
    # The group is entered before the watcher is made: both belong to it, as in a job.
    enter = f"open('{control_group}/cgroup.procs', 'w').write('0')"
    process = started(log, "held = [bytearray(b'1' * 10**7) for _ in range(100)]", enter)
    assert process.wait() == -signal.SIGKILL
    until(lambda: ending(log).outcome)
    told = ending(log).reason
    assert told.startswith("register: memory ran out (the kernel killed the process): ")
    assert re.search(r"the limit is 1[45]\d MB \(control group\)", told)
    assert f"needs {memory.NEEDED['register']:,} MB" in told


def test_every_rule_runs_a_stage_that_is_logged():
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert set(re.findall(r'"(?:exec )?remodal ([a-z-]+) ', rules)) == set(stage_log.STAGES)
