"""A small study with predictions, on an oblique grid; nothing in it was measured."""

import base64
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import EnvironmentProblem
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.metrics.cases import write_cases
from remodal.results.files import write_json
from remodal.results.records import Record, write_record
from remodal.settings.composition import compose, write_settings
from remodal.viewer.bundle import bundle
from remodal.viewer.shown import Shown, what_to_show

ROOT = Path(__file__).parents[2]
TILT = (1.0, 0.0, 0.0, 0.0, np.cos(0.3), -np.sin(0.3), 0.0, np.sin(0.3), np.cos(0.3))
GRID = Geometry((10, 24, 30), (1.5, 1.6, 4.0), (-20.5, 11.25, 300.0), TILT)
METHODS = (("nnunet", "both"), ("maml", "both"), ("maml", "venous"))


def write_study(root: Path) -> Path:
    """Two cases that are tested, and a quarantined one; the study's folder."""
    settings = compose({"study": "liver", "preset": "smoke"}, ROOT / "config")
    study, data = root / "studies" / settings.study_id, root / "data" / settings.data_id
    write_settings(study / "settings.yaml", settings)
    cases = ["c001", "c002"]
    write_json(
        study / "splits.json",
        {
            "folds": [{"train": ["c002"], "validation": [], "test": ["c001"]}],
            "patients": {case: case for case in cases},
            "groups": {"c001": "HCC", "c002": ""},
            "modalities": {case: ["arterial", "venous"] for case in (*cases, "bad")},
            "labels": {case: ["venous"] for case in (*cases, "bad")},
            "quarantined": {"bad": "a slice is missing"},
        },
    )
    for case in cases:
        _write_images(data / "registered" / case, case)
    bad = Record(case="bad", stage="register", status="quarantined", reason="a slice is missing")
    write_record(data / "registered/bad/registration.json", bad)
    for number, (method, scenario) in enumerate(METHODS):
        folder = Path(method, "fold0-seed0")
        mask = np.zeros(GRID.shape, np.uint8)
        mask[3:7, 8 + number : 14 + number, 10:18] = 1
        write_volume(study / "predictions" / folder / scenario / "c001.nii.gz", Volume(mask, GRID))
        counts = dict.fromkeys(("intersection", "prediction_voxels", "truth_voxels", "lesions"), 1)
        row = {"case": "c001", "patient": "c001", "region": "tumour", "dice": 70.0 + number}
        path = study / "metrics" / folder / f"{scenario}.csv"
        write_cases(path, ["dice"], [row | counts])
    return study


def _write_images(folder: Path, case: str) -> None:
    generator = np.random.default_rng(len(case))
    arterial = generator.integers(-1000, 1200, GRID.shape).astype(np.int16)
    venous = generator.normal(50, 30, GRID.shape).astype(np.float32)
    label = np.zeros(GRID.shape, np.uint8)
    label[2:8, 6:20, 6:24], label[3:7, 9:15, 10:19] = 1, 2
    for name, array in (("arterial", arterial), ("venous", venous), ("label-venous", label)):
        write_volume(folder / f"{name}.nii.gz", Volume(array, GRID))
    details = {"modalities": ["arterial", "venous"], "labels": ["venous"], "fixed": "venous"}
    record = Record(case=case, stage="register", details=details)
    write_record(folder / "registration.json", record)


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("results"))


@pytest.fixture
def make_study():
    """`write_study`, for tests."""
    return write_study


@pytest.fixture
def shown(study) -> Shown:
    return what_to_show(study, "c001")


@pytest.fixture(scope="session")
def niivue() -> str:
    """NiiVue's script, where npm can fetch it or has done so."""
    try:
        return bundle()
    except EnvironmentProblem as error:
        pytest.skip(str(error))


@dataclass(frozen=True)
class ReadPage:
    """A page read by other means than its own: SimpleITK reads the volumes."""

    text: str
    contents: dict
    volumes: dict[str, sitk.Image]
    windows: dict[str, list[float]]


def read_page(path: Path, folder: Path) -> ReadPage:
    text = path.read_text(encoding="utf-8")
    contents = re.search(r'<script type="application/json" id="contents">(.*?)</script>', text)
    volumes, windows = {}, {}
    pattern = r'<script type="application/octet-stream" id="([\w-]+)"(?: data-window="(.*?)")?>'
    for name, window, coded in re.findall(pattern + r"(.*?)</script>", text):
        file = folder / f"{name}.nii.gz"
        file.write_bytes(base64.b64decode(coded, validate=True))
        volumes[name] = sitk.ReadImage(str(file))
        if window:
            windows[name] = json.loads(html.unescape(window))
    return ReadPage(text, json.loads(contents[1]), volumes, windows)


@pytest.fixture
def reading():
    """`read_page`, for tests."""
    return read_page
