"""The track stage: a study's models and measurements merged into MLflow by one writer.

Every job leaves its figures in files and this stage makes the record, because several processes
that write to one SQLite store lose metrics. With a server, trainings stream to it as they go
(remodal.tracking.live); the merge completes what they sent.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import EnvironmentProblem
from remodal.files import write_json
from remodal.progress import progress
from remodal.settings import Settings
from remodal.tracking.address import (
    client_uri,
    database_file,
    run_key,
    store_uri,
    without_password,
)
from remodal.tracking.lock import locked
from remodal.tracking.registry import register
from remodal.tracking.runs import study_runs, trained_models
from remodal.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient


def track(settings: Settings, study: Path, output: Path) -> None:
    """Merge a study into MLflow: the store at MLFLOW_TRACKING_URI, else mlflow.db in this folder.

    Logged are parameters, training curves, metrics of each scenario, per-case tables, model
    descriptions and digests of data and weights; the models are registered, with their weights. A
    second merge waits for the first.

    Args:
        settings: the study.
        study: folder of its results.
        output: JSON file that says which runs hold what.

    Raises:
        UserError: nothing is trained or measured yet.
        EnvironmentProblem: the store refuses, or cannot be reached.
    """
    tree = study_runs(settings, study)
    with _client(output) as client:
        store = Store(client, settings.study)
        ids: dict[str, str] = {}
        for run in progress(tree, "tracking"):
            ids[run.key] = store.put(run, ids.get(run.parent))
        models = _register(settings, study, client, ids)
    content = {"store": without_password(store_uri()), "runs": ids, "models": models}
    write_json(output, content)


def _register(
    settings: Settings, study: Path, client: "MlflowClient", ids: Mapping[str, str]
) -> dict[str, str]:
    """Register the trained models; the version of each `<study>-<method>@<fold and seed>`."""
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
def _client(output: Path) -> Iterator["MlflowClient"]:
    """A client of the store, alone with it; its refusals become one line."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name in ("alembic", "mlflow.store.db.utils", "mlflow.store.model_registry"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    uri, database = store_uri(), database_file()
    lock = database.with_name(f"{database.name}.lock") if database else None
    try:
        with locked(lock or output.with_name(".tracking.lock")):
            yield MlflowClient(tracking_uri=client_uri())
    except (MlflowException, OSError) as error:
        raise EnvironmentProblem(
            f"tracking failed ({without_password(str(error).splitlines()[0])})",
            where=without_password(uri),
            remedy="check MLFLOW_TRACKING_URI, and that nothing else writes to the store",
        ) from error
