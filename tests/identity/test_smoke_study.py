"""A whole study from DICOM to report gives nobody away."""

import re

import pydicom
import pytest

from remodal.results.files import write_text

pytestmark = pytest.mark.xdist_group("workflow")
STUDY = "results/studies/liver-smoke"
SHARED = (
    *(STUDY, "results/data/phantom-smoke/converted", "results/data/phantom-smoke/registered"),
    *("mlflow.db", "mlruns"),
)


def test_nothing_that_a_study_makes_holds_what_identifies_its_patients(smoke_study):
    command = ("remodal", "check-identity", *SHARED, "--settings", f"{STUDY}/settings.yaml")
    done = smoke_study.run(*command)
    assert done.stdout.endswith("values: none found\n")


def test_what_is_planted_into_a_study_is_found(smoke_study):
    scans = smoke_study.folder / "results/data/phantom-smoke/scans/patient001/venous"
    identity = pydicom.dcmread(next(scans.glob("*.dcm")), stop_before_pixels=True)
    planted = smoke_study.folder / STUDY / "tables/planted.csv"
    write_text(planted, f"case,id\ncase1,{identity.StudyInstanceUID}\n")
    try:
        command = ("remodal", "check-identity", STUDY, "--settings", f"{STUDY}/settings.yaml")
        done = smoke_study.run(*command, check=False)
    finally:
        planted.unlink()
    assert done.returncode == 2
    told = rf"{STUDY}/tables/planted\.csv: text, lines? \S+: StudyInstanceUID"
    assert re.search(told, done.stdout), done.stdout
    assert identity.StudyInstanceUID not in done.stdout + done.stderr
