"""A real MLflow server on loopback, and a study whose trainings are made up."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from remodal.metrics.cases import COUNTS, write_cases
from remodal.results.files import write_json
from remodal.settings import Settings
from remodal.settings.composition import compose, write_settings

CONFIG = Path(__file__).parents[2] / "config"


class Server:
    """`mlflow server` with an SQLite file, started and stopped by its process id."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--workers": "1",
            "--backend-store-uri": f"sqlite:///{self.folder}/server.db",
            "--artifacts-destination": str(self.folder / "artefacts"),
        }
        command = [sys.executable, "-m", "mlflow", "server"]
        quick = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with open(self.folder / "server.log", "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [*command, *(part for option in options.items() for part in option)],
                env=os.environ | quick,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                pytest.fail((self.folder / "server.log").read_text())
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self) -> None:
        """End it at once, with its worker; both are a process group of their own."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """An SQLite store with nothing in it, to copy: making one takes MLflow seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def running_server(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(running_server, monkeypatch) -> Server:
    """A server that MLFLOW_TRACKING_URI names."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", running_server.uri)
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    return running_server


def study_settings(name: str = "liver", **overrides) -> Settings:
    """The liver study under a separate name: an experiment that no other test writes to.

    Models are not registered unless a test asks for it, since most are made up.
    """
    settings = compose(
        {"study": "liver", "preset": "smoke"},
        CONFIG,
        {"tracking": {"register_models": False}} | overrides,
    )
    return settings.model_copy(update={"study": name})


def write_study(folder: Path, settings: Settings) -> Path:
    """A study without models; its folder."""
    study = folder / "results/studies" / settings.study_id
    write_settings(study / "settings.yaml", settings)
    write_json(study / "splits.json", {"folds": [], "patients": {}, "modalities": {}, "labels": {}})
    return study


def write_measured(study: Path, model: str, dices: list[float]) -> None:
    """Per-case metrics of one model, `<method>/fold<k>-seed<s>`."""
    named = {"group": "", "region": "tumour"}
    rows = [
        {"case": f"p{i}", "patient": f"p{i}", **named, "dice": dice, **dict.fromkeys(COUNTS, 1)}
        for i, dice in enumerate(dices)
    ]
    write_cases(study / "metrics" / model / "both.csv", ["dice"], rows)
