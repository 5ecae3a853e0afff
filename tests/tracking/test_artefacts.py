"""A store's artefacts are found, and written, where the working folder is now."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from remodal.results.files import read_json, write_json
from remodal.tracking.artefacts import place_artefacts
from remodal.tracking.merge import track

from .conftest import study_settings, write_measured, write_study
from .training_writer import write_training

SETTINGS = study_settings(tracking={"register_models": True})
STUDY = Path("results/studies") / SETTINGS.study_id
MODEL = "liver-smoke/maml/fold0-seed0"


def train(number: int) -> None:
    model = STUDY / "models/maml/fold0-seed0"
    write_training(model, number, 2)
    served = {"modalities": ["venous"], "simulated": True, "label": "MAML", "fold": 0, "seed": 0}
    write_json(model / "model.json", read_json(model / "model.json") | served)
    write_measured(STUDY, "maml/fold0-seed0", [70.0, 90.0])


def merge() -> None:
    track(SETTINGS, STUDY, STUDY / "tracking.json")


@pytest.fixture
def original(tmp_path, monkeypatch, empty_store):
    """A working folder whose study was merged."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "original"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "mlflow.db")
    monkeypatch.chdir(folder)
    write_study(folder, SETTINGS)
    train(1)
    merge()
    return folder


def logged_training() -> tuple[Path, dict]:
    """Where MLflow says the description of the model's weights is, and the description."""
    client = MlflowClient(tracking_uri=f"sqlite:///{Path.cwd()}/mlflow.db")
    run = read_json(STUDY / "tracking.json")["runs"][MODEL]
    assert "model/model.json" in {file.path for file in client.list_artifacts(run, "model")}
    path = Path(client.get_run(run).info.artifact_uri, "model/model.json")
    version = client.get_model_version_by_alias("liver-smoke-maml", "fold0-seed0")
    servable = client.get_model_version_download_uri(version.name, version.version)
    assert Path(servable, "MLmodel").resolve().is_relative_to(Path.cwd() / "mlruns")
    assert Path(servable, "MLmodel").is_file()
    return path.resolve(), read_json(path)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_that_was_moved_takes_its_artefacts_along(original, tmp_path, monkeypatch):
    moved = tmp_path / "moved"
    subprocess.run(["mv", original, moved], check=True)
    monkeypatch.chdir(moved)
    path, described = logged_training()
    assert path.is_relative_to(moved / "mlruns")
    assert described["weights_sha256"] == "weights 1"
    train(2)
    merge()
    path, described = logged_training()
    assert path.is_relative_to(moved / "mlruns")
    assert described["weights_sha256"] == "weights 2"
    assert not original.exists()


def test_a_copy_of_a_folder_writes_nothing_into_the_original(original, tmp_path, monkeypatch):
    before = contents(original)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", original, copy], check=True)
    monkeypatch.chdir(copy)
    train(2)
    merge()
    path, described = logged_training()
    assert path.is_relative_to(copy / "mlruns")
    assert described["weights_sha256"] == "weights 2"
    assert contents(original) == before


def test_the_absolute_paths_of_an_earlier_version_follow_too(original, tmp_path, monkeypatch):
    with closing(sqlite3.connect("mlflow.db")) as store, store:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("model_versions", "source"),
            ("model_versions", "storage_location"),
        ):
            store.execute(f"UPDATE {table} SET {column} = '{original}/' || {column}")
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", original, copy], check=True)
    monkeypatch.chdir(copy)
    before = contents(original)
    merge()
    path, _ = logged_training()
    assert path.is_relative_to(copy / "mlruns")
    assert contents(original) == before


def test_a_store_outside_the_working_folder_has_its_artefacts_beside_it(
    tmp_path, monkeypatch, empty_store
):
    for name in ("work", "disk"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    shutil.copyfile(empty_store, tmp_path / "disk/mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/disk/mlflow.db")
    write_study(Path.cwd(), SETTINGS)
    train(1)
    merge()
    assert not Path("mlruns").exists()
    assert list((tmp_path / "disk/mlruns").rglob("model.json"))


def test_artefacts_that_lie_where_the_store_says_stay_there(tmp_path, empty_store):
    (tmp_path / "disk").mkdir()
    database = tmp_path / "disk/mlflow.db"
    shutil.copyfile(empty_store, database)
    (tmp_path / "runs/mlruns/5").mkdir(parents=True)
    named = f"{tmp_path}/runs/mlruns/5"
    with closing(sqlite3.connect(database)) as store, store:
        store.execute("UPDATE experiments SET artifact_location = ?", (named,))
    place_artefacts(database)
    with closing(sqlite3.connect(database)) as store:
        assert store.execute("SELECT artifact_location FROM experiments").fetchall() == [(named,)]
