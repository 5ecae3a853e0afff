"""A registered and split study of a few tiny cases, as its stages leave it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.results.files import read_json, write_json
from remodal.results.records import Record, write_record
from remodal.settings import Settings
from remodal.settings.composition import validated, write_settings

GRID = Geometry((8, 9, 10), (1.5, 0.8, 0.9), (5.0, -6.0, 7.0))
#: Source values of the label, of which 9 belongs to no class.
VALUES = (1, 2, 4, 9)
CLASSES = {"necrosis": [1], "oedema": [2], "enhancing": [4]}
REGIONS = {
    "whole_tumour": ["necrosis", "oedema", "enhancing"],
    "tumour_core": ["necrosis", "enhancing"],
    "enhancing_tumour": ["enhancing"],
}


def make(
    folder: Path,
    folds: Sequence[Mapping[str, Sequence[str]]],
    lacking: Mapping[str, str] | None = None,
) -> Path:
    """The folder of a study of two modalities, with three nested regions.

    Args:
        folder: the working directory, to be.
        folds: with `train`, `validation` and `test`.
        lacking: cases that lack a modality.
    """
    settings = _settings()
    study = folder / "results/studies" / settings.study_id
    write_settings(study / "settings.yaml", settings)
    cases = sorted({case for fold in folds for part in fold.values() for case in part})
    present = {
        case: [name for name in ("t1", "t2") if (lacking or {}).get(case) != name] for case in cases
    }
    content = {
        "folds": [{part: list(fold.get(part, ())) for part in PARTS} for fold in folds],
        "patients": {case: f"p-{case}" for case in cases},
        "groups": dict.fromkeys(cases, "hgg"),
        "quarantined": {},
        "modalities": present,
        "labels": {case: ["t2"] for case in cases},
    }
    write_json(study / "splits.json", content)
    for seed, case in enumerate(cases):
        place = folder / "results/data" / settings.data_id / "registered" / case
        _write_case(place, case, present[case], np.random.default_rng(seed))
    return study


PARTS = ("train", "validation", "test")


def _settings() -> Settings:
    changes = {
        "data": {
            **{"name": "brains", "source": "sheet", "sheet": "sheet.tsv", "simulated": False},
            **{"modalities": ["t1", "t2"], "classes": CLASSES, "regions": REGIONS},
        },
        "registration": {"method": "none", "fixed": "t2", "body_threshold": None},
        "methods": {"nnunet": {"type": "nnunet", "label": "nnUNet"}},
        "scenarios": {"both": ["t1", "t2"]},
        "tables": {},
    }
    return validated({"study": "brains", "preset": "smoke", "title": "Brains"} | changes, "test")


def write_converted(study: Path, patients: Mapping[str, str] | None = None) -> None:
    """The converted images beside the registered ones, and a prediction of each case `d`.

    Args:
        study: as `make` returns it.
        patients: who each case belongs to, if patients have several cases.
    """
    splits = read_json(study / "splits.json")
    data = study.parents[1] / "data/brains"
    modalities, labels = {}, {}
    for seed, case in enumerate(splits["patients"]):
        rng = np.random.default_rng(100 + seed)
        modalities[case], labels[case] = ["t1", "t2"], ["t2"]
        for name in modalities[case]:
            array = rng.normal(100, 20, GRID.shape).astype(np.float32)
            write_volume(data / f"converted/{case}/{name}.nii.gz", Volume(array, GRID))
        write_volume(data / f"converted/{case}/label-t2.nii.gz", Volume(label(), GRID))
    splits |= {"modalities": modalities, "labels": labels}
    splits["patients"] = patients or splits["patients"]
    write_json(study / "splits.json", splits)
    made = study / "predictions/nnunet/fold0-seed0/both"
    write_volume(made / "d.nii.gz", Volume((label() > 0).astype(np.uint8), GRID))
    write_json(made / "predictions.json", {"cases": {"d": "digest"}})


def _write_case(folder: Path, case: str, there: list[str], rng: np.random.Generator) -> None:
    for name in there:
        array = rng.normal(100, 20, GRID.shape).astype(np.float32)
        write_volume(folder / f"{name}.nii.gz", Volume(array, GRID))
    write_volume(folder / "label-t2.nii.gz", Volume(label(), GRID))
    acquired = {name: {"modality": "MR", "range": [40.0, 160.0]} for name in there}
    details = {"modalities": there, "fixed": "t2", "labels": ["t2"], "acquired": acquired}
    write_record(folder / "registration.json", Record(case=case, stage="register", details=details))


def label() -> np.ndarray:
    """A block of each value."""
    array = np.zeros(GRID.shape, np.uint8)
    for place, value in enumerate(VALUES):
        array[1 + place, 2:6, 3:8] = value
    return array
