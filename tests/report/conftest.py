"""A tiny study folder, made from seeded numbers, for the report's tests only.

Nothing in it was measured: images are ellipsoids, and the metrics are drawn from a generator.
"""

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.metrics.cases import write_cases
from remodal.metrics.lesion_table import lesion_rows, write_lesions
from remodal.metrics.lesions import TrueLesion
from remodal.results.curves import curve_row, write_curves
from remodal.results.files import write_json
from remodal.results.records import Record, write_record
from remodal.settings import MetricsSettings, Settings
from remodal.settings.composition import compose, write_settings

ROOT = Path(__file__).parents[2]
METRICS = MetricsSettings().names
GROUPS = ("HCC", "metastasis", "cyst")
SHAPE = (12, 48, 56)
GEOMETRY = Geometry(SHAPE, spacing=(5.0, 5.0, 10.0))
#: A PNG of one grey pixel.
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55000000"
    "0a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)
DICE = {
    ("nnunet", "both"): 74,
    ("octopusnet", "both"): 75,
    ("ms_ensemble", "both"): 72,
    ("ms_ma", "both"): 78,
    ("maml", "both"): 81,
    ("nnunet_arterial", "arterial"): 62,
    ("maml", "arterial"): 74,
    ("nnunet_venous", "venous"): 70,
    ("maml", "venous"): 76,
}


@pytest.fixture(autouse=True, scope="module")
def _at_the_root():
    """Published numbers and settings are found from the repository's root."""
    with contextlib.chdir(ROOT):
        yield


def liver_settings(**overrides) -> Settings:
    """The liver study with the smoke preset."""
    return compose({"study": "liver", "preset": "smoke", **overrides}, ROOT / "config")


@pytest.fixture
def settings() -> Settings:
    return liver_settings()


@pytest.fixture
def make_settings():
    """Settings of the liver study, with changes."""
    return liver_settings


def empty_row(case: str, **values) -> dict:
    """One row of a per-case table; metrics not named are undefined, counts zero."""
    metrics = dict.fromkeys(METRICS, np.nan)
    counts = {
        "intersection": 0,
        "prediction_voxels": 0,
        "truth_voxels": 0,
        "lesions": 0,
        "lesions_found": 0,
        "lesions_predicted": 0,
        "lesions_false": 0,
        "missed": 0,
    }
    keys = {"case": case, "patient": case, "group": "", "region": "tumour"}
    return keys | metrics | counts | values


def splits_of(cases: list[str]) -> dict:
    """Content of splits.json: complete cases that are all tested, in one fold."""
    return {
        "scheme": "holdout",
        "seed": 1,
        "folds": [{"train": [], "validation": [], "test": cases}],
        "patients": {case: case for case in cases},
        "groups": {case: GROUPS[i % 3] for i, case in enumerate(cases)},
        "modalities": {case: ["arterial", "venous"] for case in cases},
        "labels": {case: ["venous"] for case in cases},
        "quarantined": {},
    }


@pytest.fixture
def make_splits():
    """`splits_of`, for tests."""
    return splits_of


@pytest.fixture
def case_row():
    """`empty_row`, for tests."""
    return empty_row


def write_table(metrics: Path, method: str, scenario: str, rows, fold=0, seed=0) -> None:
    """Write one model's per-case table in one scenario."""
    path = metrics / method / f"fold{fold}-seed{seed}" / f"{scenario}.csv"
    write_cases(path, METRICS, rows)


@pytest.fixture
def write_cell():
    """`write_table`, for tests."""
    return write_table


def named_cases(count: int) -> list[str]:
    return [f"patient{index:03d}" for index in range(count)]


def write_metrics(metrics: Path, cases: list[str], seeds=(0,)) -> None:
    """Per-case tables of every cell of the liver study."""
    for number, ((method, scenario), centre) in enumerate(DICE.items()):
        for seed in seeds:
            difficulty = np.random.default_rng(1).normal(0, 12, len(cases))
            generator = np.random.default_rng(100 * number + seed)
            dice = np.clip(centre + difficulty + generator.normal(0, 5, len(cases)), 0, 97)
            rows = [_drawn_row(i, case, dice[i], generator) for i, case in enumerate(cases)]
            write_table(metrics, method, scenario, rows, seed=seed)
            write_lesions(
                metrics / method / f"fold0-seed{seed}/lesions/{scenario}.csv",
                [
                    {"case": row["case"], "region": "tumour", "group": row["group"]} | lesion
                    for row in rows
                    for lesion in lesion_rows([TrueLesion(2.5, not row["missed"], 0.7)])
                ],
            )


def _drawn_row(index: int, case: str, dice: float, generator) -> dict:
    missed = dice < 45
    dice = 0.0 if missed else float(dice)
    distance = np.nan if missed else 400 / (dice + 5) + generator.exponential(0.6)
    lesions = int(generator.integers(1, 4))
    found = 0 if missed else lesions - int(generator.random() < 0.2)
    false = 0 if missed else int(generator.random() < 0.3)
    jaccard = dice / (2 - dice / 100)
    return empty_row(
        case,
        **{
            "group": GROUPS[index % len(GROUPS)],
            "dice": dice,
            "jaccard": jaccard,
            "voe": 100 - jaccard,
            "rvd": float(generator.normal(-5, 12)) if not missed else -100.0,
            "intersection": int(10 * dice),
            "prediction_voxels": 0 if missed else 1000,
            "truth_voxels": 1000,
            "lesions": lesions,
            "lesions_found": found,
            "lesions_predicted": found + false,
            "lesions_false": false,
            "missed": int(missed),
        },
        **{
            f"{name}_{unit}": distance * factor * (1 if unit == "voxel" else 6)
            for name, factor in {"assd": 1, "masd": 1.1, "hd95": 3, "rmsd": 1.6}.items()
            for unit in ("voxel", "mm")
            if (name, unit) != ("rmsd", "voxel")
        },
    )


def ellipsoid(centre, radii) -> np.ndarray:
    """Boolean ellipsoid on the study's grid, centre and radii in voxels (z, y, x)."""
    grid = np.indices(SHAPE, dtype=float)
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1.0


def write_images(data: Path, case: str, number: int) -> np.ndarray:
    """A registered case: a body, a liver, and a tumour seen less well in the arterial phase."""
    folder = data / "registered" / case
    generator = np.random.default_rng(number)
    body = ellipsoid((6, 24, 28), (20, 21, 26))
    liver = ellipsoid((6, 22, 18), (5, 13, 13))
    tumour = ellipsoid((6, 20 + number % 5, 15 + number % 7), (3, 4, 5))
    for modality, contrast in {"arterial": 25.0, "venous": 55.0}.items():
        image = np.where(body, 50.0, -1000.0) + np.where(liver, contrast, 0.0)
        image += np.where(tumour, -contrast * 0.9, 0.0) + generator.normal(0, 8, SHAPE)
        write_volume(folder / f"{modality}.nii.gz", Volume(image.astype(np.int16), GEOMETRY))
    label = liver.astype(np.uint8) + (tumour & liver)
    write_volume(folder / "label-venous.nii.gz", Volume(label, GEOMETRY))
    return label == 2


def write_predictions(study: Path, case: str, truth: np.ndarray) -> None:
    for method, scenario in DICE:
        folder = study / "predictions" / method / "fold0-seed0" / scenario
        shift = 0 if method == "maml" else 3
        mask = np.roll(truth, shift, axis=2)
        if method == "nnunet_arterial" and case.endswith("2"):
            mask = np.zeros_like(truth)
        write_volume(folder / f"{case}.nii.gz", Volume(mask.astype(np.uint8), GEOMETRY))
    folder = study / "predictions" / "maml" / "fold0-seed0" / "both"
    edge = truth ^ np.roll(truth, 1, axis=2)
    for name, shape in {"arterial": truth, "venous": edge}.items():
        values = (0.35 + 0.5 * shape).astype(np.float32)
        write_volume(folder / f"attention-{name}" / f"{case}.nii.gz", Volume(values, GEOMETRY))


def write_models(study: Path, settings: Settings) -> None:
    """Curves and training.json of every model; the ensemble is assembled, not trained."""
    for number, (method, chosen) in enumerate(settings.methods.items()):
        folder = study / "models" / method / "fold0-seed0"
        pace = 3 + number / 3
        rows = [
            curve_row(
                epoch=epoch,
                learning_rate=3e-4,
                losses={"loss": 1.2 * math.exp(-epoch / pace)},
                smoothed=1.2 * math.exp(-epoch / pace),
                dice={"tumour": 0.85 * (1 - math.exp(-epoch / pace))},
            )
            for epoch in range(1, 13)
        ]
        write_curves(folder / "curves.csv", [] if chosen.inputs else rows)
        write_json(
            folder / "training.json",
            {
                "parameter_count": 31_190_000,
                "trained_parameter_count": 31_190_000,
                "epochs": 0 if chosen.inputs else 12,
                "seconds": 0.0 if chosen.inputs else 754.2,
                "device": "a processor",
                "peak_memory_bytes": None,
            },
        )
        write_json(folder / "model.json", {"options": {}})


def registered(case: str, number: int) -> Record:
    """The record of a registration that gets better from case to case; the last one folds."""
    quality = {
        "overlap": 0.97,
        "mutual_information_before": 0.4,
        "mutual_information_after": 0.5 + number / 100,
        "jacobian_minimum": 0.6,
        "jacobian_maximum": 1.4,
        "folded_fraction": 0.002 if number == 13 else 0.0,
        "displacement_mean_mm": 4.0 + number / 5,
        "displacement_maximum_mm": 12.5,
        "seconds": 3.1,
        "transforms": ["transform-arterial-0.txt"],
    }
    warnings = ["arterial: the transform folds in 0.20% of the body"] if number == 13 else []
    details = {"modalities": ["arterial", "venous"], "fixed": "venous", "method": "elastix"}
    details["arterial"] = quality
    return Record(case=case, stage="register", details=details, warnings=warnings)


@pytest.fixture(scope="session")
def whole_study(tmp_path_factory) -> tuple[Settings, Path, Path]:
    """Settings, study folder and data folder of a study in which every stage has run."""
    settings = liver_settings()
    root = tmp_path_factory.mktemp("results")
    study, data = root / "studies" / settings.study_id, root / "data" / settings.data_id
    cases = named_cases(14)
    write_settings(study / "settings.yaml", settings)
    write_metrics(study / "metrics", cases)
    write_models(study, settings)
    for number, case in enumerate(cases):
        write_predictions(study, case, write_images(data, case, number))
        write_record(data / "registered" / case / "registration.json", registered(case, number))
        (data / "registered" / case / "registration.png").write_bytes(PICTURE)
    write_json(study / "splits.json", splits_of(cases))
    return settings, study, data
