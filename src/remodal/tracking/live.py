"""A training shown live on an MLflow server, if there is one: never waited for, never needed.

A thread of its own sends each finished epoch over MLflow's REST interface (its Python client takes
seconds to import). If the server does not answer, the log gets one line; the server is tried again
as long as the training lasts, and `remodal track` completes the record from the files in any case.
The tracking server's user, password, token and certificate are read from MLflow's own variables.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any

from remodal.errors import Preempted
from remodal.results.curves import Row, shown_value
from remodal.settings import Settings
from remodal.tracking.address import (
    DIGEST,
    KEY,
    LIVE,
    is_server,
    run_key,
    store_uri,
    without_password,
)

if TYPE_CHECKING:
    import requests

Watch = Callable[[Sequence[Row]], None]

#: Seconds: to connect and to answer, between tries at most, and to wait at the end of a training.
_TIMEOUT, _BETWEEN_TRIES, _LAST_WAIT = (3.0, 20.0), 30.0, 6.0
#: Failures in a row after which a server counts as away: one on SQLite briefly refuses a crowd.
_PATIENCE = 3
#: MLflow's own limit for one request.
_METRICS_AT_ONCE = 1000


@contextmanager
def live_view(
    settings: Settings, method: str, fold: int, seed: int, identity: str
) -> Iterator[Watch]:
    """Show a training while the block lasts; without a server nothing happens at all.

    Nothing is sent before the first epoch is shown. If several processes train one model, the one
    that calls the yielded function is the one that is seen.

    Args:
        settings: the study.
        method: its method that is trained.
        fold: number of the fold.
        seed: of the training.
        identity: of the training; a training that is continued goes on in the same run.

    Yields:
        A function that takes the rows of the curves so far and returns at once.
    """
    if not is_server():
        yield lambda rows: None
        return
    key = run_key(settings.study_id, method, fold, seed)
    view = _View(_Server(settings.study, key, identity))
    status = "FAILED"
    try:
        yield view.show
        status = "FINISHED"
    except (Preempted, KeyboardInterrupt):
        status = "KILLED"
        raise
    finally:
        view.close(status)


class _View:
    """The thread that sends, and what it should send.

    Args:
        server: where it sends to.
    """

    def __init__(self, server: "_Server") -> None:
        self._server = server
        self._changed = threading.Condition()
        self._rows: list[Row] = []
        self._times: dict[int | float | None, int] = {}
        self._status = ""
        self._away = False
        self._thread = threading.Thread(target=self._run, name="live view", daemon=True)

    def show(self, rows: Sequence[Row]) -> None:
        """Take the curves so far; the thread sends what is new."""
        with self._changed:
            self._rows = list(rows)
            for row in rows:
                self._times.setdefault(row["epoch"], int(time.time() * 1000))
            self._changed.notify()
        if not self._thread.is_alive() and not self._status:
            self._thread.start()

    def close(self, status: str) -> None:
        """Send what is left and the status, but wait only a moment for a server that is slow."""
        with self._changed:
            self._status = status
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_LAST_WAIT)
        if self._thread.is_alive():
            self._lose("slow")

    def _run(self) -> None:
        sent, failures, deadline = 0, 0, None
        while True:
            rows, status = self._wait(sent, failures)
            if status and deadline is None:
                # A server that was away gets one more try; any other gets the time that is left.
                deadline = time.monotonic() + (0 if self._away else _LAST_WAIT / 2)
            problem = self._send(rows, status)
            given_up = bool(problem and status and time.monotonic() >= deadline)
            failures = failures + 1 if problem else 0
            if failures >= _PATIENCE or given_up:
                self._lose(problem)
            elif not problem:
                sent = len(rows)
                self._regain()
            if given_up or (status and not problem):
                return

    def _lose(self, problem: str) -> None:
        """Say once that the server is away."""
        if not self._away:
            _say(f"is away ({problem}): no live view; `remodal track` makes the record")
        self._away = True

    def _regain(self) -> None:
        """Say once that it is back."""
        if self._away:
            _say("answers again: the live view goes on")
        self._away = False

    def _wait(self, sent: int, failures: int) -> tuple[list[Row], str]:
        """Wait for something to send, or until it is time to try again."""
        # A generator of its own: nothing here may disturb what a training draws.
        share = random.SystemRandom().uniform(0.5, 1.0)
        with self._changed:
            if not failures:
                self._changed.wait_for(lambda: self._status or len(self._rows) > sent)
            elif self._status:
                self._changed.wait(share)
            else:
                self._changed.wait_for(
                    lambda: self._status, share * min(2.0**failures, _BETWEEN_TRIES)
                )
            return self._rows, self._status

    def _send(self, rows: Sequence[Row], status: str) -> str:
        """Send what the server does not have yet; return what went wrong, in a few words."""
        try:
            self._server.send(rows, self._times, status)
        except Exception as error:  # whatever it is, it must not disturb the training
            self._server.forget_run()
            status = getattr(getattr(error, "response", None), "status_code", None)
            return f"status {status}" if status else type(error).__name__
        return ""


def _say(what: str) -> None:
    print(f"remodal: MLflow server {without_password(store_uri())} {what}", flush=True)


class _Server:
    """The run of one training on the server.

    Args:
        experiment: its name; made if need be.
        key: place of the run in the tree.
        identity: of the training.
    """

    def __init__(self, experiment: str, key: str, identity: str) -> None:
        self._experiment, self._key, self._identity = experiment, key, identity
        self._session: requests.Session | None = None
        self.forget_run()

    def forget_run(self) -> None:
        """Look the run up again before the next row: it is not known what the server holds."""
        self._run, self._epoch = "", 0

    def send(self, rows: Sequence[Row], times: Mapping[Any, int], status: str) -> None:
        """Log the epochs that the run lacks, and its status if that is given.

        Raises:
            OSError: no answer, or a refusal.
        """
        if not self._run:
            self._find_run()
        new = [row for row in rows if row["epoch"] > self._epoch]
        each = max(1, _METRICS_AT_ONCE // max((len(row) for row in new), default=1))
        for start in range(0, len(new), each):
            part = new[start : start + each]
            # The time is the row's own, so that a row that is sent twice is stored once.
            metrics = [
                {"key": name, "value": value, "step": epoch, "timestamp": times[epoch]}
                for row in part
                for name, value, epoch in _points(row)
            ]
            self._post("runs/log-batch", run_id=self._run, metrics=metrics)
            self._epoch = part[-1]["epoch"]
        if status:
            ended = int(time.time() * 1000)
            self._post("runs/update", run_id=self._run, status=status, end_time=ended)

    def _find_run(self) -> None:
        """Go on in this training's run if no merge has completed it, or begin a new one."""
        experiment = self._find_experiment()
        wanted = f"tags.`{KEY}` = '{self._key}' and tags.`{LIVE}` = '{self._identity}'"
        answer = self._post("runs/search", experiment_ids=[experiment], filter=wanted)
        for run in answer.get("runs", []):
            data = run["data"]
            if not any(tag["key"] == DIGEST for tag in data.get("tags", [])):
                self._run = run["info"]["run_id"]
                steps = (int(metric.get("step", 0)) for metric in data.get("metrics", []))
                self._epoch = max(steps, default=0)
                self._post("runs/update", run_id=self._run, status="RUNNING")
                return
        tags = {KEY: self._key, LIVE: self._identity}
        begun = self._post(
            "runs/create",
            experiment_id=experiment,
            run_name=self._key,
            start_time=int(time.time() * 1000),
            tags=[{"key": name, "value": value} for name, value in tags.items()],
        )
        self._run, self._epoch = begun["run"]["info"]["run_id"], 0

    def _find_experiment(self) -> str:
        """Identifier of the experiment; if many trainings begin at once, one of them makes it."""
        named = {"experiment_name": self._experiment}
        found = self._call("GET", "experiments/get-by-name", params=named)
        if found.status_code == 404:
            self._call("POST", "experiments/create", json={"name": self._experiment})
            found = self._call("GET", "experiments/get-by-name", params=named)
        found.raise_for_status()
        experiment = found.json()["experiment"]
        if experiment["lifecycle_stage"] == "deleted":
            self._post("experiments/restore", experiment_id=experiment["experiment_id"])
        return experiment["experiment_id"]

    def _post(self, path: str, **content: Any) -> dict[str, Any]:
        answer = self._call("POST", path, json=content)
        answer.raise_for_status()
        return answer.json()

    def _call(self, verb: str, path: str, **content: Any) -> "requests.Response":
        if self._session is None:
            self._session = _session()
        address = f"{store_uri().rstrip('/')}/api/2.0/mlflow/{path}"
        return self._session.request(verb, address, timeout=_TIMEOUT, **content)


def _points(row: Row) -> Iterator[tuple[str, float, int]]:
    """An epoch's metrics exactly as the merge reads them from curves.csv: name, value, epoch."""
    for name, value in row.items():
        if name != "epoch" and value is not None and isfinite(value):
            yield f"curve/{name}", float(shown_value(value)), row["epoch"]


def _session() -> "requests.Session":
    """A connection with the credentials that MLflow's own client would use."""
    import requests

    session = requests.Session()
    user, token = (os.environ.get(f"MLFLOW_TRACKING_{n}") for n in ("USERNAME", "TOKEN"))
    if user:
        session.auth = (user, os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))
    elif token:
        session.headers["Authorization"] = f"Bearer {token}"
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        session.verify = False
    elif certificate := os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"):
        session.verify = certificate
    return session
