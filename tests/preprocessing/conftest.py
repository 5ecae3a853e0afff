"""A registered data set of four small cases, as the registration stage leaves it."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.results.files import write_json
from remodal.results.records import Record, read_record, write_record
from remodal.settings import PreprocessingSettings

CASES = ["a", "b", "c", "d"]


@dataclass
class Study:
    """The settings that preprocessing reads."""

    preprocessing: PreprocessingSettings = field(default_factory=PreprocessingSettings)
    data: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(
            modalities=["arterial", "venous"], classes={"tumour": [2]}
        )
    )
    labels: tuple[str, ...] = ("venous",)

    def truth_of(self, modality: str) -> str:
        return "venous" if len(self.labels) == 1 else modality


def write_case(folder: Path, seed: int, spacing: tuple[float, float, float]) -> None:
    """Noise of 40 HU in air, with a liver (1) and a tumour (2)."""
    geometry = Geometry((20, 24, 28), spacing, (5.0, -7.0, 30.0))
    generator = np.random.default_rng(seed)
    for modality in ("arterial", "venous"):
        image = np.full(geometry.shape, -1000, np.int16)
        body = image[2:-2, 3:-3, 3:-3]
        body[:] = generator.normal(40, 20, body.shape)
        write_volume(folder / f"{modality}.nii.gz", Volume(image, geometry))
    label = np.zeros(geometry.shape, np.uint8)
    label[6:16, 6:18, 6:20] = 1
    label[8:12, 9:14, 10:16] = 2
    write_volume(folder / "label-venous.nii.gz", Volume(label, geometry))
    details = {"modalities": ["arterial", "venous"], "labels": ["venous"], "fixed": "venous"}
    record = Record(case=folder.name, stage="register", details=details)
    write_record(folder / "registration.json", record)


def leave_out(folder: Path, modality: str) -> None:
    """Make a case lack a modality, as registration leaves it."""
    path = folder / "registration.json"
    record = read_record(path)
    record.details["modalities"].remove(modality)
    write_record(path, record)
    (folder / f"{modality}.nii.gz").write_bytes(b"")


def leave_unlabelled(folder: Path) -> None:
    """Make a case unlabelled, as registration leaves it."""
    path = folder / "registration.json"
    record = read_record(path)
    record.details["labels"].clear()
    write_record(path, record)
    (folder / "label-venous.nii.gz").write_bytes(b"")


@pytest.fixture
def registered(tmp_path: Path) -> Path:
    for seed, case in enumerate(CASES):
        write_case(tmp_path / "registered" / case, seed, (1.0 + seed / 10, 1.0, 2.0 - seed / 10))
    return tmp_path / "registered"


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    """Training on a and b, validation on c, test on d."""
    fold = {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}
    content = {"folds": [fold], "patients": {case: case for case in CASES}}
    content["modalities"] = {case: ["arterial", "venous"] for case in CASES}
    content["labels"] = {case: ["venous"] for case in CASES}
    write_json(tmp_path / "splits.json", content)
    return tmp_path / "splits.json"
