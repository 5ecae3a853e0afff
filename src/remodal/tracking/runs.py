"""What MLflow should hold about a study, read from the files that its jobs left."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from remodal.errors import UserError
from remodal.metrics.cases import read_cases
from remodal.metrics.registry import METRICS, StudyMetric
from remodal.metrics.statistics import summarise
from remodal.results.files import read_json, sha256
from remodal.results.paths import converted_cases, data_of, model_folder, settings_file, splits_file
from remodal.results.provenance import data_hash, git_state
from remodal.settings import Settings
from remodal.splits import converted_files, read_splits
from remodal.tracking.address import run_key

if TYPE_CHECKING:
    import pandas as pd

#: MLflow's own limit for one value.
_PARAMETER_LENGTH = 6000


@dataclass(frozen=True)
class TrackedRun:
    """What one MLflow run holds.

    Attributes:
        key: its place in the tree, such as `liver-demo/maml/fold0-seed0`.
        is_group: whether it is a study or a method, which is brought up to date in place. A trained
            model is not: when trained again it gets a new run, and the old one stays, marked.
        parameters: names and values.
        metrics: names, values and steps (epochs for curves, otherwise 0).
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
        """Digest of everything that the run holds, including the content of its files."""
        content = asdict(self)
        content["artefacts"] = [[folder, p.name, sha256(p)] for p, folder in self.artefacts]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class TrainedModel(NamedTuple):
    """A trained model of the study, and where it lies."""

    method: str
    fold: int
    seed: int
    folder: Path


def trained_models(settings: Settings, study: Path) -> Iterator[TrainedModel]:
    """The models of a study that have been trained, in the order of its methods."""
    for training in settings.trainings():
        folder = model_folder(study, training)
        if (folder / "model.json").is_file():
            yield TrainedModel(*training, folder)


def study_runs(settings: Settings, study: Path) -> list[TrackedRun]:
    """All runs of a study from its files, each after the one above it.

    Args:
        settings: the study.
        study: folder of its results.

    Raises:
        UserError: nothing is trained.
    """
    models = list(trained_models(settings, study))
    if not models:
        raise UserError("holds no trained model", where=str(study), remedy="train one first")
    cases = read_cases(study / "metrics")
    data = {
        "data.name": settings.data_id,
        "data.simulated": str(settings.data.simulated).lower(),
        "data.sources": data_hash(
            converted_cases(data_of(study, settings.data_id)),
            converted_files(read_splits(splits_file(study))),
        ),
        "data.splits": sha256(splits_file(study))[:16],
    }
    runs = [_study_run(settings, study, data)]
    for method in dict.fromkeys(model.method for model in models):
        runs.append(_method_run(settings, method, cases))
        of_method = (model for model in models if model.method == method)
        runs += [_model_run(settings, study, model, cases, data) for model in of_method]
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
            (settings_file(study), ""),
            (splits_file(study), ""),
            *((path, "tables") for path in sorted(tables)),
        ],
    )


def _method_run(settings: Settings, method: str, cases: "pd.DataFrame") -> TrackedRun:
    chosen = settings.methods[method]
    return TrackedRun(
        key=f"{settings.study_id}/{method}",
        is_group=True,
        metrics=_measured(cases[cases["method"] == method]),
        tags={"label": settings.title_of(method), "type": chosen.type},
    )


def _model_run(
    settings: Settings,
    study: Path,
    trained: TrainedModel,
    cases: "pd.DataFrame",
    data: Mapping[str, str],
) -> TrackedRun:
    method, fold, seed, folder = trained
    training, model = read_json(folder / "training.json"), read_json(folder / "model.json")
    figures = ("seconds", "patches_per_second", "peak_memory_bytes", "parameter_count", "epochs")
    of_model = (cases["method"] == method) & (cases["fold"] == fold) & (cases["seed"] == seed)
    tables = sorted((study / "metrics" / method / folder.name).glob("*.csv"))
    return TrackedRun(
        key=run_key(settings.study_id, method, fold, seed),
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
    """Nested settings as dotted names and text, cut to the length that MLflow accepts."""
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
    """Mean, sd and n of every metric in each scenario (and region, where there are several)."""
    several = cases["region"].nunique() > 1
    found: list[tuple[str, float, int]] = []
    for (scenario, name), rows in cases.groupby(["scenario", "region"]):
        prefix = f"{scenario}/{name}/" if several else f"{scenario}/"
        for metric in METRICS.values():
            if metric.name in rows or isinstance(metric, StudyMetric):
                summary = summarise(rows, metric.name)
                key = f"{prefix}{metric.name}"
                found += [(key, summary.mean, 0), (f"{key}.sd", summary.sd, 0)]
                found.append((f"{key}.n", float(summary.n), 0))
        found.append((f"{prefix}missed", float(rows["missed"].sum()), 0))
    return [entry for entry in found if not isnan(entry[1])]
