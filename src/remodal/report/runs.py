"""What is known about the trained models: curves, time, size, machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from remodal.results.files import read_json
from remodal.results.paths import model_folder
from remodal.settings import Settings


@dataclass(frozen=True)
class Run:
    """One trained model; `details` is its training.json, empty when there is none."""

    method: str
    label: str
    fold: int
    seed: int
    curves: pd.DataFrame
    details: dict[str, Any]


def trained_runs(settings: Settings, study: Path) -> list[Run]:
    """The study's trained models, in the settings' order; those not trained are left out."""
    runs = []
    for method in settings.methods:
        label = settings.title_of(method)
        if set(settings.modalities_of(method)) != set(settings.data.modalities):
            label += f" ({', '.join(settings.modalities_of(method))})"
        for training in settings.trainings(method):
            folder = model_folder(study, training)
            if folder.is_dir():
                curves, details = _curves(folder / "curves.csv"), _details(folder)
                runs.append(Run(method, label, training.fold, training.seed, curves, details))
    return runs


def _curves(path: Path) -> pd.DataFrame:
    """The curves; empty for a model that was assembled rather than trained."""
    if not path.is_file() or not path.stat().st_size:
        return pd.DataFrame()
    return pd.read_csv(path)


def _details(folder: Path) -> dict[str, Any]:
    path = folder / "training.json"
    return read_json(path) if path.is_file() else {}
