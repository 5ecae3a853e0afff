"""The track stage: a study's models and measurements merged into MLflow by one writer.

Every job leaves its figures in files; only this stage talks to MLflow, because several processes
that write to one SQLite store lose metrics. Runs nest as study > method > fold and seed. Doing it
again changes nothing: a run carries a digest of its content, and counts when it is FINISHED.
"""

import csv
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from remodal.config import Settings
from remodal.errors import EnvironmentProblem, UserError
from remodal.files import read_json, sha256, write_json
from remodal.metrics.cases import read_cases
from remodal.metrics.registry import METRICS, StudyMetric
from remodal.metrics.statistics import summarise
from remodal.progress import progress
from remodal.provenance import data_hash, git_state

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

_KEY, _DIGEST, _SUPERSEDED = "remodal.key", "remodal.digest", "remodal.superseded_by"
_PARENT, _NAME = "mlflow.parentRunId", "mlflow.runName"

# MLflow's own limits of one request and one value.
_METRICS_AT_ONCE, _PARAMETERS_AT_ONCE, _PARAMETER_LENGTH = 1000, 100, 6000


@dataclass(frozen=True)
class TrackedRun:
    """What one MLflow run holds.

    Attributes:
        key: its place in the tree, such as `liver-demo/maml/fold0-seed0`.
        is_group: a study or a method, which is brought up to date in place; a trained model is
            not: when it was trained again it is another run, and the old one stays, marked.
        parameters: names and values.
        metrics: names, values and steps (epochs for curves, else 0).
        tags: names and values.
        artefacts: files, each with the folder that it goes to.
    """

    key: str
    is_group: bool
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[tuple[str, float, int]] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    artefacts: Sequence[tuple[Path, str]] = ()

    @property
    def name(self) -> str:
        """What the list of runs shows."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> str:
        """Key of the run above it; empty for a study."""
        return self.key.rpartition("/")[0]

    @property
    def digest(self) -> str:
        """Digest of all that the run holds, of files their content."""
        content = asdict(self)
        content["artefacts"] = [[folder, p.name, sha256(p)] for p, folder in self.artefacts]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def track(settings: Settings, study: Path, output: Path) -> None:
    """Merge a study into MLflow: the store at MLFLOW_TRACKING_URI, else mlflow.db in this folder.

    Logged are parameters, training curves, metrics of each scenario, per-case tables, model
    descriptions and digests of data and weights; the weights themselves stay with the study.

    Args:
        settings: the study.
        study: folder of its results.
        output: JSON file that says which runs hold what.

    Raises:
        UserError: nothing is trained or measured yet.
        EnvironmentProblem: the store refuses, or cannot be reached.
    """
    tree = study_runs(settings, study)
    with _store(settings.study) as store:
        ids: dict[str, str] = {}
        for run in progress(tree, "tracking"):
            ids[run.key] = store.put(run, ids.get(run.parent))
    write_json(output, {"store": _without_password(_uri()), "runs": ids})


def study_runs(settings: Settings, study: Path) -> list[TrackedRun]:
    """All runs of a study from its files, each after the one above it."""
    cases = read_cases(study / "metrics")
    data = {
        "data.name": settings.data_id,
        "data.simulated": str(settings.data.simulated).lower(),
        "data.sources": data_hash(study.parents[1] / "data" / settings.data_id / "converted"),
        "data.splits": sha256(study / "splits.json")[:16],
    }
    runs = [_study_run(settings, study, data)]
    for method in settings.methods:
        models = [
            _model_run(settings, study, method, fold, seed, cases, data)
            for fold in range(settings.splits.fold_count)
            for seed in settings.seeds
            if (_model_folder(study, method, fold, seed) / "model.json").is_file()
        ]
        if models:
            runs += [_method_run(settings, method, cases), *models]
    if len(runs) == 1:
        raise UserError("holds no trained model", where=str(study), remedy="train one first")
    return runs


def _study_run(settings: Settings, study: Path, data: Mapping[str, str]) -> TrackedRun:
    summary = study / "tables" / "summary.json"
    numbers = read_json(summary) if summary.is_file() else {}
    commit = git_state()
    tables = (path for path in (study / "tables").glob("*") if path.is_file())
    return TrackedRun(
        key=settings.study_id,
        is_group=True,
        metrics=[(name, value, 0) for name, value in sorted(numbers.items()) if value is not None],
        tags={"title": settings.title, "git.commit": commit["commit"]}
        | {"git.dirty": str(commit["dirty"]).lower(), **data},
        artefacts=[
            (study / "settings.yaml", ""),
            (study / "splits.json", ""),
            *((path, "tables") for path in sorted(tables)),
        ],
    )


def _method_run(settings: Settings, method: str, cases: "pd.DataFrame") -> TrackedRun:
    chosen = settings.methods[method]
    return TrackedRun(
        key=f"{settings.study_id}/{method}",
        is_group=True,
        metrics=_measured(cases[cases["method"] == method]),
        tags={"label": chosen.label or method, "type": chosen.type},
    )


def _model_folder(study: Path, method: str, fold: int, seed: int) -> Path:
    return study / "models" / method / f"fold{fold}-seed{seed}"


def _model_run(
    settings: Settings,
    study: Path,
    method: str,
    fold: int,
    seed: int,
    cases: "pd.DataFrame",
    data: Mapping[str, str],
) -> TrackedRun:
    folder = _model_folder(study, method, fold, seed)
    training, model = read_json(folder / "training.json"), read_json(folder / "model.json")
    figures = ("seconds", "patches_per_second", "peak_memory_bytes", "parameter_count", "epochs")
    of_model = (cases["method"] == method) & (cases["fold"] == fold) & (cases["seed"] == seed)
    tables = sorted((study / "metrics" / method / folder.name).glob("*.csv"))
    return TrackedRun(
        key=f"{settings.study_id}/{method}/{folder.name}",
        is_group=False,
        parameters={"fold": str(fold), "seed": str(seed), **flattened(training["parameters"])},
        metrics=[
            *((name, float(training[name]), 0) for name in figures if training.get(name)),
            *read_curves(folder / "curves.csv"),
            *_measured(cases[of_model]),
        ],
        tags={
            "weights.sha256": model["weights_sha256"],
            **flattened({"version": training.get("versions", {})}),
            **flattened({"hardware": training.get("hardware", {})}),
            **data,
        },
        artefacts=[
            *((folder / name, "model") for name in ("model.json", "training.json", "curves.csv")),
            *((path, "cases") for path in tables),
        ],
    )


def flattened(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and text, cut to what MLflow takes."""
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[f"{prefix}{key}"] = text[:_PARAMETER_LENGTH]
    return flat


def read_curves(path: Path) -> list[tuple[str, float, int]]:
    """Training curves as metrics, epoch by epoch; empty cells are left out."""
    with open(path, encoding="utf-8", newline="") as file:
        return [
            (f"curve/{name}", float(value), int(row["epoch"]))
            for row in csv.DictReader(file)
            for name, value in row.items()
            if name != "epoch" and value
        ]


def _measured(cases: "pd.DataFrame") -> list[tuple[str, float, int]]:
    """Mean, sd and n of every metric in each scenario (and class, where there are several)."""
    several = cases["class"].nunique() > 1
    found: list[tuple[str, float, int]] = []
    for (scenario, name), rows in cases.groupby(["scenario", "class"]):
        prefix = f"{scenario}/{name}/" if several else f"{scenario}/"
        for metric in METRICS.values():
            if metric.name in rows or isinstance(metric, StudyMetric):
                summary = summarise(rows, metric.name)
                key = f"{prefix}{metric.name}"
                found += [(key, summary.mean, 0), (f"{key}.sd", summary.sd, 0)]
                found.append((f"{key}.n", float(summary.n), 0))
        found.append((f"{prefix}missed", float(rows["missed"].sum()), 0))
    return [entry for entry in found if not isnan(entry[1])]


def _uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"


def _without_password(text: str) -> str:
    """Text without the user and password that the store's address may hold."""
    user = urlsplit(_uri()).netloc.rpartition("@")[0]
    return text.replace(f"{user}@", "") if user else text


class _Store:
    """One MLflow experiment, and which of its runs hold what.

    Args:
        client: of the tracking server or file.
        experiment: name; created, or restored from the bin, when need be.
    """

    def __init__(self, client: "MlflowClient", experiment: str) -> None:
        self._client = client
        found = client.get_experiment_by_name(experiment)
        if found is not None and found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        self._experiment = found.experiment_id if found else client.create_experiment(experiment)
        self._runs: dict[str, list[Run]] = {}
        for run in self._all_runs():
            self._runs.setdefault(run.data.tags.get(_KEY, ""), []).append(run)

    def _all_runs(self) -> Iterator["Run"]:
        token = None
        while True:
            page = self._client.search_runs([self._experiment], page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def put(self, run: TrackedRun, parent: str | None) -> str:
        """Make sure the store holds this run, below its parent; return its identifier."""
        digest = run.digest
        existing = self._runs.get(run.key, [])
        for known in existing:
            if _holds(known, digest):
                if parent and known.data.tags.get(_PARENT) != parent:
                    self._client.set_tag(known.info.run_id, _PARENT, parent)
                return known.info.run_id
        identifier = self._begin(run, parent, existing)
        self._log(identifier, run)
        self._client.set_tag(identifier, _DIGEST, digest)
        self._client.set_terminated(identifier, "FINISHED")
        if not run.is_group:
            self._supersede(existing, by=identifier)
        return identifier

    def _begin(self, run: TrackedRun, parent: str | None, existing: Sequence["Run"]) -> str:
        if run.is_group and existing:
            identifier = existing[0].info.run_id
            self._client.update_run(identifier, status="RUNNING")
            return identifier
        tags = {_KEY: run.key} | ({_PARENT: parent} if parent else {})
        new = self._client.create_run(self._experiment, tags=tags, run_name=run.name)
        return new.info.run_id

    def _log(self, identifier: str, run: TrackedRun) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in run.metrics]
        parameters = [Param(name, value) for name, value in run.parameters.items()]
        tags = [RunTag(name, value) for name, value in run.tags.items()]
        for part in _portions(metrics, _METRICS_AT_ONCE):
            self._client.log_batch(identifier, metrics=part)
        for part in _portions(parameters, _PARAMETERS_AT_ONCE):
            self._client.log_batch(identifier, params=part)
        for part in _portions(tags, _PARAMETERS_AT_ONCE):
            self._client.log_batch(identifier, tags=part)
        for path, folder in run.artefacts:
            self._client.log_artifact(identifier, str(path), folder or None)

    def _supersede(self, existing: Sequence["Run"], by: str) -> None:
        """Mark an earlier training's run; drop what a killed merge left unfinished."""
        for old in existing:
            if old.info.status != "FINISHED":
                self._client.delete_run(old.info.run_id)
            elif _SUPERSEDED not in old.data.tags:
                self._client.set_tag(old.info.run_id, _SUPERSEDED, by)
                self._client.set_tag(old.info.run_id, _NAME, f"{old.info.run_name} (superseded)")


def _holds(run: "Run", digest: str) -> bool:
    """Whether a run is whole, current, and has this content."""
    tags = run.data.tags
    return run.info.status == "FINISHED" and tags.get(_DIGEST) == digest and _SUPERSEDED not in tags


def _portions(items: list, size: int) -> Iterator[list]:
    return (items[start : start + size] for start in range(0, len(items), size))


@contextmanager
def _store(experiment: str) -> Iterator[_Store]:
    """Open the store; its refusals become one line."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    uri = _uri()
    try:
        yield _Store(MlflowClient(tracking_uri=uri), experiment)
    except (MlflowException, OSError) as error:
        raise EnvironmentProblem(
            f"tracking failed ({_without_password(str(error).splitlines()[0])})",
            where=_without_password(uri),
            remedy="check MLFLOW_TRACKING_URI, and that nothing else writes to the store",
        ) from error
