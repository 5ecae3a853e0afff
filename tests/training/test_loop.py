import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from remodal.errors import Preempted, UserError
from remodal.models.model_files import load_model
from remodal.results.files import read_json, write_json
from remodal.results.records import Record, write_record
from remodal.settings import ComputeSettings
from remodal.training.patches import PatchSampler

from .conftest import leave_out

REPEATABLE = ("model.safetensors", "model.json", "curves.csv")


def contents(folder: Path) -> dict[str, bytes]:
    """What must be the same, byte for byte, however the training went."""
    return {name: (folder / name).read_bytes() for name in REPEATABLE}


def checkpoints(study, output="model") -> list[Path]:
    return sorted((study.folder / f"checkpoints-{output}").glob("*/last.ckpt"))


def test_a_training_writes_its_model_curves_and_record(study, capsys):
    folder = study.train()
    rows = (folder / "curves.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,learning_rate,loss,")
    assert rows[0].endswith("smoothed_loss,validation_dice,validation_dice_tumour")
    assert len(rows) == 4
    record = read_json(folder / "training.json")
    assert record["epochs"] == 3
    assert record["cases"] == {
        "train": ["a", "b", "c"],
        "unlabelled": [],
        "validation": ["d"],
    }
    assert record["parameter_count"] == sum(
        p.numel() for p in load_model(folder).method.network.parameters()
    )
    assert record["metrics"]["epoch"] == 3
    assert record["seconds"] > 0
    assert record["versions"]["torch"]
    assert len(capsys.readouterr().out.splitlines()) == 3  # a line per epoch
    progress = read_json(study.folder / "checkpoints-model" / "progress.json")
    assert (progress["epoch"], progress["epochs"]) == (3, 3)


def test_a_training_learns(tmp_path, make_study):
    study = make_study(tmp_path, epochs=6, iterations=10, learning_rate=0.02, patch=[8, 16, 16])
    curves = (study.train() / "curves.csv").read_text().splitlines()
    rows = [dict(zip(curves[0].split(","), row.split(","))) for row in curves[1:]]
    assert float(rows[-1]["validation_dice"]) > 0.7
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) - 0.1


def test_the_same_training_gives_the_same_bytes(study):
    assert contents(study.train(output="first")) == contents(study.train(output="second"))


def test_another_seed_gives_other_weights(study):
    first = contents(study.train(output="first"))
    arguments = study.arguments("nnunet", "second") | {"seed": 1}
    study.run(arguments)
    assert first["model.safetensors"] != contents(study.folder / "second")["model.safetensors"]


@pytest.mark.parametrize(
    ("method", "training", "number"),
    [
        ("nnunet", {}, signal.SIGTERM),
        (
            "maml",
            {"optimiser": "sgd", "schedule": "poly", "learning_rate": 0.01},
            signal.SIGUSR1,
        ),
        ("nnunet_venous", {"schedule": "constant", "validate_every": 2}, signal.SIGTERM),
    ],
)
def test_a_stopped_training_goes_on_as_if_nothing_had_happened(
    tmp_path, make_study, signalled, method, training, number
):
    study = make_study(tmp_path, **training)
    unbroken = contents(study.train(method, "unbroken"))
    restore = signalled(number, epoch=1, iteration=2)  # in the middle of an epoch
    with pytest.raises(Preempted, match="the same command continues"):
        study.train(method, "broken")
    assert not (study.folder / "broken").exists()
    restore()
    assert contents(study.train(method, "broken")) == unbroken
    assert read_json(study.folder / "broken" / "training.json")["resumed"] == 1


def test_control_c_saves_too(study, signalled):
    restore = signalled(signal.SIGINT, epoch=0, iteration=1)
    with pytest.raises(KeyboardInterrupt):
        study.train(output="broken")
    restore()
    assert contents(study.train(output="broken")) == contents(study.train(output="unbroken"))


KILLED = """
import os, signal
from remodal.training.patches import PatchSampler
made = PatchSampler.batch
def batch(self, epoch, iteration, samples=None):
    if (epoch, iteration) == (3, 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return made(self, epoch, iteration, samples)
PatchSampler.batch = batch
from remodal.cli import main
main()
"""


def command(study, output: str) -> list[str]:
    """Arguments of `remodal train` for the tiny study."""
    arguments = study.arguments("nnunet", output)
    named = ("fold", "seed", "preprocessed", "splits", "fingerprint", "output", "checkpoints")
    options = {key: arguments[key] for key in named} | {
        "settings": study.folder / "settings.yaml",
        "method": "nnunet",
        "threads": torch.get_num_threads(),
    }
    return ["train", *(str(part) for key, value in options.items() for part in (f"--{key}", value))]


def test_a_killed_training_loses_at_most_one_checkpoint_interval(tmp_path, make_study):
    study = make_study(tmp_path, epochs=5, checkpoint_every=2)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *command(study, "killed")], capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (checkpoint,) = checkpoints(study, "killed")
    assert torch.load(checkpoint, weights_only=True)["progress"]["epoch"] == 2  # of 3 finished
    assert contents(study.train(output="killed")) == contents(study.train(output="unbroken"))


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path, make_study):
    """Each makes half of the batch; only a sum in another order is rounded differently."""
    curves = []
    for devices in (1, 2):
        study = make_study(tmp_path / str(devices), devices=devices)
        run = [sys.executable, "-m", "remodal", *command(study, "model")]
        subprocess.run(run, check=True, capture_output=True)
        rows = (study.folder / "model" / "curves.csv").read_text().splitlines()[1:]
        curves.append([float(value) for row in rows for value in row.split(",")])
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)


def test_a_finished_training_is_not_done_again(study, monkeypatch):
    first = contents(study.train())
    monkeypatch.setattr(PatchSampler, "batch", None)  # any batch would fail
    for name in REPEATABLE:
        (study.folder / "model" / name).unlink()
    assert contents(study.train()) == first
    (checkpoint,) = checkpoints(study)
    assert set(torch.load(checkpoint, weights_only=True)) == {"progress", "weights"}


def test_other_data_do_not_continue_from_the_checkpoint(study, signalled):
    restore = signalled(signal.SIGTERM, epoch=1, iteration=0)
    with pytest.raises(Preempted):
        study.train()
    restore()
    record = read_json(study.preprocessed / "a.json")
    record["warnings"] = ["preprocessed again"]
    write_json(study.preprocessed / "a.json", record)
    study.train()
    assert read_json(study.folder / "model" / "training.json")["resumed"] == 0
    assert len(checkpoints(study)) == 2


def test_other_compute_settings_continue_from_the_checkpoint(tmp_path, make_study, signalled):
    unbroken = contents(make_study(tmp_path / "unbroken").train())
    study = make_study(tmp_path / "broken")
    restore = signalled(signal.SIGTERM, epoch=1, iteration=2)
    with pytest.raises(Preempted):
        study.train()
    restore()
    compute = ComputeSettings(device="cpu", threads=2, cache="host", checkpoint_every=2)
    study.settings = study.settings.model_copy(update={"compute": compute})
    assert contents(study.train()) == unbroken
    assert read_json(study.folder / "model" / "training.json")["resumed"] == 1


def test_a_method_with_a_recipe_of_its_own_is_trained_by_it(study):
    own = {"maml": {"recipe": {"epochs": 1, "iterations": 2, "patch": [8, 8, 8]}}}
    methods = {
        name: method.model_copy(update=own.get(name, {}))
        for name, method in study.settings.methods.items()
    }
    study.settings = study.settings.model_copy(update={"methods": methods})
    record = read_json(study.train("maml") / "training.json")
    assert record["epochs"] == 1
    assert record["parameters"]["recipe"]["iterations"] == 2
    assert load_model(study.folder / "model").description["recipe"]["patch"] == [8, 8, 8]


def test_a_method_that_learns_nothing_is_assembled_from_its_inputs(study):
    inputs = {phase: study.train(f"nnunet_{phase}", phase) for phase in ("arterial", "venous")}
    assembled = load_model(study.train("ms_ensemble", "ensemble", **inputs)).method
    generator = torch.Generator().manual_seed(0)
    images = {name: torch.randn((1, 1, 8, 12, 12), generator=generator) for name in inputs}
    with torch.no_grad():
        apart = [
            load_model(folder).method.probabilities({name: images[name]})
            for name, folder in inputs.items()
        ]
        together = assembled.probabilities(images)
    torch.testing.assert_close(together, torch.stack(apart).mean(0))
    assert (study.folder / "ensemble" / "curves.csv").read_text() == "epoch\n"


def test_without_validation_cases_the_curve_is_empty(study):
    fold = {"train": ["a", "b"], "validation": [], "test": []}
    write_json(
        study.folder / "splits.json",
        {"folds": [fold], "patients": {}, "modalities": {}, "labels": {}},
    )
    rows = (study.train() / "curves.csv").read_text().splitlines()
    assert rows[1].endswith(",,")


def test_a_quarantined_case_is_left_out_and_said_so(study):
    record = Record(case="b", stage="convert", status="quarantined", reason="one slice")
    write_record(study.preprocessed / "b.json", record)
    assert read_json(study.train() / "training.json")["quarantined"] == ["b"]


def test_a_loss_that_is_not_finite_stops_before_it_is_saved(tmp_path, make_study):
    study = make_study(tmp_path, optimiser="sgd", learning_rate=1e30, gradient_clip=1e30)
    with pytest.raises(UserError, match=r"not finite in epoch 1.*lower recipe\.learning_rate"):
        study.train()
    assert not checkpoints(study)


def test_missing_input_models_are_refused(study):
    with pytest.raises(UserError, match="arterial=<folder of nnunet_arterial>"):
        study.train("ms_ensemble")


def test_a_missing_fingerprint_is_said_before_anything_is_trained(study):
    (study.folder / "fingerprint.json").unlink()
    with pytest.raises(UserError, match=r"fingerprint\.json: cannot be read"):
        study.train()
    assert not checkpoints(study)


def test_an_unknown_method_is_refused(study):
    with pytest.raises(UserError, match=r"unknown method `nope`.*nnunet"):
        study.train("nope")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_so(tmp_path, make_study):
    with pytest.raises(UserError, match="no usable GPU"):
        make_study(tmp_path, device="cuda").train()


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path, make_study):
    with pytest.raises(UserError, match="a batch of 2 cannot be shared by 3 devices"):
        make_study(tmp_path, devices=3).train()


def test_a_method_is_trained_on_the_cases_that_have_all_its_images(study):
    for name in ("b", "d"):
        leave_out(study.preprocessed, name, "arterial")
    records = {
        method: read_json(study.train(method, method) / "training.json")
        for method in ("nnunet", "nnunet_venous")
    }
    assert records["nnunet"]["cases"]["train"] == ["a", "c"]
    assert records["nnunet"]["cases"]["validation"] == []
    assert records["nnunet"]["incomplete"] == {"b": ["arterial"], "d": ["arterial"]}
    assert records["nnunet"]["quarantined"] == []
    assert records["nnunet_venous"]["cases"]["train"] == ["a", "b", "c"]
    assert records["nnunet_venous"]["cases"]["validation"] == ["d"]
    assert records["nnunet_venous"]["incomplete"] == {}


def test_what_a_method_cannot_train_on_changes_nothing_of_its_model(study):
    leave_out(study.preprocessed, "b", "arterial")
    with_it = contents(study.train(output="with"))
    (study.preprocessed / "b.npy").write_bytes(b"nobody reads this")
    assert contents(study.train(output="same")) == with_it
    fold = {"train": ["a", "c"], "validation": ["d"], "test": []}
    content = {"folds": [fold], "patients": {}, "modalities": {}, "labels": {}}
    write_json(study.folder / "splits.json", content)
    assert contents(study.train(output="without")) == with_it


def test_a_method_without_a_case_that_has_its_images_is_one_clear_line(study):
    for name in "abc":
        leave_out(study.preprocessed, name, "arterial")
    with pytest.raises(UserError, match=r"no usable training case.*has arterial and venous"):
        study.train("maml")
