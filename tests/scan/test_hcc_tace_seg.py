"""A miniature of TCIA's HCC-TACE-Seg, as the NBIA Data Retriever stores it, becomes a study.

Two phases in one series, told apart by AcquisitionNumber, a SEG of four segments on one of them,
and examinations before and after treatment. The SEG is written by highdicom.
"""

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import cases_of
from remodal.intake.nifti import read_volume
from remodal.own_study.init import init
from remodal.scan.modalities import parse_modalities
from remodal.scan.scan import scan
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[2] / "config"
SEGMENTS = ("Liver", "Mass", "Portal vein", "Abdominal aorta")
#: What highdicom copies from the images that a SEG is drawn on.
COPIED = {
    **{"PatientBirthDate": "", "PatientSex": "M", "StudyTime": "100000", "AccessionNumber": ""},
    **{"StudyID": "", "ReferringPhysicianName": "", "Manufacturer": "ACME"},
}


def segments() -> np.ndarray:
    """(z, y, x, segment), apart from each other but for the mass in the liver."""
    array = np.zeros((10, 12, 12, 4), np.uint8)
    array[2:8, 2:9, 2:8, 0] = 1
    array[4:6, 4:7, 3:6, 1] = 1
    array[3:5, 9:10, 2:4, 2] = 1
    array[1:9, 10:11, 5:7, 3] = 1
    return array


def write_seg(folder, files) -> None:
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type="MANUAL",
        )
        for number, name in enumerate(SEGMENTS, 1)
    ]
    dataset = highdicom.seg.Segmentation(
        source_images=[pydicom.dcmread(file) for file in files],
        pixel_array=segments(),
        segmentation_type="BINARY",
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=300,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="ACME",
        manufacturer_model_name="Any",
        software_versions="1",
        device_serial_number="1",
    )
    dataset.SeriesDescription = "Segmentation"
    folder.mkdir(parents=True)
    dataset.save_as(folder / "1-1.dcm")


@pytest.fixture
def collection(write, tmp_path):
    """Two patients, each before and after treatment; the files of the annotated volume of each."""
    annotated = {}
    for number in ("001", "009"):
        patient = f"HCC_{number}"
        for date, folder in (
            ("19980215", "02-15-1998-NA-PP CAPLIVER"),
            ("19980620", "06-20-1998-NA-CT"),
        ):
            study = {
                **{"PatientID": patient, "PatientName": f"{patient}^", "StudyDate": date, **COPIED},
                **{"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()},
            }
            root = f"HCC-TACE-Seg/{patient}/{folder}-{number}75"
            write(
                folder=f"{root}/2.000000-PRE LIVER-76970",
                **{
                    "SeriesNumber": 2,
                    "SeriesDescription": "PRE LIVER",
                    "AcquisitionTime": "100005",
                },
                **study,
            )
            both = {"SeriesInstanceUID": generate_uid(), "SeriesNumber": 103}
            both |= {"SeriesDescription": "LIVER 3 PHASE CAP", "ContrastBolusAgent": "IV"}
            for acquisition, time in ((2, "100235"), (3, "100310")):
                files = write(
                    folder=f"{root}/103.000000-LIVER 3 PHASE CAP-83135",
                    **{"AcquisitionNumber": acquisition, "AcquisitionTime": time},
                    **{"ContrastBolusStartTime": "100200", **both},
                    **study,
                )
            if date == "19980215":
                annotated[patient] = files
                write_seg(tmp_path / "export" / root / "300.000000-Segmentation-91221", files)
    return annotated


def test_the_collection_becomes_a_study_by_one_command_and_one_column(collection, tmp_path):
    output = tmp_path / "hcc.tsv"
    said = list(scan(tmp_path / "export", output, parse_modalities("arterial,venous"), 1))
    assert "labels (SEG, RTSTRUCT)" in said[0]
    lines = output.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if not line.startswith("#")]
    assert rows[0].split("\t")[:4] == ["case", "modality", "path", "label"]
    # The column that the documentation says to add.
    named = [rows[0] + "\tstructures"]
    for row in rows[1:]:
        named.append(row + ("\t1=Liver; 2=Mass" if row.split("\t")[3] else "\t"))
    output.write_text("\n".join(named) + "\n", encoding="utf-8")
    list(init("hcc_own", output, tmp_path))
    own = compose({"study": "hcc_own", "preset": "paper"}, tmp_path / "config")
    assert own.data.classes == {"liver": [1], "mass": [2]}
    assert own.data.modalities == ["arterial", "venous"]
    assert (own.preprocessing.clip.by, own.registration.fixed) == ("dataset_foreground", "venous")
    data = {"name": "hcc", "source": "sheet", "sheet": str(output), "simulated": False}
    study = compose({"study": "mpct_fll", "preset": "paper", "data": data}, CONFIG)
    cases = cases_of(study)
    assert len(cases) == 4
    assert len({case.patient for case in cases}) == 2
    labelled = [case for case in cases if case.labels]
    assert len(labelled) == 2
    for case in labelled:
        assert list(case.images) == ["arterial", "venous"]
        assert list(case.labels) == ["venous"]
        folder = tmp_path / case.case
        files = [folder / name for name in ("i.nii.gz", "i.json", "l.nii.gz", "l.json")]
        convert_image(case.images["venous"], *files[:2], case=case.case, modality="venous")
        label = case.labels["venous"]
        convert_label(label, files[1], files[0], *files[2:], case=case.case, drawn_on="venous")
        found = read_volume(files[2])
        assert found.geometry.agrees_with(read_volume(files[0]).geometry)
        expected = np.where(segments()[..., 1] > 0, 2, segments()[..., 0])
        np.testing.assert_array_equal(found.array, expected)
