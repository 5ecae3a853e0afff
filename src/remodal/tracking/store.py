"""A study's experiment in MLflow: which of its runs hold what, and what has still to be logged.

Merging again changes nothing: a run carries a digest of its content, and counts only once it is
FINISHED. What a training streamed, or a killed merge left, is completed if it agrees with the
files, and dropped if it does not.
"""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from remodal.tracking.address import DIGEST, KEY
from remodal.tracking.runs import TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_SUPERSEDED, _PARENT, _NAME = "remodal.superseded_by", "mlflow.parentRunId", "mlflow.runName"

# MLflow's own limits for one request.
_METRICS_AT_ONCE, _PARAMETERS_AT_ONCE = 1000, 100

Point = tuple[str, float, int]


class Store:
    """One MLflow experiment.

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
        # The oldest first, so that whoever merges keeps the same one of two.
        for run in sorted(self._all_runs(), key=lambda r: (r.info.start_time, r.info.run_id)):
            self._runs.setdefault(run.data.tags.get(KEY, ""), []).append(run)

    def _all_runs(self) -> Iterator["Run"]:
        token = None
        while True:
            page = self._client.search_runs([self._experiment], page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def put(self, run: TrackedRun, parent: str | None) -> str:
        """Make sure the store holds this run once, below its parent; return its identifier."""
        digest, known = run.digest, self._runs.get(run.key, [])
        held = next((old.info.run_id for old in known if _holds(old, digest)), None)
        identifier = held or self._write(run, parent, known)
        if held is None:
            self._client.set_tag(identifier, DIGEST, digest)
        for old in known:
            if old.info.run_id == identifier:
                self._place(old, run, parent)
            elif run.is_group or not _is_whole(old) or _holds(old, digest):
                self._client.delete_run(old.info.run_id)
            elif _SUPERSEDED not in old.data.tags:
                self._supersede(old, by=identifier)
        if held is None:
            self._client.set_terminated(identifier, "FINISHED")
        return identifier

    def _write(self, run: TrackedRun, parent: str | None, known: Sequence["Run"]) -> str:
        """Log the run, into an existing one if that may be completed; return its identifier."""
        for old in known:
            points = self._points_to_keep(old, run)
            if points is not None:
                identifier = old.info.run_id
                self._client.update_run(identifier, status="RUNNING", name=run.name)
                break
        else:
            tags = {KEY: run.key} | ({_PARENT: parent} if parent else {})
            new = self._client.create_run(self._experiment, tags=tags, run_name=run.name)
            identifier, points = new.info.run_id, set()
        self._log(identifier, run, [point for point in run.metrics if point not in points])
        return identifier

    def _points_to_keep(self, old: "Run", run: TrackedRun) -> set[Point] | None:
        """The metrics of an existing run that can be used; None if a new run is needed.

        A group is always brought up to date. A trained model's run is completed if it is incomplete
        and everything that it holds is right, each point once.
        """
        if run.is_group:
            return {(name, value, 0) for name, value in old.data.metrics.items()}
        if _is_whole(old):
            return None
        if any(run.parameters.get(name) != value for name, value in old.data.params.items()):
            return None
        points = [
            (name, point.value, point.step)
            for name in old.data.metrics
            for point in self._client.get_metric_history(old.info.run_id, name)
        ]
        right = len(points) == len(set(points)) and set(points) <= set(run.metrics)
        return set(points) if right else None

    def _log(self, identifier: str, run: TrackedRun, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in points]
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

    def _place(self, old: "Run", run: TrackedRun, parent: str | None) -> None:
        """Put an existing run below its parent, as the current one."""
        identifier = old.info.run_id
        if parent and old.data.tags.get(_PARENT) != parent:
            self._client.set_tag(identifier, _PARENT, parent)
        if _SUPERSEDED in old.data.tags:
            self._client.delete_tag(identifier, _SUPERSEDED)
            self._client.set_tag(identifier, _NAME, run.name)

    def _supersede(self, old: "Run", by: str) -> None:
        """Mark an earlier training's run."""
        self._client.set_tag(old.info.run_id, _SUPERSEDED, by)
        self._client.set_tag(old.info.run_id, _NAME, f"{old.info.run_name} (superseded)")


def _is_whole(run: "Run") -> bool:
    """Whether a merge wrote this run completely."""
    return run.info.status == "FINISHED" and DIGEST in run.data.tags


def _holds(run: "Run", digest: str) -> bool:
    """Whether a run is complete and has this content."""
    return _is_whole(run) and run.data.tags[DIGEST] == digest


def _portions(items: list, size: int) -> Iterator[list]:
    return (items[start : start + size] for start in range(0, len(items), size))
