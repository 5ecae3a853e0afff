"""Data-parallel training, with two processes on the CPU in place of two GPUs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from remodal.results.files import read_json
from remodal.settings import Settings
from remodal.settings.composition import write_settings
from remodal.settings.merging import merge

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


@pytest.mark.slow  # starts two processes
def test_two_devices_train_on_the_pools_as_one_does(make_toys, tmp_path):
    """Both have equally many samples of each pool, so the mean of their losses is the batch's."""
    pools = [{"cases": "labelled", "samples": 2}, {"cases": "unlabelled", "samples": 2}]
    recipe = {"batch": 4, "labelled": 2, "pools": pools}
    found = {}
    for devices in (1, 2):
        study = make_toys("entropy", str(devices))
        changes = {
            "recipe": recipe,
            "compute": {"devices": devices},
            "preprocessing": {"clip": {"by": "case"}},
        }
        content = merge(study.settings.model_dump(mode="json"), changes)
        write_settings(study.folder / "settings.yaml", Settings.model_validate(content))
        arguments = command(study, "model")
        arguments[arguments.index("nnunet")] = "toy"
        paths = [tmp_path / "installed", Path(__file__).parent, os.environ.get("PYTHONPATH", "")]
        subprocess.run(
            [sys.executable, "-m", "remodal", *arguments],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        )
        found[devices] = load_file(study.folder / "model" / "model.safetensors")
    for name, weight in found[1].items():
        torch.testing.assert_close(found[2][name], weight, rtol=0, atol=1e-6)
