"""A merge that is stopped at any step is put right by the next one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from remodal.results.files import read_json, write_json

from .conftest import study_settings, write_measured, write_study
from .training_writer import write_training

STOPPING = Path(__file__).with_name("stopping.py")


@pytest.fixture
def base(tmp_path):
    """A folder with a study of one model, to be registered, and no store."""
    folder = tmp_path / "base"
    study = write_study(folder, study_settings(tracking={"register_models": True}))
    model = study / "models/maml/fold0-seed0"
    write_training(model, 1, 2)
    served = {"modalities": ["venous"], "simulated": True, "label": "MAML", "fold": 0, "seed": 0}
    write_json(model / "model.json", read_json(model / "model.json") | served)
    write_measured(study, "maml/fold0-seed0", [70.0, 90.0])
    return folder


@pytest.mark.parametrize("points", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_after_a_kill_or_a_termination_at_any_step_the_next_merge_holds_the_same(
    base, points, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    told = base.with_name("told.json")
    subprocess.run([sys.executable, STOPPING, base, str(points), told], check=True)
    sweep = read_json(told)
    assert len(sweep["stopped"]) == 2 * points
    assert len(sweep["content"]["runs"]) == 3
    assert list(sweep["content"]["models"]) == ["liver-smoke-maml 1"]
    for number, stopped in enumerate(sweep["stopped"]):
        by_kill = number % 2 == 0
        assert stopped["ended"] == (signal.SIGKILL if by_kill else 130 << 8), stopped["log"]
        assert stopped["content"] == sweep["content"], stopped["log"]
        assert stopped["stores"] == ["mlflow.db", "mlflow.db.lock"]
        assert "Traceback" not in stopped["log"]
