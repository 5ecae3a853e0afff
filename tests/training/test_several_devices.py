"""Data-parallel training, with two processes on the CPU in place of two GPUs."""

import os
import signal
import subprocess
import sys
import time

import pytest

from remodal.results.files import read_json

from .test_loop import command, contents


@pytest.mark.slow  # three trainings of two processes each
def test_processes_stop_together_when_one_gets_the_signal_and_go_on_exactly(tmp_path, make_study):
    study = make_study(tmp_path, epochs=30, devices=2)
    unbroken = [sys.executable, "-m", "remodal", *command(study, "unbroken")]
    subprocess.run(unbroken, check=True, capture_output=True)
    record = read_json(study.folder / "unbroken" / "training.json")
    assert (record["devices"], record["batch"], record["batch_per_device"]) == (2, 2, 1)
    assert record["learning_rate"] == record["parameters"]["recipe"]["learning_rate"]

    run = [sys.executable, "-m", "remodal", *command(study, "broken")]
    stopped = subprocess.Popen(run, stderr=subprocess.PIPE, text=True)
    progress = study.folder / "checkpoints-broken" / "progress.json"
    while not progress.exists():
        assert stopped.poll() is None
        time.sleep(0.1)
    os.kill(stopped.pid, signal.SIGTERM)
    _, said = stopped.communicate(timeout=300)
    assert stopped.returncode == 75, said
    subprocess.run(run, check=True, capture_output=True)
    assert read_json(study.folder / "broken" / "training.json")["resumed"] == 1
    assert contents(study.folder / "broken") == contents(study.folder / "unbroken")
