"""32 trainings write their records at once; one merge, or two, make the record of all."""

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from remodal.tracking.merge import track

from .conftest import study_settings, write_measured, write_study
from .training_writer import curve

SEEDS, EPOCHS = range(8), 40
WRITER = Path(__file__).with_name("training_writer.py")


def models(settings) -> list[str]:
    return [f"{method}/fold0-seed{s}" for method in list(settings.methods)[:4] for s in SEEDS]


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """Settings and folder of a study that 32 processes wrote to at the same time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settings = study_settings(seeds=list(SEEDS))
    study = write_study(tmp_path, settings)
    names = models(settings)
    assert len(names) == 32
    writers = [
        subprocess.Popen(
            [sys.executable, WRITER, study / "models" / name, "begin", str(number), str(EPOCHS)]
        )
        for number, name in enumerate(names)
    ]
    Path("begin").touch()
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 32
    for number, name in enumerate(names):
        write_measured(study, name, [float(number), number + 1.0])
    return settings, study


def expected_points(settings) -> Counter:
    """(model, metric, step, value) of every point of every trained model, each once."""
    points = Counter()
    for number, name in enumerate(models(settings)):
        for row in curve(number, EPOCHS):
            for key, value in row.items():
                if key != "epoch" and value is not None:
                    points[name, f"curve/{key}", row["epoch"], float(f"{value:.8g}")] += 1
        points[name, "seconds", 0, 1.0 + number] += 1
        points[name, "both/dice", 0, number + 0.5] += 1
        points[name, "both/dice.n", 0, 2.0] += 1
        points[name, "both/missed", 0, 2.0] += 1
    return points


def stored_points() -> Counter:
    """The same from the database itself, of the runs that are not deleted."""
    query = """
        SELECT tags.value, metrics.key, metrics.step, metrics.value FROM metrics
        JOIN runs ON runs.run_uuid = metrics.run_uuid
        JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = 'remodal.key'
        WHERE runs.lifecycle_stage = 'active' AND runs.status = 'FINISHED'
    """
    with sqlite3.connect("mlflow.db") as database:
        found = database.execute(query).fetchall()
    return Counter(
        (key.partition("/")[2], metric, step, value)
        for key, metric, step, value in found
        if key.count("/") == 2
    )


def stored_runs() -> Counter:
    """How many runs of each key there are that are not deleted."""
    query = """
        SELECT tags.value FROM runs
        JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = 'remodal.key'
        WHERE runs.lifecycle_stage = 'active'
    """
    with sqlite3.connect("mlflow.db") as database:
        return Counter(key for (key,) in database.execute(query))


def test_two_merges_at_once_lose_nothing_and_a_third_adds_nothing(finished):
    """Half a minute: 32 runs into a store that two processes open fresh at the same time."""
    settings, study = finished
    command = [sys.executable, "-m", "remodal", "track", "--settings", study / "settings.yaml"]
    merges = [
        subprocess.Popen(
            [*command, "--study", study, "--output", f"tracking{number}.json"],
            stderr=subprocess.PIPE,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        )
        for number in range(2)
    ]
    for merge in merges:
        _, errors = merge.communicate(timeout=300)
        assert merge.returncode == 0, errors.decode()
    assert Path("tracking0.json").read_bytes() == Path("tracking1.json").read_bytes()

    def check() -> None:
        points, wanted = stored_points(), expected_points(settings)
        assert {point: points[point] for point in wanted} == dict(wanted)
        assert set(points.values()) == {1}
        runs = stored_runs()
        assert len(runs) == 1 + 4 + 32
        assert set(runs.values()) == {1}

    check()
    track(settings, study, Path("again.json"))
    assert Path("again.json").read_bytes() == Path("tracking0.json").read_bytes()
    check()
