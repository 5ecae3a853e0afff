import json
import shutil
from pathlib import Path

import pytest

from remodal.errors import EnvironmentProblem, UserError
from remodal.results.files import read_json, write_json, write_text
from remodal.settings.composition import write_settings
from remodal.tracking.merge import track
from remodal.tracking.runs import flattened, read_curves, study_runs

from .conftest import study_settings, write_measured

METHODS = {"maml": [70.0, 90.0], "nnunet": [60.0, 80.0]}


@pytest.fixture
def settings():
    return study_settings()


@pytest.fixture
def study(tmp_path, monkeypatch, settings, empty_store):
    """A finished study of two models, in a working directory with an empty store."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(empty_store, "mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    study = Path("results/studies/liver-smoke")
    write_settings(study / "settings.yaml", settings)
    write_json(
        study / "splits.json",
        {
            "folds": [],
            "patients": {},
            "modalities": {"p1": ["venous"]},
            "labels": {"p1": ["venous"]},
        },
    )
    write_json(study / "tables/summary.json", {"table1.maml.both.dice": 80.0, "undefined": None})
    write_json(
        Path("results/data/phantom-smoke/converted/p1/venous.json"),
        {"case": "p1", "status": "ok", "details": {"sha256": "abc"}},
    )
    for method, dices in METHODS.items():
        write_model(study, method, dices)
    return study


def write_model(study, method, dices, seconds=5.0):
    folder = study / "models" / method / "fold0-seed0"
    training = {
        "parameters": {"recipe": {"epochs": 2, "patch": [8, 8, 8]}, "network": {"base_width": 4}},
        "parameter_count": 1234,
        "seconds": seconds,
        "versions": {"torch": "2.13.0"},
        "hardware": {"cpu": "a CPU", "gpus": None},
    }
    write_json(folder / "training.json", training)
    write_json(folder / "model.json", {"weights_sha256": f"weights of {method}"})
    write_text(folder / "model.safetensors", "weights")
    write_text(folder / "curves.csv", "epoch,loss,validation_dice\n1,0.5,\n2,0.25,0.75\n")
    write_measured(study, f"{method}/fold0-seed0", dices)


def stored_runs():
    """All visible runs of the store, by the path that the run list shows."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{Path.cwd()}/mlflow.db")
    experiment = client.get_experiment_by_name("liver")
    runs = {run.info.run_id: run for run in client.search_runs([experiment.experiment_id])}

    def path(run):
        parent = run.data.tags.get("mlflow.parentRunId")
        return (f"{path(runs[parent])} > " if parent else "") + run.info.run_name

    return client, {path(run): run for run in runs.values()}


def test_study_method_and_fold_with_all_that_they_hold(study, settings):
    track(settings, study, study / "tracking.json")
    client, runs = stored_runs()
    assert sorted(runs) == [
        "liver-smoke",
        "liver-smoke > maml",
        "liver-smoke > maml > fold0-seed0",
        "liver-smoke > nnunet",
        "liver-smoke > nnunet > fold0-seed0",
    ]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}

    model = runs["liver-smoke > maml > fold0-seed0"]
    assert model.data.params["recipe.patch"] == "[8, 8, 8]"
    assert model.data.params["network.base_width"] == "4"
    assert model.data.metrics["both/dice"] == 80
    assert model.data.metrics["both/dice.n"] == 2
    assert model.data.metrics["both/missed"] == 2
    assert model.data.metrics["parameter_count"] == 1234
    assert model.data.tags["weights.sha256"] == "weights of maml"
    assert len(model.data.tags["data.sources"]) == 16
    curve = client.get_metric_history(model.info.run_id, "curve/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.25)]

    files = {file.path for folder in ("model", "cases") for file in listed(client, model, folder)}
    assert files == {
        "model/model.json",
        "model/training.json",
        "model/curves.csv",
        "cases/both.csv",
    }
    of_study = runs["liver-smoke"]
    assert of_study.data.metrics == {"table1.maml.both.dice": 80.0}
    assert "tables/summary.json" in {file.path for file in listed(client, of_study, "tables")}

    record = read_json(study / "tracking.json")
    assert record["runs"]["liver-smoke/maml/fold0-seed0"] == model.info.run_id


def listed(client, run, folder):
    return client.list_artifacts(run.info.run_id, folder)


def test_twice_changes_nothing_and_a_new_training_supersedes_the_old(study, settings):
    output = study / "tracking.json"
    track(settings, study, output)
    once = output.read_bytes()
    _, before = stored_runs()
    track(settings, study, output)
    _, after = stored_runs()
    assert output.read_bytes() == once
    assert {name: run.data.metrics for name, run in after.items()} == {
        name: run.data.metrics for name, run in before.items()
    }

    write_model(study, "maml", [75.0, 95.0], seconds=6.0)
    track(settings, study, output)
    _, runs = stored_runs()
    assert runs["liver-smoke > maml > fold0-seed0"].data.metrics["both/dice"] == 85
    old = runs["liver-smoke > maml > fold0-seed0 (superseded)"]
    assert old.data.metrics["both/dice"] == 80
    assert runs["liver-smoke > maml"].data.metrics["both/dice"] == 85
    assert len(runs) == len(before) + 1


def test_what_a_killed_merge_left_is_completed_where_it_agrees_and_dropped_where_not(
    study, settings
):
    track(settings, study, study / "tracking.json")
    client, runs = stored_runs()
    halves = [runs[f"liver-smoke > {method} > fold0-seed0"].info.run_id for method in METHODS]
    for half in halves:
        client.update_run(half, status="RUNNING")
    client.log_metric(halves[1], "curve/loss", 0.75, step=2)
    track(settings, study, study / "tracking.json")
    _, mended = stored_runs()
    assert sorted(mended) == sorted(runs)
    agreeing, other = (mended[f"liver-smoke > {method} > fold0-seed0"] for method in METHODS)
    assert agreeing.info.run_id == halves[0]
    assert other.info.run_id != halves[1]
    for run in (agreeing, other):
        assert run.info.status == "FINISHED"
        curve = client.get_metric_history(run.info.run_id, "curve/loss")
        assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.25)]


def test_a_store_that_refuses_is_one_line(study, settings, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(EnvironmentProblem, match="tracking failed") as caught:
        track(settings, study, study / "tracking.json")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_that_cannot_be_made(study, settings, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/nowhere/mlflow.db")
    with pytest.raises(EnvironmentProblem, match="/proc/nowhere"):
        track(settings, study, study / "tracking.json")


def test_a_run_holds_no_weights(study, settings):
    files = [path.name for run in study_runs(settings, study) for path, _ in run.artefacts]
    assert "model.safetensors" not in files


def test_the_digest_changes_with_a_files_content(study, settings):
    before = study_runs(settings, study)
    write_text(study / "models/maml/fold0-seed0/curves.csv", "epoch,loss\n1,0.125\n")
    after = study_runs(settings, study)
    changed = [a.key for a, b in zip(after, before) if a.digest != b.digest]
    assert changed == ["liver-smoke/maml/fold0-seed0"]


def test_models_that_are_no_longer_in_the_study_are_left_out(study, settings):
    write_model(study, "removed", [1.0])
    keys = [run.key for run in study_runs(settings, study)]
    assert keys
    assert not any("removed" in key for key in keys)


def test_nothing_trained(study, settings):
    for path in sorted((study / "models").rglob("model.json")):
        path.unlink()
    with pytest.raises(UserError, match="holds no trained model"):
        study_runs(settings, study)


def test_flattened():
    nested = {"a": {"b": 1, "c": [1, 2]}, "d": "text", "e": None}
    assert flattened(nested) == {"a.b": "1", "a.c": "[1, 2]", "d": "text", "e": "null"}
    assert len(flattened({"long": "x" * 10_000})["long"]) == 6000


def test_empty_cells_of_a_curve_are_left_out(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text("epoch,loss,validation_dice\n3,0.5,\n")
    assert read_curves(path) == [("curve/loss", 0.5, 3)]
    json.dumps(read_curves(path))
