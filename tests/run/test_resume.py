"""Going on after Snakemake was killed, on one machine (on a cluster: tests/cluster)."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tests.workspace import ENVIRONMENT

from remodal.run.resume import living_snakemake

# A stand-in stage that says when it begins and when it was asked to stop, and ends by itself
# the second time.
STAGE = f"""#!{sys.executable}
import os, signal, sys, time
def say(word):
    with open("said", "a") as file:
        file.write(word + "\\n")
say("begins")
signal.signal(signal.SIGTERM, lambda *_: (say("stopped"), sys.exit(75)))
if not os.path.exists("second"):
    open("second", "w").close()
    time.sleep(300)
open(sys.argv[1], "w").close()
"""
SNAKEFILE = """
rule model:
    output: "results/model"
    log: "results/logs/train/model.log"
    shell: "exec ./remodal {output} >> {log} 2>&1"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "remodal").write_text(STAGE)
    (tmp_path / "remodal").chmod(0o755)
    return tmp_path


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def resume(folder, *arguments):
    command = [sys.executable, "-m", "remodal", "resume", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


def test_what_a_killed_snakemake_left_is_stopped_before_the_next_begins(folder):
    # In a session of its own, as after a lost connection.
    command = ["snakemake", "--cores", "1"]
    killed = subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, start_new_session=True, stderr=subprocess.DEVNULL
    )
    until((folder / "second").exists)
    (stage,) = psutil.Process(killed.pid).children(recursive=True)
    assert living_snakemake(folder) == killed.pid

    early = resume(folder, "--cores", "1")
    assert early.returncode == 2
    assert f"Snakemake is at work here (process {killed.pid})" in early.stderr
    assert stage.is_running()

    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert stage.is_running()
    done = resume(folder, "--cores", "1", "--rerun-incomplete")
    assert done.returncode == 0, done.stderr
    assert f"ends 1 processes of the run before: {stage.pid}" in done.stdout
    assert (folder / "said").read_text().split() == ["begins", "stopped", "begins"]
    assert (folder / "results/model").exists()


def test_another_folder_is_let_alone(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert living_snakemake(elsewhere) is None


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--executor", "slurm"), 4)])
def test_slurms_commands_without_a_slurm_matter_only_to_a_run_on_a_cluster(folder, options, code):
    (folder / "second").touch()
    programs = folder / "programs"
    programs.mkdir()
    (programs / "squeue").write_text("#!/bin/sh\necho 'unable to contact' >&2\nexit 1\n")
    (programs / "squeue").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "remodal", "resume", "--cores", "1", *options],
        cwd=folder,
        env=ENVIRONMENT | {"PATH": f"{programs}:{ENVIRONMENT['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert (folder / "results/model").exists() == (code == 0)
    assert ("unable to contact" in done.stderr) == (code == 4)
