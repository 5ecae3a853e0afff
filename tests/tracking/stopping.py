"""`remodal track`, stopped at a chosen step, many times from one process.

MLflow takes seconds to import, so this process imports it once and forks for each merge. A step is
an SQL statement, a commit, or a file that is opened for writing, made, renamed or removed. A merge
stopped at a step leaves what a signal at that moment would leave.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from remodal import cli
from remodal.results.files import read_json, sha256, write_json

FILE_STEPS = {"os.rename", "os.remove", "os.mkdir", "os.link", "shutil.copyfile"}


class Steps:
    """Counts the steps of this process, and sends it a signal at one of them."""

    def __init__(self) -> None:
        self.count, self.at, self.signal = 0, 0, 0
        event.listen(Engine, "before_cursor_execute", lambda *_: self.step())
        event.listen(Engine, "commit", lambda *_: self.step())
        sys.addaudithook(self._audited)

    def _audited(self, name: str, arguments: tuple) -> None:
        written = name == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
        if written or name in FILE_STEPS:
            self.step()

    def step(self) -> None:
        self.count += 1
        if self.at and self.count == self.at:
            os.kill(os.getpid(), self.signal)


STEPS = Steps()


def merge(folder: Path) -> int:
    """Merge the study of a folder, which becomes the working folder; the command's exit code."""
    os.chdir(folder)
    (study,) = Path("results/studies").iterdir()
    sys.argv = ["remodal", "track", "--settings", f"{study}/settings.yaml"]
    sys.argv += ["--study", str(study), "--output", f"{study}/tracking.json"]
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def merged(folder: Path, *, at: int = 0, by: int = 0, report: Callable[[], object] = int) -> int:
    """Merge in a process of its own, stopped by a signal at a step if one is given.

    Args:
        folder: the working folder.
        at: number of the step; 0: none.
        by: the signal.
        report: called at the end; its JSON is written to `report.json`.

    Returns:
        The process's status, as `waitpid` returns it.
    """
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = 1
    try:
        log = os.open(folder / "track.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        STEPS.count, STEPS.at, STEPS.signal = 0, at, by
        code = merge(folder)
        STEPS.at = 0
        (folder / "report.json").write_text(json.dumps(report()))
    finally:
        os._exit(code)


def content() -> dict:
    """All that the store of the working folder holds, except times and random identifiers."""
    client = MlflowClient(tracking_uri=f"sqlite:///{Path.cwd()}/mlflow.db")
    experiments = client.search_experiments()
    runs = client.search_runs([one.experiment_id for one in experiments])
    keys = {run.info.run_id: run.data.tags["remodal.key"] for run in runs}
    described = {
        key: described_run(client, run, keys) for run in runs for key in [keys[run.info.run_id]]
    }
    assert len(described) == len(runs)
    return {
        "experiments": sorted(one.name for one in experiments),
        "runs": described,
        "models": {
            f"{model.name} {version.version}": [
                keys[version.run_id],
                version.status,
                version.tags,
                version.description,
                model.aliases,
            ]
            for model in client.search_registered_models()
            for version in client.search_model_versions(f"name='{model.name}'")
        },
        "tracking.json": {key: keys[run] for key, run in tracking_json()["runs"].items()},
    }


def tracking_json() -> dict:
    (path,) = Path("results/studies").glob("*/tracking.json")
    return read_json(path)


def described_run(client: MlflowClient, run, keys: dict[str, str]) -> list:
    tags = {name: keys.get(value, value) for name, value in run.data.tags.items()}
    points = sorted(
        (name, point.step, point.value)
        for name in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, name)
    )
    folder = Path(run.info.artifact_uri)
    files = {
        str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()
    }
    # It holds the time of registering, and the run's identifier.
    files = {name: digest for name, digest in sorted(files.items()) if name != "servable/MLmodel"}
    return [run.info.run_name, run.info.status, run.data.params, points, tags, files]


def sweep(base: Path, signals: list[int], points: int) -> dict:
    """Stop a merge at this many points by each signal, merge again, and return what that gives.

    Args:
        base: folder of a study; the folders beside it are made and used.
        signals: which to send.
        points: spread evenly over the steps of a merge.

    Returns:
        `content` after an undisturbed merge; and for each merge that was stopped, how it ended,
        what the next one gives, and which stores then exist.
    """
    # One here imports all that a merge needs, once for all.
    first = base.with_name("first")
    shutil.copytree(base, first)
    assert merge(first) == 0
    undisturbed = base.with_name("undisturbed")
    shutil.copytree(base, undisturbed)
    merged(undisturbed, report=lambda: {"steps": STEPS.count, "content": content()})
    reference = read_json(undisturbed / "report.json")
    found = []
    for number in range(points * len(signals)):
        at = 1 + number * (reference["steps"] - 1) // (points * len(signals) - 1)
        folder = base.with_name(f"stopped-{number}")
        shutil.copytree(base, folder)
        ended = merged(folder, at=at, by=signals[number % len(signals)])
        again = merged(folder, report=content)
        told = read_json(folder / "report.json") if again == 0 else None
        stores = sorted(path.name for path in folder.glob("mlflow.db*"))
        log = (folder / "track.log").read_text()
        found.append({"at": at, "ended": ended, "content": told, "stores": stores, "log": log})
        shutil.rmtree(folder)
    return {"content": reference["content"], "stopped": found}


if __name__ == "__main__":
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # A merge has its own arguments.
    _, study, number, told = sys.argv
    signals = [signal.SIGKILL, signal.SIGTERM]
    write_json(Path(told), sweep(Path(study), signals, int(number)))
