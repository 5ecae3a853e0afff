"""A first study that has predicted a structure in cases of two folds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.results.files import sha256, write_json
from remodal.results.records import Record, write_record
from remodal.settings import MaskSettings
from remodal.settings.composition import compose, write_settings

GRID = Geometry((6, 8, 10), (2.0, 2.0, 3.0), (5.0, 6.0, 7.0))
STUDY = "region-smoke"


@dataclass(frozen=True)
class FirstStudy:
    """Its folder, beside which the data set's lies."""

    studies: Path

    @property
    def folder(self) -> Path:
        return self.studies / STUDY

    def mask(self, **changes) -> MaskSettings:
        named = {"study": STUDY, "method": "nnunet", "scenario": "both"}
        return MaskSettings.model_validate(named | changes)

    def predict(
        self, case: str, fold: int, grid: Geometry = GRID, found: bool = True
    ) -> np.ndarray:
        """Write a prediction: class 2 (organ) around class 1 (tumour), or nothing."""
        array = np.zeros(grid.shape, np.uint8)
        if found:
            array[1:5, 2:7, 3:9] = 2
            array[2:4, 3:5, 4:6] = 1
        folder = self.folder / f"predictions/nnunet/fold{fold}-seed0/both"
        path = folder / f"{case}.nii.gz"
        write_volume(path, Volume(array, grid))
        content = {
            **{"weights": f"weights {fold}", "cases": {case: sha256(path)}},
            **{"failed": {}, "quarantined": {}, "not_applicable": {}},
        }
        write_json(folder / "predictions.json", content)
        return array

    def splits(self, *folds: dict[str, list[str]], **changes) -> None:
        filled = [{"train": [], "validation": [], "test": []} | fold for fold in folds]
        patients = {case: f"patient of {case}" for case in "abc"}
        content = {"folds": filled, "patients": patients, "quarantined": {}}
        write_json(self.folder / "splits.json", content | changes)

    def registered(self, case: str, **details) -> None:
        folder = self.studies.parent / "data/phantom-smoke/registered" / case
        told = {"modalities": ["arterial", "venous"], "fixed": "venous", **details}
        write_record(
            folder / "registration.json", Record(case=case, stage="register", details=told)
        )


def made(folder: Path) -> FirstStudy:
    """Two folds: `a` is tested in the first one, `b` in the second."""
    study = FirstStudy(folder / "results/studies")
    classes = {"organ": [1], "tumour": [2]}
    settings = compose(
        {"study": "liver", "preset": "smoke"}, overrides={"data": {"classes": classes}}
    )
    write_settings(study.folder / "settings.yaml", settings)
    study.splits({"train": ["b"], "test": ["a"]}, {"train": ["a"], "test": ["b"]})
    for fold, case in enumerate("ab"):
        study.predict(case, fold)
    return study
