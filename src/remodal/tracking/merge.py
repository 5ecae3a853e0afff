"""The track stage: a study's models and measurements merged into MLflow by one writer.

Every job leaves its figures in files and this stage makes the record, because several processes
that write to one SQLite store lose metrics. With a server, trainings stream to it as they go
(remodal.tracking.live); the merge completes what they sent.
"""

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import EnvironmentProblem
from remodal.process.progress import progress
from remodal.results.files import write_json
from remodal.settings import Settings
from remodal.tracking.address import (
    client_uri,
    database_file,
    run_key,
    store_uri,
    without_password,
)
from remodal.tracking.artefacts import place_artefacts
from remodal.tracking.database import prepare
from remodal.tracking.lock import locked
from remodal.tracking.registry import register
from remodal.tracking.runs import study_runs, trained_models
from remodal.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: What SQLite and the system say when the disk is full, inside whatever MLflow makes of it.
_DISK_FULL = ("disk is full", "No space left on device", "Disk quota exceeded")


def track(settings: Settings, study: Path, output: Path) -> None:
    """Merge a study into MLflow: the store at MLFLOW_TRACKING_URI, or mlflow.db in this folder.

    It logs parameters, training curves, the metrics of each scenario, per-case tables, model
    descriptions and digests of data and weights, and registers the models with their weights. A
    second merge waits for the first.

    Args:
        settings: the study.
        study: folder of its results.
        output: JSON file that says which runs hold what.

    Raises:
        UserError: nothing is trained or measured yet.
        EnvironmentProblem: the store or the disk refuses, or cannot be reached.
    """
    tree = study_runs(settings, study)
    database = database_file()
    with _client(database, output) as client:
        store = Store(client, settings.study)
        if database is not None:
            place_artefacts(database)
        ids: dict[str, str] = {}
        for run in progress(tree, "tracking"):
            ids[run.key] = store.put(run, ids.get(run.parent))
        models = _register(settings, study, client, ids)
    content = {"store": without_password(store_uri()), "runs": ids, "models": models}
    write_json(output, content)


def _register(
    settings: Settings, study: Path, client: "MlflowClient", ids: Mapping[str, str]
) -> dict[str, str]:
    """Register the trained models; the version of each by `<study>-<method>@<fold and seed>`."""
    if not settings.tracking.register_models:
        return {}
    models = list(trained_models(settings, study))
    versions: dict[str, str] = {}
    for method, fold, seed, folder in progress(models, "registering"):
        name, run = f"{settings.study_id}-{method}", run_key(settings.study_id, method, fold, seed)
        version = register(client, ids[run], folder, name, alias=folder.name)
        versions[f"{name}@{folder.name}"] = version
    return versions


@contextmanager
def _client(database: Path | None, output: Path) -> Iterator["MlflowClient"]:
    """A client that has the store to itself; refusals of the store become one line.

    Args:
        database: file of the store if it is one.
        output: file to put the lock beside if the store is not a file.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name in ("alembic", "mlflow.store.model_registry"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # MLflow logs the traceback of each refusal, and raises it as well.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    lock = database.with_name(f"{database.name}.lock") if database else None
    try:
        with locked(lock or output.with_name(".tracking.lock")):
            if database is not None:
                prepare(database)
            yield MlflowClient(tracking_uri=client_uri())
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise _explained(error, database) from error


def _explained(error: Exception, database: Path | None) -> EnvironmentProblem:
    """The user's line for what MLflow or the disk refuses."""
    said = without_password(str(error).splitlines()[0])
    full = next((words for words in _DISK_FULL if words in str(error)), None)
    if full is None:
        return EnvironmentProblem(
            f"tracking failed ({said})",
            where=without_password(store_uri()),
            remedy="check MLFLOW_TRACKING_URI, and that nothing else writes to the store",
        )
    # The system does not name a file that is being written: if no name is given, it is an artefact.
    written = getattr(error, "filename", None) or "mlruns"
    return EnvironmentProblem(
        "the disk is full",
        where=str(written if isinstance(error, OSError) else database),
        remedy="free some space and run the same command again",
    )
