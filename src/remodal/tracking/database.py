"""An SQLite store that is either complete or absent.

MLflow makes its tables in hundreds of steps, some 60 migrations one by one, and cannot resume in
the middle. So a new store is made under another name and then renamed. A half-made store, left by
`mlflow ui` or a tool that was stopped, is moved aside: it holds no runs yet.
"""

import re
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psutil

from remodal.errors import EnvironmentProblem
from remodal.tracking.artefacts import artefact_root

#: Seconds to wait for another process that is currently making the store.
_PATIENCE = 60.0

#: Network file systems, on which SQLite's locks cannot be relied on.
_NETWORK_FILE_SYSTEMS = re.compile(
    r"(fuse\.)?(9p|afs|beegfs|ceph|cifs|glusterfs|gpfs|lustre|nfs4?|panfs|smb3|smbfs|sshfs|wekafs)"
)

#: What only a store in use holds; every store holds the experiment `Default`.
_IN_USE = {
    "runs": "",
    "registered_models": "",
    "trace_info": "",
    "experiments": " WHERE experiment_id != 0",
}


def prepare(database: Path) -> None:
    """Make sure that a complete store exists; the caller holds its lock.

    Args:
        database: the SQLite file, made if need be. A half-made one without runs is moved aside.

    Raises:
        EnvironmentProblem: another process has not finished making it.
        sqlite3.Error: it is not an SQLite database, or another process does not let go of it.
    """
    _warn_of_network(database)
    for leftover in database.parent.glob(f"{database.name}.making-*"):
        leftover.unlink(missing_ok=True)
    if database.exists() and is_half_made(database):
        _wait_for_maker(database)
        if is_half_made(database):
            _move_aside(database)
    if not database.exists():
        _make(database)


def is_half_made(database: Path) -> bool:
    """Whether the tables of a store are unfinished and nothing is in them.

    An older store that is in use is not half-made: MLflow says how to bring it up to date.

    Raises:
        sqlite3.Error: it is not an SQLite database, or another process does not let go of it.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision

    uri = f"{database.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=60)) as store:
        named = {name for (name,) in store.execute("SELECT name FROM sqlite_master")}
        if "alembic_version" in named:
            # The last migration writes down its name when it is done.
            made = store.execute("SELECT version_num FROM alembic_version").fetchall()
            if made == [(_get_latest_schema_revision(),)]:
                return False
        return not any(
            store.execute(f"SELECT EXISTS (SELECT 1 FROM {table}{chosen})").fetchone()[0]
            for table, chosen in _IN_USE.items()
            if table in named
        )


def _wait_for_maker(database: Path) -> None:
    """Wait while another process, such as `mlflow ui`, has a half-made store open."""
    deadline = time.monotonic() + _PATIENCE
    while (maker := _open_in(database)) and is_half_made(database):
        if time.monotonic() > deadline:
            raise EnvironmentProblem(
                f"is half-made, and open in process {maker}",
                where=str(database),
                remedy="end that process, then run the same command again",
            )
        time.sleep(0.5)


def _open_in(database: Path) -> int | None:
    """Another process of this user here that has the file open; None if there is none."""
    path, own = str(database.resolve()), psutil.Process()
    for process in psutil.process_iter():
        try:
            if process != own and any(file.path == path for file in process.open_files()):
                return process.pid
        except (psutil.Error, OSError):
            continue
    return None


def _move_aside(database: Path) -> None:
    aside = database.with_name(f"{database.name}.half-made")
    number = 1
    while aside.exists():
        number += 1
        aside = database.with_name(f"{database.name}.half-made-{number}")
    database.rename(aside)
    print(
        f"remodal: {database}: its tables were not made to the end (MLflow was stopped meanwhile)"
        f" and it holds no runs; it is {aside.name} now, and a new one is made",
        file=sys.stderr,
    )


def _make(database: Path) -> None:
    """Make a store under another name in the same folder, and rename it once it is complete."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    temporary = database.absolute().with_name(f"{database.name}.making-{uuid4().hex[:8]}")
    try:
        store = SqlAlchemyStore(f"sqlite:///{temporary}", artefact_root(database))
        store.engine.dispose()
        # Somebody without our lock, such as `mlflow ui`, was quicker and has made the store.
        if not database.exists():
            temporary.rename(database)
    finally:
        temporary.unlink(missing_ok=True)


def _warn_of_network(database: Path) -> None:
    """Warn if a store is where SQLite is not safe."""
    folder = database.absolute().parent.resolve()
    mounts = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    found = next((mounts[path] for path in (folder, *folder.parents) if path in mounts), "")
    if _NETWORK_FILE_SYSTEMS.fullmatch(found):
        print(
            f"remodal: {database} lies on a network file system ({found}), where SQLite may lose"
            " what it writes: keep it on a local disk"
            " (MLFLOW_TRACKING_URI=sqlite:////local/disk/mlflow.db) or use a server",
            file=sys.stderr,
        )
