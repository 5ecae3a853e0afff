"""What is predicted goes into a real PACS beside its series, and comes back as it was."""

import shutil

import numpy as np
import pydicom
import pytest

from remodal.prediction.ensemble import Ensemble
from remodal.prediction.outputs import Outputs
from remodal.prediction.patient import Patient, segment

from .dicom import GRIDS, points_of_seg, read_drawn, write_patient
from .orthanc import PROGRAMS, running

missing = [program for program in PROGRAMS if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"{', '.join(missing)} not installed (Debian: orthanc, dcmtk)"
)


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    with running(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.mark.parametrize("orientation", ["axial from the head", "oblique"])
def test_a_pacs_takes_the_objects_into_the_study_and_gives_them_back(
    pacs, study, tmp_path, orientation
):
    unregistered = study.settings.registration.model_copy(update={"method": "none"})
    model = study.model("maml", fold=2, registration=unregistered.model_dump(mode="json"))
    series = write_patient(tmp_path / "venous", GRIDS[orientation], name=orientation)
    made = {kind: tmp_path / f"found{kind}" for kind in (".dcm", ".rtstruct.dcm")}
    for path in made.values():
        segment(Ensemble([model]), Patient({"venous": series}), Outputs(path))
    pacs.store(*series.iterdir(), *made.values())

    header = pydicom.dcmread(next(series.iterdir()))
    [one] = [
        study
        for study in pacs.json("/studies?expand")
        if study["MainDicomTags"]["StudyInstanceUID"] == header.StudyInstanceUID
    ]
    assert one["PatientMainDicomTags"]["PatientID"] == header.PatientID
    kinds = {key: pacs.json(f"/series/{key}") for key in one["Series"]}
    by_kind = {found["MainDicomTags"]["Modality"]: found for found in kinds.values()}
    assert set(by_kind) == {"CT", "SEG", "RTSTRUCT"}
    assert len(by_kind["CT"]["Instances"]) == GRIDS[orientation].shape[0]

    for kind, path in zip(("SEG", "RTSTRUCT"), made.values()):
        [instance] = by_kind[kind]["Instances"]
        back = tmp_path / f"back-{kind}.dcm"
        back.write_bytes(pacs.get(f"/instances/{instance}/file"))
        assert pydicom.dcmread(back) == pydicom.dcmread(path)
        np.testing.assert_array_equal(read_drawn(back, series), read_drawn(path, series))
        pacs.send("DELETE", f"/instances/{instance}")
        pacs.send("POST", "/instances", path.read_bytes())
        assert pacs.get(f"/instances/{instance}/file") == path.read_bytes()
    assert points_of_seg(tmp_path / "back-SEG.dcm").keys() == {1}
    answer = pacs.find(
        "SERIES", StudyInstanceUID=header.StudyInstanceUID, Modality="SEG", SeriesDescription=""
    )
    assert "Segmentation, research only" in answer
