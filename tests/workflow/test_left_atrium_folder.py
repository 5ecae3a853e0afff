"""The left atrium study on the challenge's files: planned with all names, one scan prepared."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import UserError
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import cases_of
from remodal.preprocessing import preprocess_case
from remodal.registration.case import register_case
from remodal.results.files import read_json
from remodal.settings import Settings
from remodal.splits.completeness import require_enough_patients
from remodal.splits.study import require_possible_recipes
from tests.workflow.studies_of_folders import study_of_folder
from tests.workspace import ROOT

SHAPE = (10, 140, 130)


def study(folder: Path, **change) -> Settings:
    return study_of_folder("left_atrium", folder, **change)


@pytest.fixture
def folder(tmp_path):
    """Empty files of all the scans that the study's split names."""
    (fold,) = read_json(ROOT / "config/splits/left_atrium_uamt.json")["folds"]
    for scan in chain(fold["train"], fold["test"]):
        (tmp_path / scan).mkdir()
        for name in ("lgemri.nrrd", "laendo.nrrd"):
            (tmp_path / scan / name).touch()
    return tmp_path


def test_the_study_has_the_cases_that_its_methods_want(folder):
    settings = study(folder)
    cases = cases_of(settings)
    assert len(cases) == 100
    require_enough_patients(settings, cases)
    require_possible_recipes(settings, cases)


def test_more_labels_than_the_split_trains_on_are_told_before_anything_runs(folder):
    methods = {"dtc_16": {"recipe": {"labelled": 81}}}
    settings = study(folder, methods=methods)
    with pytest.raises(UserError, match=r"methods\.dtc_16, .*81 labelled cases wanted, 80 there"):
        require_possible_recipes(settings, cases_of(settings))


def test_a_scan_is_normalised_as_a_whole_and_cropped_around_the_cavity(
    folder, tmp_path, monkeypatch
):
    """In rows and columns only; what lies outside the crop is brighter here."""
    monkeypatch.chdir(tmp_path)
    settings = study(folder)
    case = cases_of(settings)[0]
    label = np.zeros(SHAPE, np.uint8)
    label[3:7, 40:80, 50:100] = 255
    scan = np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.uint8)
    scan[:, 120:] = 255
    for array, path in ((scan, case.images["mr"]), (label, case.labels["mr"].files[0])):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.625, 0.625, 0.625))
        sitk.WriteImage(image, str(path), useCompression=True)
    image, record = Path("converted/mr.nii.gz"), Path("converted/mr.json")
    convert_image(case.images["mr"], image, record, case=case.case, modality="mr")
    made = Path("converted/label-mr.nii.gz"), Path("converted/label-mr.json")
    convert_label(case.labels["mr"], record, image, *made, case=case.case, drawn_on="mr")
    register_case(settings, case.case, Path("converted"), Path("registered"), ["mr"], ["mr"])
    (prepared,) = preprocess_case(settings, case.case, Path("registered"), [], Path("made"))
    assert prepared.ok
    indices = np.load(f"made/all/{case.case}.label-mr.npy")
    assert indices.shape[0] == SHAPE[0]
    assert all(side >= 112 for side in indices.shape[1:])
    assert prepared.details["voxels"]["mr"] == {"1": 4 * 40 * 50}
    image = np.load(f"made/all/{case.case}.npy")[0]
    rows, columns = (slice(*side) for side in prepared.details["box"][1:])
    assert rows.stop < 120
    expected = ((scan - scan.mean()) / scan.std())[:, rows, columns]
    np.testing.assert_allclose(image, expected, atol=2e-3)
