"""Where everything is in results/: no other module spells these names.

The names that functions take may be wildcards, such as `{case}`: the workflow's rules are made of
the same paths. The module is light, since the Snakefile imports it.

    results/data/<data set>/   scans, converted, registered: what every study of it shares
    results/studies/<study>/   splits.json, preprocessed, models, predictions, metrics, tables
"""

import re
from pathlib import Path
from typing import NamedTuple

RESULTS = Path("results")
STUDIES = RESULTS / "studies"


class Training(NamedTuple):
    """One training of a method: on which fold and with which seed."""

    method: str
    fold: int | str
    seed: int | str

    @property
    def run(self) -> str:
        """The training among those of its method: `fold0-seed1`."""
        return f"fold{self.fold}-seed{self.seed}"

    @property
    def folder(self) -> Path:
        """Where its files are in each of a study's folders: `maml/fold0-seed1`."""
        return Path(self.method, self.run)

    @property
    def job(self) -> str:
        """Its name in one word, for logs and checkpoints: `maml-fold0-seed1`."""
        return f"{self.method}-{self.run}"


def training_of(folder: Path) -> Training | None:
    """The training that a folder `<method>/fold<k>-seed<s>` belongs to; None if to none."""
    found = re.fullmatch(r"fold(\d+)-seed(\d+)", folder.name)
    return Training(folder.parent.name, int(found[1]), int(found[2])) if found else None


def study_folder(study: str) -> Path:
    """Folder of a study, from the working directory."""
    return STUDIES / study


def data_folder(data: str) -> Path:
    """Folder of a data set, from the working directory."""
    return RESULTS / "data" / data


def data_of(study: Path, data: str) -> Path:
    """Folder of a data set, beside the studies that `study` is one of."""
    return study.parents[1] / "data" / data


def scans_folder(data: Path, case: str) -> Path:
    """A simulated case as a hospital would send it."""
    return data / "scans" / case


def converted_cases(data: Path) -> Path:
    """All converted cases, a folder for each."""
    return data / "converted"


def converted_folder(data: Path, case: str) -> Path:
    """A case's images and labels as NIfTI, a record beside each."""
    return converted_cases(data) / case


def registered_cases(data: Path) -> Path:
    """All registered cases, a folder for each."""
    return data / "registered"


def registered_folder(data: Path, case: str) -> Path:
    """A case's images and labels on the fixed image's grid, registration.json and a picture."""
    return registered_cases(data) / case


def settings_file(folder: Path) -> Path:
    """The effective settings that a study or a data set was made with."""
    return folder / "settings.yaml"


def splits_file(study: Path) -> Path:
    """Which cases train and which test."""
    return study / "splits.json"


def preprocessed_folder(study: Path, folder: str = "") -> Path:
    """Preprocessed cases of one fold, or of all folds (`PreprocessingSettings.folder_of`)."""
    return study / "preprocessed" / folder


def fingerprint_file(study: Path, fold: int | str) -> Path:
    """What was measured on a fold's training cases."""
    return study / "preprocessed" / f"fold{fold}.fingerprint.json"


def plan_file(study: Path) -> Path:
    """The plan of a study whose network is planned."""
    return study / "preprocessed" / "plan.yaml"


def inventory_file(study: Path, fold: int | str, part: str) -> Path:
    """The preprocessed cases that a fold's `training` or `test` reads."""
    return study / "preprocessed" / f"fold{fold}.{part}.json"


def model_folder(study: Path, training: Training) -> Path:
    """A trained model: model.safetensors, model.json, curves.csv, training.json."""
    return study / "models" / training.folder


def checkpoint_folder(study: Path, training: Training) -> Path:
    """The state of an unfinished training, and how far it has come."""
    return study / "checkpoints" / training.job


def prediction_folder(study: Path, training: Training, scenario: str) -> Path:
    """A model's predictions in one scenario: predictions.json, and a segmentation of each case."""
    return study / "predictions" / training.folder / scenario


def prediction_file(predictions: Path, case: str, foreign: str = "") -> Path:
    """A case's segmentation in a folder of predictions; `foreign`: with images of that case."""
    folder = predictions / f"foreign-{foreign}" if foreign else predictions
    return folder / f"{case}.nii.gz"


def metrics_file(study: Path, training: Training, scenario: str) -> Path:
    """The metrics of those predictions, case by case."""
    return study / "metrics" / training.folder / f"{scenario}.csv"


def lesions_file(study: Path, training: Training, scenario: str) -> Path:
    """The true lesions in those predictions."""
    return study / "metrics" / training.folder / "lesions" / f"{scenario}.csv"


def view_file(study: Path, case: str) -> Path:
    """A page to look at one case, made on demand."""
    return study / "views" / f"{case}.html"


def log_file(folder: Path, stage: str, *names: str) -> Path:
    """Log of a stage's job; `names` tell the stage's jobs apart."""
    return folder / "logs" / f"{_job(stage, names)}.log"


def benchmark_file(folder: Path, stage: str, *names: str) -> Path:
    """Time and memory of a stage's job."""
    return folder / "benchmarks" / f"{_job(stage, names)}.tsv"


def _job(stage: str, names: tuple[str, ...]) -> str:
    return f"{stage}/{'-'.join(names)}" if names else stage
