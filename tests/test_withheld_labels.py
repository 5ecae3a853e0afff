"""A recipe withholds a label: whatever that label says, no statistic and no model changes."""

from pathlib import Path

import numpy as np
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.preprocessing import fingerprint_fold, preprocess_case
from remodal.results.files import read_json, write_json
from remodal.results.records import Record, write_record
from remodal.settings import Settings
from remodal.settings.composition import compose
from remodal.training.loop import train

CONFIG = Path(__file__).parents[1] / "config"
CASES = ["a", "b", "c", "d"]
GRID = Geometry((16, 24, 24), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))
RECIPE = {
    "patch": [8, 12, 12],
    "epochs": 2,
    "iterations": 3,
    "batch": 2,
    "labelled": ["a", "b"],
    "pools": [{"cases": "labelled", "samples": 1}, {"cases": "unlabelled", "samples": 1}],
}


def settings_for(kind: str, **recipe) -> Settings:
    """The liver study with one method, which trains on a, b and, without its label, on c."""
    change = {
        "network": {"base_width": 2, "max_width": 4, "strides": [[1, 2, 2], [2, 2, 2]]},
        "preprocessing": {"clip": {"range": [-50, 200]}, "normalise": "case", "spacing": None},
        "methods": {"semi": {"type": kind, "recipe": RECIPE | recipe}},
    }
    settings = compose({"study": "liver", "preset": "smoke"} | change, CONFIG)
    return settings.model_copy(update={"methods": {"semi": settings.methods["semi"]}})


def register(folder: Path, seed: int, poisoned: bool) -> None:
    """A case with a bright tumour, as registration leaves it; a poisoned label is elsewhere."""
    rng = np.random.default_rng(seed)
    image = np.full(GRID.shape, -1000, np.int16)
    image[1:-1, 1:-1, 1:-1] = rng.normal(40, 20, (14, 22, 22))
    image[6:10, 8:14, 8:14] += 80
    label = np.zeros(GRID.shape, np.uint8)
    label[(slice(1, 3),) * 3 if poisoned else (slice(6, 10), slice(8, 14), slice(8, 14))] = 2
    for modality in ("arterial", "venous"):
        write_volume(folder / f"{modality}.nii.gz", Volume(image, GRID))
    write_volume(folder / "label-venous.nii.gz", Volume(label, GRID))
    details = {"modalities": ["arterial", "venous"], "labels": ["venous"], "fixed": "venous"}
    record = Record(case=folder.name, stage="register", details=details)
    write_record(folder / "registration.json", record)


def run(settings: Settings, folder: Path, *, poisoned: bool) -> dict[str, bytes]:
    """What the stages from the registered cases to the model write, but for the labels."""
    splits, fingerprint = folder / "splits.json", folder / "fold0.fingerprint.json"
    registered, prepared = folder / "registered", folder / "preprocessed"
    for seed, case in enumerate(CASES):
        register(registered / case, seed, poisoned and case == "c")
    fold = {"train": ["a", "b", "c"], "validation": [], "test": ["d"]}
    known = {case: ["arterial", "venous"] for case in CASES}
    labels = {case: ["venous"] for case in CASES}
    content = {"folds": [fold], "patients": {case: case for case in CASES}}
    write_json(splits, content | {"modalities": known, "labels": labels})
    fingerprint_fold(settings, splits, 0, registered, fingerprint)
    for case in CASES:
        preprocess_case(settings, case, registered / case, [fingerprint], prepared)
    prepared /= settings.preprocessing.folder_of(0)
    model = folder / "model"
    train(settings, "semi", 0, 0, prepared, splits, fingerprint, {}, model, folder / "checkpoints")
    written = [fingerprint, *(prepared / f"{case}.npy" for case in CASES)]
    written += [model / name for name in ("model.safetensors", "model.json", "curves.csv")]
    return {path.name: path.read_bytes() for path in written}


@pytest.mark.parametrize("kind", ["mean_teacher", "entropy_minimisation"])
def test_no_statistic_and_no_training_reads_a_withheld_label(tmp_path, kind):
    settings = settings_for(kind)
    clean = run(settings, tmp_path / "clean", poisoned=False)
    assert run(settings, tmp_path / "poisoned", poisoned=True) == clean
    cases = read_json(tmp_path / "clean/model/training.json")["cases"]
    assert (cases["train"], cases["unlabelled"]) == (["a", "b"], ["c"])


def test_the_same_label_changes_the_model_where_it_is_not_withheld(tmp_path):
    settings = settings_for("entropy_minimisation", labelled=["a", "c"])
    clean = run(settings, tmp_path / "clean", poisoned=False)
    poisoned = run(settings, tmp_path / "poisoned", poisoned=True)
    changed = {name for name in clean if clean[name] != poisoned[name]}
    assert changed == {"model.safetensors", "model.json", "curves.csv"}
