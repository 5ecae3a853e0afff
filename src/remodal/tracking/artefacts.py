"""Where the artefacts of an SQLite store are: in `mlruns` beside it, wherever both are moved.

MLflow stores absolute paths. After the folder is moved or copied, these would lead to the old place
or into the original. A store in the working folder gets relative ones, which MLflow resolves there.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

_FOLDER = "mlruns"

#: Every column that says where artefacts are.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)

#: MLflow's own layout: `<any>/mlruns/<experiment>/<run>/artifacts/...`.
_LOCAL = re.compile(rf"^(?:/(?:.*/)?)?{_FOLDER}/(\d+(?:/.*)?)$")


def artefact_root(database: Path) -> str:
    """Folder of a store's artefacts; relative when the store lies in the working folder."""
    folder = database.resolve().parent
    return _FOLDER if folder == Path.cwd().resolve() else str(folder / _FOLDER)


def place_artefacts(database: Path) -> None:
    """Make every location in a store lead to its own artefact folder.

    Artefacts that are not in that folder, but are where the store says, stay there.

    Args:
        database: the SQLite file, with MLflow's tables.
    """
    root, folder = artefact_root(database), database.resolve().parent
    with closing(sqlite3.connect(database, timeout=60)) as store, store:
        for table, column in _LOCATIONS:
            named = f"SELECT DISTINCT {column} FROM {table} WHERE {column} LIKE '%{_FOLDER}/%'"
            for (old,) in store.execute(named).fetchall():
                place = _LOCAL.match(old)
                if place is not None and not _lies_elsewhere(folder, old, place[1]):
                    change = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"
                    store.execute(change, (f"{root}/{place[1]}", old))


def _lies_elsewhere(folder: Path, location: str, name: str) -> bool:
    """Whether artefacts are where the store says, not in the folder beside it."""
    return (folder / location).exists() and not (folder / _FOLDER / name).exists()
