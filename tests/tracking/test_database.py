"""An SQLite store is either complete or absent; a half-made one is moved aside."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import namedtuple
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from remodal.errors import EnvironmentProblem
from remodal.tracking import database
from remodal.tracking.database import is_half_made, prepare
from remodal.tracking.merge import track

from .conftest import study_settings, write_measured, write_study
from .training_writer import write_training

DATABASE = Path("mlflow.db")


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@contextmanager
def at_each(happening, do):
    """Call `do` at each event of this kind on any SQL connection while the block lasts."""
    event.listen(Engine, happening, do)
    try:
        yield
    finally:
        event.remove(Engine, happening, do)


def stop_making(path: Path, at: int) -> None:
    """Make a store in place, as MLflow does, and stop at a statement."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    left = at

    def count(*_):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    with at_each("before_cursor_execute", count), pytest.raises(KeyboardInterrupt):
        SqlAlchemyStore(f"sqlite:///{path.absolute()}", "mlruns")


def experiments(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as store:
        return [name for (name,) in store.execute("SELECT name FROM experiments")]


@pytest.mark.parametrize("at", [1, 300, 700, 1100, 1500])
def test_a_store_that_was_half_made_in_place_is_moved_aside_and_made_anew(at, capsys):
    stop_making(DATABASE, at)
    left = DATABASE.read_bytes()
    prepare(DATABASE)
    assert not is_half_made(DATABASE)
    assert experiments(DATABASE) == ["Default"]
    assert Path("mlflow.db.half-made").read_bytes() == left
    said = capsys.readouterr().err
    assert "remodal: mlflow.db: its tables were not made to the end" in said
    assert "it is mlflow.db.half-made now" in said


def test_an_empty_file_is_half_made_and_an_earlier_one_keeps_its_name():
    Path("mlflow.db.half-made").write_text("earlier")
    DATABASE.touch()
    prepare(DATABASE)
    assert experiments(DATABASE) == ["Default"]
    assert Path("mlflow.db.half-made").read_text() == "earlier"
    assert Path("mlflow.db.half-made-2").read_bytes() == b""


def test_a_store_with_runs_stays_whatever_its_tables_are(empty_store):
    shutil.copyfile(empty_store, DATABASE)
    with closing(sqlite3.connect(DATABASE)) as store, store:
        store.execute("UPDATE alembic_version SET version_num = 'earlier'")
    assert is_half_made(DATABASE)
    with closing(sqlite3.connect(DATABASE)) as store, store:
        store.execute("INSERT INTO runs (run_uuid) VALUES ('a run')")
    assert not is_half_made(DATABASE)
    before = DATABASE.read_bytes()
    prepare(DATABASE)
    assert DATABASE.read_bytes() == before


def test_what_an_earlier_merge_was_making_when_it_was_killed_is_removed(empty_store):
    shutil.copyfile(empty_store, DATABASE)
    for name in ("mlflow.db.making-1", "mlflow.db.making-1-journal"):
        Path(name).touch()
    prepare(DATABASE)
    assert os.listdir() == ["mlflow.db"]


def test_a_store_that_another_process_is_making_is_left_to_it(monkeypatch):
    monkeypatch.setattr(database, "_PATIENCE", 0.0)
    DATABASE.touch()
    hold = "import sys; file = open('mlflow.db'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as maker:
        assert maker.stdout.readline() == b"open\n"
        with pytest.raises(EnvironmentProblem, match=f"open in process {maker.pid}"):
            prepare(DATABASE)
        maker.stdin.close()
    assert os.listdir() == ["mlflow.db"]


@pytest.mark.parametrize("system", ["nfs4", "lustre", "fuse.sshfs"])
def test_a_store_on_a_network_file_system_is_warned_of(system, empty_store, monkeypatch, capsys):
    shutil.copyfile(empty_store, DATABASE)
    mount = namedtuple("Mount", ["mountpoint", "fstype"])
    mounts = [mount("/", "ext4"), mount(str(Path.cwd().parent), system)]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    prepare(DATABASE)
    said = capsys.readouterr().err
    assert said.startswith(f"remodal: mlflow.db lies on a network file system ({system})")
    mounts.append(mount(str(Path.cwd()), "xfs"))
    prepare(DATABASE)
    assert capsys.readouterr().err == ""


@pytest.fixture
def study():
    study = write_study(Path.cwd(), study_settings())
    write_training(study / "models/maml/fold0-seed0", 1, 300)
    write_measured(study, "maml/fold0-seed0", [70.0, 90.0])
    return study


@pytest.mark.parametrize("when", ["making", "merging"])
def test_a_disk_that_is_full_is_one_line_that_says_where(study, when, empty_store, capfd):
    pages = 20
    if when == "merging":
        shutil.copyfile(empty_store, DATABASE)
        with closing(sqlite3.connect(DATABASE)) as store:
            store.execute("VACUUM")
        pages = DATABASE.stat().st_size // 4096

    def leave_no_room(connection, _):
        connection.execute(f"PRAGMA max_page_count = {pages}")

    with (
        at_each("connect", leave_no_room),
        pytest.raises(EnvironmentProblem, match="the disk is full; free some space") as caught,
    ):
        track(study_settings(), study, study / "tracking.json")
    assert caught.value.where == "mlflow.db"
    assert "\n" not in str(caught.value)
    assert "Traceback" not in capfd.readouterr().err


def test_a_disk_that_is_full_of_artefacts_is_one_line_that_says_where(
    study, empty_store, monkeypatch
):
    shutil.copyfile(empty_store, DATABASE)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(EnvironmentProblem, match="mlruns: the disk is full; free some space"):
        track(study_settings(), study, study / "tracking.json")


def test_a_file_that_is_no_database_is_one_line(study):
    DATABASE.write_text("a text, by mistake, that is longer than the head of a database" * 9)
    with pytest.raises(EnvironmentProblem, match="file is not a database"):
        track(study_settings(), study, study / "tracking.json")
    assert DATABASE.read_text().startswith("a text")
