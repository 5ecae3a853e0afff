"""A tiny study on disk: preprocessed cases, a split and settings, trained in a second."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from remodal.extensions import available
from remodal.results.files import write_json
from remodal.results.records import Record, read_record, write_record
from remodal.settings import ComputeSettings, MethodSettings, Settings
from remodal.settings.composition import compose, write_settings
from remodal.settings.merging import merge
from remodal.training.loop import train
from remodal.training.patches import PatchSampler

CONFIG = Path(__file__).parents[2] / "config"
SHAPE = (12, 20, 18)
TOYS = ("adversary", "any_size", "either", "entropy", "slices", "student", "teacher")


def write_case(folder: Path, name: str, seed: int, shape: tuple[int, int, int] = SHAPE) -> None:
    """A case with a bright block as its lesion, as preprocessing stores it."""
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    z, y, x = (rng.integers(1, length // 2) for length in shape)
    label[z : z + 4, y : y + 6, x : x + 6] = 1
    image = rng.standard_normal((2, *shape)) + 3 * label
    np.save(folder / f"{name}.npy", image.astype(np.float16))
    np.save(folder / f"{name}.label-venous.npy", label)
    voxels = {"venous": {"1": np.argwhere(label == 1).tolist()}}
    details = {
        "modalities": ["arterial", "venous"],
        "labels": ["venous"],
        "foreground": voxels,
    }
    record = Record(case=name, stage="preprocess", details=details)
    write_record(folder / f"{name}.json", record)


def leave_out(folder: Path, name: str, modality: str) -> None:
    """Make a case lack a modality, as preprocessing stores it."""
    record = read_record(folder / f"{name}.json")
    channel = record.details["modalities"].index(modality)
    del record.details["modalities"][channel]
    write_record(folder / f"{name}.json", record)
    np.save(folder / f"{name}.npy", np.delete(np.load(folder / f"{name}.npy"), channel, axis=0))


def without_label(folder: Path, name: str) -> None:
    """Make a case unlabelled, as preprocessing stores it."""
    record = read_record(folder / f"{name}.json")
    record.details |= {"labels": [], "foreground": {}}
    write_record(folder / f"{name}.json", record)
    (folder / f"{name}.label-venous.npy").write_bytes(b"")


def label_both(folder: Path, name: str) -> None:
    """Give each image of a case its own truth; the arterial image and its truth are reversed."""
    image = np.load(folder / f"{name}.npy")
    image[0] = image[0, ::-1, ::-1, ::-1]
    mask = np.load(folder / f"{name}.label-venous.npy")[::-1, ::-1, ::-1]
    np.save(folder / f"{name}.npy", image)
    np.save(folder / f"{name}.label-arterial.npy", mask)
    record = read_record(folder / f"{name}.json")
    record.details["labels"] = ["arterial", "venous"]
    record.details["foreground"]["arterial"] = {"1": np.argwhere(mask == 1).tolist()}
    write_record(folder / f"{name}.json", record)


@dataclass
class Study:
    """Folders of the tiny study."""

    folder: Path
    settings: Settings

    @property
    def preprocessed(self) -> Path:
        return self.folder / "preprocessed"

    def arguments(self, method: str, output: str, **inputs: Path) -> dict[str, Any]:
        """Arguments of `train`."""
        return {
            "method_name": method,
            "fold": 0,
            "seed": 0,
            "preprocessed": self.preprocessed,
            "splits": self.folder / "splits.json",
            "fingerprint": self.folder / "fingerprint.json",
            "inputs": inputs,
            "output": self.folder / output,
            "checkpoints": self.folder / f"checkpoints-{output}",
        }

    def train(self, method: str = "nnunet", output: str = "model", **inputs: Path) -> Path:
        """Train and return the model's folder."""
        self.run(self.arguments(method, output, **inputs))
        return self.folder / output

    def run(self, arguments: dict[str, Any]) -> None:
        """Train with these arguments."""
        train(self.settings, **arguments)


def tiny_settings(**changes: Any) -> Settings:
    """The liver study, as small as possible; `changes` are keys of its recipe or of `compute`."""
    small = {"patch": [8, 12, 12], "epochs": 3, "iterations": 3}
    compute = {key: value for key, value in changes.items() if key in ComputeSettings.model_fields}
    recipe = {key: value for key, value in changes.items() if key not in compute}
    overrides = {
        "network": {"base_width": 2, "max_width": 4, "strides": [[1, 2, 2], [2, 2, 2]]},
        "recipe": small | recipe,
        "compute": compute,
    }
    return compose({"study": "liver", "preset": "smoke"}, CONFIG, overrides)


def write_study(folder: Path, **changes: Any) -> Study:
    """Write the tiny study's files."""
    study = Study(folder, tiny_settings(**changes))
    study.preprocessed.mkdir(parents=True)
    for seed, name in enumerate(["a", "b", "c", "d"]):
        write_case(study.preprocessed, name, seed)
    fold = {"train": ["a", "b", "c"], "validation": ["d"], "test": []}
    write_json(
        folder / "splits.json", {"folds": [fold], "patients": {}, "modalities": {}, "labels": {}}
    )
    write_json(folder / "fingerprint.json", {"spacing": [1.0, 1.0, 1.0]})
    write_settings(folder / "settings.yaml", study.settings)
    return study


@pytest.fixture
def make_study() -> Callable[..., Study]:
    """Writes the tiny study into a folder, with the given recipe and compute settings."""
    return write_study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """The tiny study."""
    return write_study(tmp_path)


@pytest.fixture
def make_toys(tmp_path, monkeypatch) -> Iterator[Callable[..., Study]]:
    """Writes the tiny study with a method `toy`: `make_toys(type, folder, options, inputs, ...)`.

    The toys are installed as another package's methods would be.
    """
    about = tmp_path / "installed/toys-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    points = [f"{name} = toys.{name}" for name in TOYS]
    (about / "entry_points.txt").write_text("\n".join(["[remodal.methods]", *points]))
    for folder in (about.parent, Path(__file__).parent):
        monkeypatch.syspath_prepend(folder)
    available.cache_clear()

    def make(kind: str, folder: str = "study", **changes: Any) -> Study:
        own = {key: changes.pop(key) for key in ("options", "inputs") if key in changes}
        study = write_study(tmp_path / folder, **changes)
        methods = study.settings.methods | {"toy": MethodSettings(type=kind, **own)}
        study.settings = study.settings.model_copy(update={"methods": methods})
        return study

    yield make
    available.cache_clear()


@pytest.fixture
def toy_study(make_toys):
    """Write a tiny study with a method `toy`: `toy_study(type, folder, truth, **recipe)`."""

    def write(kind: str, folder: str = "study", truth: str = "case", **recipe):
        study = make_toys(kind, folder)
        changes = {
            "network": {"strides": [[1, 2, 2]]},
            "recipe": {"patch": [1, 12, 12], "epochs": 2} | recipe,
            "data": {"truth": truth},
            "registration": {"method": "none"},
            "preprocessing": {"clip": {"by": "case"}},
            "scenarios": {"both": {"target": "venous" if truth == "image" else ""}},
        }
        content = merge(study.settings.model_dump(mode="json"), changes)
        study.settings = Settings.model_validate(content)
        return study

    return write


@pytest.fixture
def paired(toy_study):
    """Two images of a case, each with its own truth: whatever is bright in it."""

    def write(kind: str, **recipe):
        patch = {"patch": [8, 12, 12], "learning_rate": 0.02}
        study = toy_study(kind, truth="image", **patch | recipe)
        for name in "abcd":
            label_both(study.preprocessed, name)
        return study

    return write


@pytest.fixture
def train_broken(monkeypatch):
    """Train `toy` up to an epoch and iteration, break off, and train on; the model's folder."""

    def train(study, at: tuple[int, int]) -> Path:
        made = PatchSampler.batch

        def killed(self, epoch, iteration, samples=None):
            if (epoch, iteration) == at:
                raise KeyboardInterrupt
            return made(self, epoch, iteration, samples)

        with monkeypatch.context() as changed:
            changed.setattr(PatchSampler, "batch", killed)
            with pytest.raises(KeyboardInterrupt):
                study.train("toy", "broken")
        return study.train("toy", "broken")

    return train


def same_training(folder: Path, other: Path) -> bool:
    """Whether two trainings gave the same weights and curves."""
    files = ("model.safetensors", "curves.csv")
    return all((folder / file).read_bytes() == (other / file).read_bytes() for file in files)


@pytest.fixture
def signalled(monkeypatch):
    """Send this process a signal while a batch is made."""

    def install(number, epoch, iteration):
        made = PatchSampler.batch

        def batch(self, at_epoch, at_iteration, samples=None):
            if (at_epoch, at_iteration) == (epoch, iteration):
                os.kill(os.getpid(), number)
            return made(self, at_epoch, at_iteration, samples)

        monkeypatch.setattr(PatchSampler, "batch", batch)
        return monkeypatch.undo

    return install
