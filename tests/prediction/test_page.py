"""The page of a patient: offline, with pictures and measurements, and no identity."""

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume
from remodal.prediction.cases import Wanted, predict_cases
from remodal.prediction.ensemble import Ensemble
from remodal.prediction.outputs import Outputs
from remodal.prediction.patient import Patient, segment

from .dicom import GRIDS, write_patient


@pytest.fixture
def model(study) -> Path:
    unregistered = study.settings.registration.model_copy(update={"method": "none"})
    return study.model("maml", fold=2, registration=unregistered.model_dump(mode="json"))


def pictures(page: str) -> int:
    return len(re.findall(r'<img src="data:image/png;base64,', page))


def test_a_page_shows_every_image_the_measurements_and_what_answered(study, model, tmp_path):
    images = {name: study.registered / f"b/{name}.nii.gz" for name in ("arterial", "venous")}
    outputs = Outputs(
        *(tmp_path / name for name in ("b.nii.gz", "doubt.nii.gz", "table.csv", "page.html"))
    )
    found = segment(Ensemble([model]), Patient(images, name="b"), outputs)
    page = outputs.report.read_text(encoding="utf-8")
    assert "Research software, not a medical device" in page
    assert "segmentation from arterial + venous" in re.sub(r"<[^>]*>", " ", page).replace("  ", " ")
    assert f"{found.measurements[0].volume_ml:.2f}" in page
    assert pictures(page) % 3 == 0  # as many of each image as of the uncertainty
    assert pictures(page) >= 3
    assert "missing images" not in page
    segment(Ensemble([model]), Patient({"venous": images["venous"]}), outputs)
    page = outputs.report.read_text(encoding="utf-8")
    assert re.search(r"missing images</th><td>arterial<", page)
    assert "the head of venous alone" in page


def test_a_page_needs_no_network_and_says_nothing_of_the_original_header(study, model, tmp_path):
    series = write_patient(tmp_path / "venous", GRIDS["axial"], name="Doe^Jane")
    header = pydicom.dcmread(next(series.iterdir()))
    outputs = Outputs(tmp_path / "p7.dcm", report=tmp_path / "p7.html")
    segment(Ensemble([model]), Patient({"venous": series}, name="p7"), outputs)
    page = outputs.report.read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)|url\(|@import|<script|<link""", page)
    for secret in (header.PatientID, "Doe", header.StudyDate, header.StudyInstanceUID, "/venous"):
        assert secret not in page


def test_a_patient_in_whom_nothing_is_found_has_a_page_too(study, model, tmp_path):
    from remodal.prediction.page import Findings, write_page

    volume = read_volume(study.registered / "b/venous.nii.gz")
    empty = volume.with_array(np.zeros(volume.array.shape, np.uint8))
    findings = Findings(
        "b", ["<i>tumour"], empty, {"venous": volume}, [], None, [], {}, ["<script>alert(1)"]
    )
    write_page(tmp_path / "page.html", findings)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert pictures(page) == 1
    assert "<script" not in page
    assert "<i>" not in page


def test_slices_are_counted_from_the_feet_however_they_are_stored(tmp_path):
    from remodal.prediction.page import Findings, write_page

    for turned, stored in ((1.0, 3), (-1.0, 8)):  # the second from head to foot
        grid = Geometry(
            (12, 8, 8), (1.0, 1.0, 2.0), direction=(1, 0, 0, 0, turned, 0, 0, 0, turned)
        )
        array = np.zeros(grid.shape, np.uint8)
        array[stored, 2:5, 2:5] = 1
        image = Volume(np.random.default_rng(0).normal(size=grid.shape).astype(np.float32), grid)
        found = Findings("b", ["a"], Volume(array, grid), {"ct": image}, [], None, [], {}, [])
        write_page(tmp_path / "page.html", found)
        captions = re.findall(r"<figcaption[^>]*>([^<]*)<", (tmp_path / "page.html").read_text())
        assert captions == ["slice 4 of 12 from the feet"]


def test_a_sheet_gets_a_folder_of_pages(study, model, tmp_path):
    path = study.registered / "b/venous.nii.gz"
    (tmp_path / "sheet.tsv").write_text(f"case\tmodality\tpath\none\tvenous\t{path}\n")
    wanted = Wanted(tmp_path / "out", report=tmp_path / "pages")
    predict_cases(Ensemble([model]), tmp_path / "sheet.tsv", wanted)
    assert "<h1>one</h1>" in (tmp_path / "pages/one.html").read_text(encoding="utf-8")
