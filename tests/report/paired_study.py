"""A small study on disk of T1 and T2 images that each have a truth, the liver being displaced."""

from pathlib import Path

import numpy as np
import pandas as pd

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.report.views import Source
from remodal.results.files import write_json
from remodal.results.paths import Training, prediction_folder, registered_folder
from remodal.settings import Settings
from remodal.settings.composition import compose

GRID = Geometry((24, 40, 44), (6.0, 6.0, 8.0), (-130.0, -120.0, 0.0))
IMAGES = ["t1", "t2"]
#: For each case, how far the liver of T1 lies above that of T2, in voxels, and the Dice in T1.
CASES = {"a": (1, 90.0), "b": (4, 70.0), "c": (6, 50.0), "d": (2, 80.0), "e": (3, 75.0)}


def liver(shift: int) -> np.ndarray:
    """An ellipsoid, moved towards the head and to the left."""
    z, y, x = np.indices(GRID.shape)
    return ((z - 9 - shift) / 6) ** 2 + ((y - 20) / 11) ** 2 + ((x - 15 - shift) / 10) ** 2 < 1


def cell(method: str, scenario: str) -> dict[str, str]:
    return {"method": method, "scenario": scenario}


def paired_settings(figures: dict) -> Settings:
    """Two methods, of one and of two images, with these figures."""
    content = compose({"study": "liver", "preset": "smoke"}).model_dump()
    content["data"] |= {"modalities": IMAGES, "truth": "image", "classes": {"liver": [1, 2]}}
    content["data"]["regions"] = {"liver": ["liver"]}
    content["registration"] |= {"fixed": "t2", "method": "header", "by_modality": {}}
    scenarios = {
        "t1": {"present": ["t1"], "target": "t1"},
        "t2": {"present": ["t2"], "target": "t2"},
        "t1_with_t2": {"present": IMAGES, "target": "t1"},
        "t1_foreign": {"present": IMAGES, "target": "t1", "foreign": ["t2"]},
    }
    methods = {
        "one": {"type": "nnunet", "label": "One input", "scenarios": ["t1", "t2"]},
        "two": {"type": "nnunet", "label": "Two inputs", "scenarios": ["t1_with_t2", "t1_foreign"]},
    }
    content |= {"scenarios": scenarios, "methods": methods, "figures": figures, "compute": {}}
    content |= {"tables": {}, "claims": [], "averages": {}, "published": ""}
    return Settings.model_validate(content)


def paired_study(folder: Path, figures: dict) -> tuple[Source, pd.DataFrame]:
    """The study's files, and its per-case rows."""
    settings, study, data = paired_settings(figures), folder / "study", folder / "data"
    rng, rows = np.random.default_rng(0), []
    for case, (shift, dice) in CASES.items():
        registered = registered_folder(data, case)
        for name, moved in (("t1", shift), ("t2", 0)):
            mask = liver(moved)
            image = np.where(mask, 300, 120) + rng.normal(0, 20, GRID.shape)
            image[:, :4] = image[:, 36:] = 0
            write_volume(registered / f"{name}.nii.gz", Volume(image.astype(np.int16), GRID))
            label = Volume(mask.astype(np.uint8), GRID)
            write_volume(registered / f"label-{name}.nii.gz", label)
        details = {"label-t1": {"displacement_mm": shift * 10.0}, "label-t2": {"warped": False}}
        write_json(registered / "registration.json", {"details": details})
        for method, scenario, moved in (
            ("one", "t1", shift),
            ("one", "t2", 0),
            ("two", "t1_with_t2", shift // 2),
        ):
            output = prediction_folder(study, Training(method, 0, 0), scenario)
            predicted = np.roll(liver(moved), 1, axis=2).astype(np.uint8)
            write_volume(output / f"{case}.nii.gz", Volume(predicted, GRID))
            row = {"method": method, "fold": 0, "seed": 0, "scenario": scenario, "case": case}
            row |= {"patient": case, "group": "", "region": "liver", "dice": dice - len(scenario)}
            rows.append(row)
    known = {"patients": {case: case for case in CASES}, "labels": dict.fromkeys(CASES, IMAGES)}
    splits = {"folds": [], "modalities": dict.fromkeys(CASES, IMAGES)} | known
    write_json(study / "splits.json", splits)
    return Source(settings, study, data), pd.DataFrame(rows)
