"""A tiny study up to its trained models, whose weights are random."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.methods import build_method
from remodal.models.model_files import describe, save_model
from remodal.preprocessing import fingerprint_fold, preprocess_case
from remodal.results.files import read_json, write_json
from remodal.results.records import Record, write_record
from remodal.settings import Settings
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[2] / "config"
CASES = {"a": "train", "b": "test", "c": "test"}
#: Coronal slices, feet first: neither the order nor the direction of the network's axes.
DIRECTION = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0)


@dataclass(frozen=True)
class Study:
    """A study's settings and where its files are."""

    settings: Settings
    folder: Path

    @property
    def registered(self) -> Path:
        return self.folder / "registered"

    @property
    def preprocessed(self) -> Path:
        return self.folder / "preprocessed/fold0"

    @property
    def fingerprint(self) -> Path:
        return self.folder / "preprocessed/fold0.fingerprint.json"

    @property
    def splits(self) -> Path:
        return self.folder / "splits.json"

    def model(self, method: str, fold: int = 0, **changes) -> Path:
        """Folder of a model with random weights; `changes` go into its description."""
        folder = self.folder / "models" / f"{method}-{fold}"
        torch.manual_seed(1)
        built = build_method(
            self.settings.methods[method].type,
            self.settings.modalities_of(method),
            len(self.settings.data.classes),
            self.settings.network,
            self.settings.methods[method].options,
        )
        fingerprint = read_json(self.fingerprint)
        description = describe(self.settings, method, fold, 0, fingerprint)
        save_model(folder, built, description | changes)
        return folder


def images_of(case: str) -> tuple[dict[str, Volume], Volume]:
    geometry = Geometry((26, 20, 36), (4.0, 5.0, 6.0), (-60.0, 80.0, -300.0), DIRECTION)
    generator = np.random.default_rng(ord(case))
    images = {}
    for modality in ("arterial", "venous"):
        array = np.full(geometry.shape, -1000, np.int16)
        body = array[2:-2, 2:-2, 3:-3]
        body[:] = generator.normal(40, 30, body.shape)
        images[modality] = Volume(array, geometry)
    label = np.zeros(geometry.shape, np.uint8)
    label[8:18, 6:14, 10:24] = 1
    label[10:14, 8:12, 12:18] = 2
    return images, Volume(label, geometry)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    settings = compose({"study": "liver", "preset": "smoke"}, CONFIG)
    made = Study(settings, tmp_path_factory.mktemp("study"))
    for case in CASES:
        images, label = images_of(case)
        for name, volume in [*images.items(), ("label-venous", label)]:
            write_volume(made.registered / case / f"{name}.nii.gz", volume)
        details = {"modalities": list(images), "labels": ["venous"]}
        record = Record(case=case, stage="register", details=details)
        write_record(made.registered / case / "registration.json", record)
    sets = {part: [c for c, own in CASES.items() if own == part] for part in ("train", "test")}
    write_json(
        made.splits,
        {
            "folds": [sets | {"validation": []}],
            "patients": {case: case for case in CASES},
            "modalities": {case: ["arterial", "venous"] for case in CASES},
            "labels": {case: ["venous"] for case in CASES},
        },
    )
    fingerprint_fold(settings, made.splits, 0, made.registered, made.fingerprint)
    for case in CASES:
        preprocess_case(
            settings, case, made.registered / case, [made.fingerprint], made.preprocessed.parent
        )
    return made
