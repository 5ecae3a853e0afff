"""A training that Slurm warns, preempts and kills still ends as if nothing had happened."""

import json
import os
import shutil
import signal
import subprocess

import psutil
import pytest

pytestmark = pytest.mark.xdist_group("workflow")

STUDY = "results/studies/liver-smoke"
NAME = "maml"
MODEL = f"{STUDY}/models/{NAME}/fold0-seed0"
CHECKPOINTS = f"{STUDY}/checkpoints/{NAME}-fold0-seed0"
LOG = f"{STUDY}/logs/train/{NAME}-fold0-seed0.log"
#: Long enough to be found running again and again.
ARGUMENTS = (
    f"{MODEL}/model.safetensors",
    *(
        "--config",
        "preset=smoke",
        "recipe={epochs: 40, iterations: 2}",
        "compute={checkpoint_every: 2}",
    ),
)


@pytest.fixture
def training(study_copy):
    """The study without this model."""
    for name in (MODEL, CHECKPOINTS):
        shutil.rmtree(study_copy.folder / name)
    (study_copy.folder / LOG).unlink()
    return study_copy


@pytest.fixture
def undisturbed(training, tmp_path):
    """The model as one machine trains it."""
    folder = tmp_path / "undisturbed"
    subprocess.run(["cp", "-a", training.folder, folder], check=True)
    local = type(training)(folder, training.environment)
    local.finish(local.start("snakemake", "--cores", "1", *ARGUMENTS))
    return contents(folder)


def contents(folder) -> dict[str, bytes]:
    """What must be equal, byte for byte."""
    names = ("model.safetensors", "model.json", "curves.csv")
    return {name: (folder / MODEL / name).read_bytes() for name in names}


def epochs(study) -> int:
    """Finished epochs, as the job writes them."""
    try:
        return json.loads((study.folder / CHECKPOINTS / "progress.json").read_text())["epoch"]
    except FileNotFoundError:
        return 0


def said(study) -> str:
    """All that the training has said, in all attempts."""
    return "".join(file.read_text() for file in (study.folder / CHECKPOINTS).glob("*/log.txt"))


def shown(study) -> dict:
    """What `remodal status` shows of the training, from this side of Slurm."""
    command = ["remodal", "status", "--json"]
    told = subprocess.check_output(command, cwd=study.folder, env=study.environment, text=True)
    models = json.loads(told)["liver-smoke"]["models"]
    return next(model for model in models if model["model"] == f"{NAME}/fold0-seed0")


def trainer(study) -> psutil.Process:
    """The process that trains."""
    for process in psutil.process_iter(["cwd", "cmdline"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == str(study.folder) and "train" in command[2:3]:
            return process
    raise AssertionError("nothing trains")


@pytest.mark.slow  # minutes, and as patient as Slurm's own timers
def test_a_warned_preempted_and_killed_training_ends_as_the_undisturbed_one(
    slurm, training, undisturbed
):
    study = training
    run = study.snakemake(*ARGUMENTS)

    study.wait_for(lambda: epochs(study) >= 5)
    live = shown(study)
    assert (live["state"], live["epochs"]) == ("running", 40)
    assert 5 <= live["epoch"] < 40
    assert None not in (live["loss"], live["validation_dice"], live["seconds_left"])

    # Slurm's early warning, as the profile asks for.
    warned = slurm.running("rule_train")["id"]
    slurm.cancel("--signal=USR1", warned)
    study.wait_for(lambda: said(study).count("continues after") == 1)
    assert "stopped by SIGUSR1 and saved" in said(study)

    before = epochs(study)  # a more urgent job takes the node
    study.wait_for(lambda: epochs(study) >= before + 5)
    preempted = slurm.running("rule_train")["id"]
    assert preempted != warned
    urgent = ["sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 2"]
    subprocess.run(urgent, check=True, capture_output=True)
    ended = ("--partition=urgent", "--states=COMPLETED")
    study.wait_for(lambda: slurm.jobs(*ended))  # it had the node alone: the training is gone
    assert "stopped by SIGTERM and saved" in said(study)
    slurm.start_requeued(preempted)
    study.wait_for(lambda: said(study).count("continues after") == 2)
    assert slurm.running("rule_train")["id"] == preempted  # Slurm's own requeue, the same job

    before = epochs(study)  # nothing is announced
    study.wait_for(lambda: epochs(study) >= before + 5)
    os.kill(trainer(study).pid, signal.SIGKILL)
    killed_after = epochs(study)
    study.finish(run)

    assert contents(study.folder) == undisturbed
    assert json.loads((study.folder / MODEL / "training.json").read_text())["resumed"] == 3
    logged = (study.folder / LOG).read_text().splitlines()
    framed = [line for line in logged if not line.startswith(("begins: ", "ends: "))]
    assert framed == said(study).splitlines()  # nothing of an attempt before is lost
    continued = [line for line in said(study).splitlines() if "continues after" in line]
    assert int(continued[-1].split("epoch ")[1].split(",")[0]) >= killed_after - 2
