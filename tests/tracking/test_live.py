"""Trainings that are shown live on a real MLflow server, and servers that fail."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
import requests
from tests.training.conftest import write_study as write_training_study

from remodal.errors import Preempted
from remodal.tracking import live
from remodal.tracking.live import live_view
from remodal.tracking.merge import track
from remodal.training import fitting

from .conftest import study_settings, write_measured, write_study
from .training_writer import curve

pytestmark = pytest.mark.xdist_group("mlflow server")

EPOCHS = 4


class Runs:
    """What a server holds of one study, asked over REST."""

    def __init__(self, server, experiment: str) -> None:
        self._address, self._experiment = f"{server.uri}/api/2.0/mlflow", experiment

    def all(self) -> list[dict]:
        named = {"experiment_name": self._experiment}
        found = requests.get(f"{self._address}/experiments/get-by-name", params=named)
        if found.status_code == 404:
            return []
        wanted = {"experiment_ids": [found.json()["experiment"]["experiment_id"]]}
        wanted["max_results"] = 500
        answer = requests.post(f"{self._address}/runs/search", json=wanted)
        return answer.json().get("runs", [])

    def of(self, key: str) -> list[dict]:
        return [run for run in self.all() if tags(run)["remodal.key"] == key]

    def points(self, run: dict, metric: str) -> list[tuple[int, float]]:
        wanted = {"run_id": run["info"]["run_id"], "metric_key": metric}
        answer = requests.get(f"{self._address}/metrics/get-history", params=wanted).json()
        return [(point.get("step", 0), point["value"]) for point in answer.get("metrics", [])]


def tags(run: dict) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def losses(number: int, epochs: int) -> list[tuple[int, float]]:
    return [(row["epoch"], float(f"{row['loss']:.8g}")) for row in curve(number, epochs)]


def wait_for(condition, what: str):
    """The condition's first true answer, waited for up to two minutes."""
    deadline = time.monotonic() + 120
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain for {what}")
        time.sleep(0.05)
    return answer


class Trained:
    """A tiny training whose model lies in a study, where the merge finds it."""

    def __init__(self, folder, name: str) -> None:
        made = write_training_study(folder / "training", epochs=EPOCHS)
        unregistered = made.settings.tracking.model_copy(update={"register_models": False})
        self.settings = made.settings.model_copy(update={"study": name, "tracking": unregistered})
        made.settings = self.settings
        self.study = write_study(folder, self.settings)
        self.key = f"{self.settings.study_id}/nnunet/fold0-seed0"
        self.model = self.study / "models/nnunet/fold0-seed0"
        self._training = made
        write_measured(self.study, "nnunet/fold0-seed0", [70.0, 90.0])

    def train(self) -> dict[str, bytes]:
        """Train; return the files that must not depend on any server."""
        arguments = self._training.arguments("nnunet", "model") | {"output": self.model}
        self._training.run(arguments)
        return {n: (self.model / n).read_bytes() for n in ("model.safetensors", "curves.csv")}

    def merge(self) -> dict[str, str]:
        output = self.study / "tracking.json"
        track(self.settings, self.study, output)
        return json.loads(output.read_text())["runs"]

    def curve(self, name: str) -> list[tuple[int, float]]:
        header, *rows = (self.model / "curves.csv").read_text().splitlines()
        column = header.split(",").index(name)
        cells = (row.split(",") for row in rows)
        return [(int(row[0]), float(row[column])) for row in cells if row[column]]


def at_epoch(monkeypatch, epoch: int, action) -> None:
    """Do something in the middle of a training, just after this epoch has ended."""
    write_progress = fitting.write_progress

    def hooked(folder, progress, epochs):
        write_progress(folder, progress, epochs)
        if progress.epoch == epoch:
            action()

    monkeypatch.setattr(fitting, "write_progress", hooked)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """On a busy machine the real server may take longer than a training would wait."""
    monkeypatch.setattr(live, "_TIMEOUT", (60.0, 120.0))
    monkeypatch.setattr(live, "_LAST_WAIT", 240.0)


@pytest.fixture
def undisturbed(tmp_path, monkeypatch):
    """Weights and curves of the same training without a server."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Trained(tmp_path / "alone", "alone").train()


def test_a_training_is_seen_while_it_runs_and_the_merge_completes_the_same_run(
    undisturbed, server, tmp_path, monkeypatch
):
    trained = Trained(tmp_path, "seen")
    runs = Runs(server, "seen")
    seen = []

    def look() -> None:
        (run,) = wait_for(lambda: runs.of(trained.key), "the run")
        wait_for(lambda: len(runs.points(run, "curve/loss")) == 2, "its second epoch")
        seen.append((run["info"]["status"], runs.points(run, "curve/validation_dice")))

    at_epoch(monkeypatch, 3, look)
    assert trained.train() == undisturbed
    (run,) = runs.of(trained.key)
    assert seen == [("RUNNING", trained.curve("validation_dice")[:2])]
    assert run["info"]["status"] == "FINISHED"
    assert "remodal.digest" not in tags(run)

    ids = trained.merge()
    (merged,) = runs.of(trained.key)
    assert merged["info"]["run_id"] == run["info"]["run_id"] == ids[trained.key]
    assert tags(merged)["mlflow.parentRunId"] == ids[trained.key.rpartition("/")[0]]
    assert merged["info"]["run_name"] == "fold0-seed0"
    for name in ("loss", "smoothed_loss", "learning_rate", "validation_dice"):
        assert runs.points(merged, f"curve/{name}") == trained.curve(name)
    assert runs.points(merged, "both/dice") == [(0, 80.0)]
    assert len(runs.all()) == 3
    assert trained.merge() == ids
    assert len(runs.all()) == 3


def test_a_server_killed_in_the_middle_costs_one_line_and_the_merge_completes_the_record(
    undisturbed, server, tmp_path, monkeypatch, capfd
):
    trained = Trained(tmp_path, "killed")
    runs = Runs(server, "killed")

    def kill() -> None:
        (run,) = wait_for(lambda: runs.of(trained.key), "the run")
        wait_for(lambda: len(runs.points(run, "curve/loss")) == 1, "its first epoch")
        server.kill()

    at_epoch(monkeypatch, 2, kill)
    monkeypatch.setattr(live, "_LAST_WAIT", 3.0)
    try:
        assert trained.train() == undisturbed
    finally:
        server.start()
    (line,) = (line for line in capfd.readouterr().out.splitlines() if "MLflow" in line)
    assert "is away (ConnectionError): no live view; `remodal track`" in line
    (run,) = runs.of(trained.key)
    assert runs.points(run, "curve/loss") == trained.curve("loss")[:1]
    assert run["info"]["status"] == "RUNNING"

    ids = trained.merge()
    (merged,) = runs.of(trained.key)
    assert merged["info"]["run_id"] == run["info"]["run_id"] == ids[trained.key]
    assert merged["info"]["status"] == "FINISHED"
    assert runs.points(merged, "curve/loss") == trained.curve("loss")


def test_a_server_that_takes_requests_and_never_answers_costs_one_line(
    undisturbed, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(live, "_TIMEOUT", (0.2, 0.2))
    monkeypatch.setattr(live, "_LAST_WAIT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"user:secret@127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
        failed = threading.Event()
        say = live._say
        monkeypatch.setattr(live, "_say", lambda what: (say(what), failed.set()))
        at_epoch(monkeypatch, 3, lambda: failed.wait(60))
        assert Trained(tmp_path, "silent").train() == undisturbed
    (line,) = (line for line in capfd.readouterr().out.splitlines() if "MLflow" in line)
    assert "is away (ReadTimeout)" in line
    assert "secret" not in line


def test_a_refusal_is_one_line_with_its_number(server, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{server.uri}/elsewhere")
    monkeypatch.setattr(live, "_LAST_WAIT", 10.0)
    with live_view(study_settings("refused"), "maml", 0, 0, "identity") as watch:
        watch(curve(1, 1))
    assert "is away (status 4" in capfd.readouterr().out


def test_32_trainings_at_once_are_all_seen(server):
    """Half a minute: the server's SQLite file refuses most of them again and again."""
    settings = study_settings("crowd", seeds=list(range(32)))

    def training(seed: int) -> None:
        with live_view(settings, "maml", 0, seed, f"identity {seed}") as watch:
            for epoch in range(1, 6):
                watch(curve(seed, epoch))

    threads = [threading.Thread(target=training, args=[seed]) for seed in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = Runs(server, "crowd")
    assert len(runs.all()) == 32
    for seed in range(32):
        (run,) = runs.of(f"crowd-smoke/maml/fold0-seed{seed}")
        assert run["info"]["status"] == "FINISHED"
        assert runs.points(run, "curve/loss") == losses(seed, 5)


def test_a_training_that_was_stopped_goes_on_in_its_run_and_another_begins_its_own(server):
    settings = study_settings("resumed")
    runs = Runs(server, "resumed")
    key = "resumed-smoke/maml/fold0-seed0"
    with suppress(Preempted), live_view(settings, "maml", 0, 0, "one identity") as watch:
        watch(curve(1, 2))
        raise Preempted("stopped by SIGTERM and saved")
    (run,) = runs.of(key)
    assert run["info"]["status"] == "KILLED"
    assert runs.points(run, "curve/loss") == losses(1, 2)
    with live_view(settings, "maml", 0, 0, "one identity") as watch:
        watch(curve(1, 2))
        watch(curve(1, 4))
    (run,) = runs.of(key)
    assert run["info"]["status"] == "FINISHED"
    assert runs.points(run, "curve/loss") == losses(1, 4)
    with live_view(settings, "maml", 0, 0, "another identity") as watch:
        watch(curve(2, 1))
    assert len(runs.of(key)) == 2


def test_what_disagrees_with_the_files_is_dropped_by_the_merge(server, tmp_path):
    trained = Trained(tmp_path, "dropped")
    with live_view(trained.settings, "nnunet", 0, 0, "another identity") as watch:
        watch(curve(7, 2))
    trained.train()
    runs = Runs(server, "dropped")
    assert len(runs.of(trained.key)) == 2
    ids = trained.merge()
    (merged,) = runs.of(trained.key)
    assert merged["info"]["run_id"] == ids[trained.key]
    assert runs.points(merged, "curve/loss") == trained.curve("loss")


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "databricks"])
def test_without_a_server_nothing_is_started(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = threading.active_count()
    with live_view(study_settings(), "maml", 0, 0, "identity") as watch:
        watch(curve(1, 1))
        assert threading.active_count() == before


def test_the_view_needs_neither_mlflow_nor_torch(server):
    code = """
import sys
from remodal.tracking.live import _Server, _points
server = _Server("light", "light/maml/fold0-seed0", "identity")
server.send([{"epoch": 1, "loss": 0.5}], {1: 1000}, "FINISHED")
print(sorted({"mlflow", "torch", "pandas"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "[]\n", done.stderr
    (run,) = Runs(server, "light").all()
    assert run["data"]["metrics"][0]["key"] == "curve/loss"
