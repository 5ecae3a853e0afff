"""Registered models predict as `remodal predict` does, from the store alone and without pickle."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from mlflow.exceptions import MlflowException
from tests.inference.conftest import Study
from tests.inference.conftest import study as tiny_study  # noqa: F401

from remodal.intake.nifti import read_volume
from remodal.prediction.patient import predict_patient
from remodal.results.files import read_json, write_json, write_text
from remodal.tracking.merge import track

from .conftest import study_settings, write_measured, write_study

pytestmark = pytest.mark.xdist_group("mlflow registry")

NAME, KEY = "liver-smoke-maml", "liver-smoke/maml/fold0-seed0"


class Registered:
    """A study of one tiny model, and its store."""

    def __init__(self, folder: Path, tiny: Study, empty_store: Path) -> None:
        shutil.copyfile(empty_store, folder / "mlflow.db")
        self.tiny = tiny
        self.settings = study_settings(tracking={"register_models": True})
        self.study = write_study(folder, self.settings)
        self.model = self.study / "models/maml/fold0-seed0"
        unregistered = tiny.settings.registration.model_copy(update={"method": "none"})
        description = {"registration": unregistered.model_dump(mode="json")}
        self.source = tiny.model("maml", fold=7, **description)
        shutil.copytree(self.source, self.model)
        write_json(self.model / "training.json", {"parameters": {}, "seconds": 1.0})
        write_text(self.model / "curves.csv", "epoch,loss\n1,0.5\n")
        write_measured(self.study, "maml/fold0-seed0", [70.0, 90.0])
        self.uri = f"sqlite:///{folder}/mlflow.db"

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(tracking_uri=self.uri)

    def track(self) -> dict:
        track(self.settings, self.study, self.study / "tracking.json")
        return read_json(self.study / "tracking.json")

    def image(self, modality: str) -> str:
        return str(self.tiny.registered / "b" / f"{modality}.nii.gz")


@pytest.fixture(scope="module")
def registered(tmp_path_factory, tiny_study, empty_store):  # noqa: F811
    folder = tmp_path_factory.mktemp("registered")
    made = Registered(folder, tiny_study, empty_store)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", made.uri)
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        assert made.track()["models"] == {f"{NAME}@fold0-seed0": "1"}
        yield made


@pytest.fixture
def loaded(registered):
    """The model as MLflow loads it, while the study's own copy is absent."""
    mlflow.set_tracking_uri(registered.uri)
    hidden = registered.model.with_name("hidden")
    registered.model.rename(hidden)
    yield mlflow.pyfunc.load_model(f"models:/{NAME}@fold0-seed0")
    hidden.rename(registered.model)


@pytest.mark.parametrize("present", [["arterial", "venous"], ["arterial"], ["venous"]])
def test_the_loaded_model_gives_the_labels_of_remodal_predict(
    registered, loaded, tmp_path, present
):
    images = {modality: registered.image(modality) for modality in present}
    answer = loaded.predict(images | {"output": str(tmp_path / "served.nii.gz")})
    assert answer.to_dict("records") == [{"output": str(tmp_path / "served.nii.gz")}]
    paths = {modality: Path(path) for modality, path in images.items()}
    predict_patient(registered.source, paths, tmp_path / "direct.nii.gz")
    served, direct = (read_volume(tmp_path / f"{n}.nii.gz") for n in ("served", "direct"))
    assert served.geometry == direct.geometry
    np.testing.assert_array_equal(served.array, direct.array)
    assert direct.array.any()


def test_several_patients_of_whom_each_misses_another_phase(registered, loaded, tmp_path):
    rows = pd.DataFrame(
        [
            {modality: registered.image(modality), "output": str(tmp_path / f"{modality}.nii.gz")}
            for modality in ("arterial", "venous")
        ]
    )
    assert loaded.predict(rows)["output"].tolist() == rows["output"].tolist()
    one, other = (read_volume(Path(path)).array for path in rows["output"])
    assert (one != other).any()


def test_a_wrong_request_is_one_line(registered, loaded, tmp_path):
    output = str(tmp_path / "s.nii.gz")
    with pytest.raises(MlflowException, match="row 1: --venous nowhere: does not exist"):
        loaded.predict({"venous": "nowhere", "output": output})
    with pytest.raises(MlflowException, match="row 1: no image is given"):
        loaded.predict({"output": output})
    with pytest.raises(MlflowException, match=r"missing inputs \['output'\]"):
        loaded.predict({"venous": registered.image("venous")})


def test_what_is_stored_is_weights_code_and_description_and_no_pickle(registered):
    (version,) = registered.client.search_model_versions(f"name='{NAME}'")
    described = read_json(registered.model / "model.json")
    assert version.tags["weights.sha256"] == described["weights_sha256"]
    assert version.tags["data.simulated"] == "true"
    stored = Path(version.source)
    files = {path.relative_to(stored) for path in stored.rglob("*") if path.is_file()}
    outside_code = {str(path) for path in files if path.parts[0] != "code"}
    # MLflow's own note in a folder that it has loaded a model from.
    outside_code.discard("registered_model_meta")
    assert outside_code == {
        "MLmodel",
        "artifacts/model.json",
        "artifacts/model.safetensors",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
        "served_model.py",
    }
    assert Path("code/remodal/prediction/patient.py") in files
    of_source = {".py", ".j2", ".css", ".js", ".txt"}
    assert {path.suffix for path in files if path.parts[0] == "code"} <= of_source
    assert "torch==2" in (stored / "requirements.txt").read_text()
    assert "snakemake" not in (stored / "requirements.txt").read_text()


def test_again_adds_no_version_and_a_new_training_adds_one(registered):
    first = registered.track()
    assert first["models"] == {f"{NAME}@fold0-seed0": "1"}
    assert registered.track() == first
    assert len(registered.client.search_model_versions(f"name='{NAME}'")) == 1

    description = read_json(registered.model / "model.json")
    write_json(registered.model / "model.json", description | {"label": "trained anew"})
    again = registered.track()
    write_json(registered.model / "model.json", description)
    assert again["models"] == {f"{NAME}@fold0-seed0": "2"}
    assert again["runs"][KEY] != first["runs"][KEY]
    newest = registered.client.get_model_version_by_alias(NAME, "fold0-seed0")
    assert str(newest.version) == "2"

    # Back to the first: its run and its version are there already.
    assert registered.track() == first
    assert len(registered.client.search_model_versions(f"name='{NAME}'")) == 2


def test_a_version_whose_run_was_deleted_is_registered_anew(registered):
    before = registered.track()
    registered.client.delete_run(before["runs"][KEY])
    after = registered.track()
    assert after["runs"][KEY] != before["runs"][KEY]
    assert after["models"] != before["models"]


def test_mlflow_models_serve_answers_over_http(registered, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    log = tmp_path / "serve.log"
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*command, "-m", f"models:/{NAME}@fold0-seed0", "-h", "127.0.0.1", "-p", str(port)],
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/ping", process, log)
        row = {"venous": registered.image("venous"), "output": str(tmp_path / "served.nii.gz")}
        answer = requests.post(
            f"http://127.0.0.1:{port}/invocations", json={"dataframe_records": [row]}
        )
        assert answer.json() == {"predictions": [{"output": row["output"]}]}
        wrong = {"dataframe_records": [row | {"venous": "nowhere"}]}
        refused = requests.post(f"http://127.0.0.1:{port}/invocations", json=wrong)
        assert refused.status_code == 400
        assert "--venous nowhere: does not exist" in refused.json()["message"]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    venous = {"venous": Path(row["venous"])}
    predict_patient(registered.model, venous, tmp_path / "direct.nii.gz")
    served, direct = (read_volume(tmp_path / f"{n}.nii.gz") for n in ("served", "direct"))
    np.testing.assert_array_equal(served.array, direct.array)


def wait_until_it_answers(address: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            if requests.get(address, timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        if time.monotonic() > deadline or process.poll() is not None:
            pytest.fail(log.read_text())
        time.sleep(0.1)
