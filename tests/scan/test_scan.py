"""An export becomes a sample sheet that a study can read."""

import base64
import html
import os
import random
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_files
from tests.known_body import multi_frame

from remodal.errors import ExitCode, UserError
from remodal.intake.convert import convert_image
from remodal.intake.datasets.phantom import PhantomOptions
from remodal.intake.dicom import read_series
from remodal.intake.inspection import _inspect
from remodal.intake.nifti import read_volume
from remodal.intake.sheet import read_sheet
from remodal.phantom.dual_phase import simulate_patient
from remodal.scan import index
from remodal.scan.modalities import parse_modalities
from remodal.scan.scan import scan

PHASES = ("arterial", "venous")
SECRETS = ("HOSPITAL-4711", "Doe^Jane", "1.2.3.4", "20200102")


@pytest.fixture
def scanned(tmp_path):
    """A function that scans `export`, and gives what was said."""

    def run(modalities="arterial,venous", workers=1, folder=tmp_path / "export"):
        output = tmp_path / "out" / "samples.tsv"
        return list(scan(folder, output, parse_modalities(modalities), workers))

    return run


@pytest.fixture
def sheet(tmp_path):
    return tmp_path / "out" / "samples.tsv"


def two_phases(write, **values):
    for number, word, time in ((2, "art", "100035"), (3, "ven", "100110")):
        write(
            SeriesNumber=number,
            SeriesDescription=f"Abdomen {word}",
            AcquisitionTime=time,
            ContrastBolusStartTime="100000",
            **values,
        )


def test_a_simulated_export_shuffled_into_any_names_and_folders(tmp_path, scanned, sheet):
    options = PhantomOptions(
        cases=2, matrix=40, slices=(14, 14), slice_spacing=14, layouts=["axial", "coronal"]
    )
    expected = {}
    rng = random.Random(1)
    for patient in range(2):
        written = tmp_path / "written" / str(patient)
        simulate_patient(options, patient, written)
        for phase in PHASES:
            one = read_series(written / phase)
            expected[one.sha256] = (phase, one.volume)
        for file in sorted(written.rglob("*.dcm")):
            folder = tmp_path / "export" / rng.choice("abc") / rng.choice(["", "x y", "ü"])
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / f"{rng.randrange(10**9)}{rng.choice(['', '.dcm', '.jpg'])}")
    scanned(workers=2)
    images = read_sheet(sheet, PHASES)
    assert sorted((one.case, one.modality) for one in images) == [
        (f"case000{number}", phase) for number in (1, 2) for phase in PHASES
    ]
    for image in images:
        one = read_series(image.path)
        phase, volume = expected.pop(one.sha256)
        assert phase == image.modality
        assert (one.volume.array == volume.array).all()
        assert one.volume.geometry.agrees_with(volume.geometry)
        assert (image.label is not None) == (phase == "venous")
        source = image.label.files[0] if image.label else image.path
        found = _inspect((image.case, phase, source, image.label is not None, False))
        assert found.usable
    assert not expected


def test_the_sheet_names_nobody(write, scanned, sheet):
    two_phases(write)
    scanned()
    text = sheet.read_text()
    assert not [secret for secret in SECRETS if secret in text]
    beside = sheet.parent / "samples.scan"
    assert oct((beside / "index.jsonl").stat().st_mode)[-3:] == "600"
    assert (beside / ".gitignore").read_text() == "*\n"  # git passes the whole folder over


def test_images_that_are_not_sure_are_comments_with_the_reason(write, scanned, sheet):
    for number, time in ((2, "100035"), (3, "100110")):
        write(SeriesNumber=number, AcquisitionTime=time)
    said = scanned()
    lines = sheet.read_text().splitlines()[-4:]
    assert lines[0] == "# not sure: it is scan 1 of 2 by the time of day"
    assert lines[1].startswith("#case0001\tarterial\t")
    assert "2 images are not sure: they are comments in the sheet" in said
    sheet.write_text(sheet.read_text().replace("#case", "case"))
    assert len(read_sheet(sheet, PHASES)) == 2


def test_another_series_can_be_put_into_the_sheet(write, scanned, sheet):
    two_phases(write)
    write(12, SeriesNumber=4, SeriesDescription="Abdomen art", step=5)
    scanned()
    choices = (sheet.parent / "samples.scan" / "choices.tsv").read_text().splitlines()
    (other,) = [
        dict(zip(choices[0].split("\t"), line.split("\t"))) for line in choices if "too:" in line
    ]
    images = {one.modality: str(one.path) for one in read_sheet(sheet, PHASES)}
    sheet.write_text(sheet.read_text().replace(images["arterial"], other["path"]))
    (arterial, _) = read_sheet(sheet, PHASES)
    assert read_series(arterial.path).volume.geometry.shape[0] == 12


def test_phases_in_one_file_are_in_the_sheet_by_their_numbers_and_convert(tmp_path, scanned, sheet):
    """An enhanced CT whose phases nothing but aorta and liver tell apart, the later one first."""
    options = PhantomOptions(
        cases=2, layouts=["axial"], lesions=(1, 1), matrix=144, slices=(24, 24), slice_spacing=7.5
    )
    simulate_patient(options, 0, tmp_path / "simulated")
    series = {name: slices_of(tmp_path / "simulated" / name) for name in ("venous", "arterial")}
    for one, other in zip(series["arterial"], series["venous"], strict=True):
        one.ImagePositionPatient = other.ImagePositionPatient
    whole = multi_frame([*series["venous"], *series["arterial"]])
    whole.SeriesDescription = "Abdomen"
    (tmp_path / "export").mkdir()
    whole.save_as(tmp_path / "export/one", enforce_file_format=True)
    scanned()
    found = {one.modality: one for one in read_sheet(sheet, PHASES)}
    assert {name: str(one.path)[-3:] for name, one in found.items()} == {
        "arterial": "#.2",
        "venous": "#.1",
    }
    for name, one in found.items():
        image, record = tmp_path / f"{name}.nii", tmp_path / f"{name}.json"
        assert convert_image(one.path, image, record, case=one.case, modality=name).ok
        expected = read_series(tmp_path / "simulated" / name).volume
        np.testing.assert_array_equal(read_volume(image).array, expected.array)


def slices_of(folder):
    """The slices of a series from the feet to the head."""
    slices = [pydicom.dcmread(file) for file in folder.iterdir()]
    return sorted(slices, key=lambda one: one.ImagePositionPatient[2])


def test_pseudonyms_stay_when_patients_are_added(write, scanned, sheet):
    two_phases(write, PatientID="m")
    scanned()
    before = [line for line in sheet.read_text().splitlines() if line.startswith("case")]
    two_phases(write, PatientID="a")
    scanned()
    after = sheet.read_text().splitlines()
    assert set(before) < set(after)
    assert any(line.startswith("case0002") and line.endswith("patient0002") for line in after)


def test_a_sheet_that_was_edited_is_not_overwritten(write, scanned, sheet):
    two_phases(write)
    scanned()
    assert scanned()[-1].startswith(f"{sheet}: look it over")
    edited = sheet.read_text().replace("case0001", "mine")
    sheet.write_text(edited)
    said = scanned()
    page = sheet.parent / "samples.scan" / "contact-sheet.html"
    assert said[-2:] == [
        f"{sheet} was edited, and stays as it is",
        f"{sheet.with_name('samples.new.tsv')}: look it over beside {page}",
    ]
    assert sheet.read_text() == edited


def test_paths_of_an_edited_sheet_that_lead_to_other_images_after_a_scan_are_named(
    write, scanned, sheet
):
    two_phases(write)
    write(12, SeriesNumber=4, SeriesDescription="Abdomen art", step=5)
    scanned()
    images = sheet.parent / "samples.scan" / "images" / "case0001"
    (other,) = images.glob("other*")
    edited = sheet.read_text().replace(str(images / "venous"), str(other))
    sheet.write_bytes(edited.encode("utf-16"))  # "Unicode text" of a spreadsheet
    assert not [line for line in scanned() if "other files" in line]
    write(SeriesNumber=0, SeriesDescription="Abdomen art", folder="0", step=1.0, slices=20)
    assert scanned()[-2] == f"1 path in it leads to other files now: {images / 'arterial'}"
    assert not [line for line in scanned() if "other files" in line]  # as before


def test_an_interrupted_scan_goes_on_and_reads_no_file_twice(
    tmp_path, write, scanned, sheet, monkeypatch
):
    two_phases(write, folder="a")
    monkeypatch.setattr(index, "_AT_ONCE", 4)
    read, look_at = [], index.look_at

    def interrupted(path):
        if len(read) == 10:
            raise KeyboardInterrupt
        read.append(path)
        return look_at(path)

    monkeypatch.setattr(index, "look_at", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scanned()
    kept = sheet.parent / "samples.scan" / "index.jsonl"
    with open(kept, "a") as stream:
        stream.write('["cut off in the middle of a l')
    again = []
    monkeypatch.setattr(index, "look_at", lambda path: again.append(path) or look_at(path))
    scanned()
    assert len(again) == 12  # of 20, 8 were in the index
    assert len(read_sheet(sheet, PHASES)) == 2
    again.clear()
    changed = tmp_path / "export" / "a"
    os.utime(next(changed.iterdir()), (1, 1))
    scanned()
    assert len(again) == 1


def test_what_is_no_image_is_listed_and_never_fatal(tmp_path, write, scanned, sheet):
    two_phases(write)
    export = tmp_path / "export"
    whole = next(export.iterdir()).read_bytes()
    (export / "readme.txt").write_text("hello")
    (export / "cut.dcm").write_bytes(whole[:700])
    (export / "short.dcm").write_bytes(whole[:-40])
    (export / "empty.dcm").touch()
    (export / "nowhere").symlink_to("missing")
    (export / "round").symlink_to("round")
    (export / "up").symlink_to("..")
    os.mkfifo(export / "pipe")
    folder = export / "closed"
    folder.mkdir(mode=0)
    try:
        (said, *_) = scanned()
    finally:
        folder.chmod(0o700)
    assert said.startswith("27 files: 20 image") or os.geteuid() == 0
    listed = (sheet.parent / "samples.scan" / "files.tsv").read_text().splitlines()
    kinds = {line.split("\t")[2].rpartition("/")[2]: line.split("\t")[0] for line in listed[1:]}
    assert kinds.items() >= {
        ("readme.txt", "not DICOM"),
        ("cut.dcm", "broken"),
        ("short.dcm", "broken"),
        ("empty.dcm", "not DICOM"),
        ("nowhere", "unreadable"),
        ("round", "unreadable"),
        ("pipe", "unreadable"),
    }
    assert len(read_sheet(sheet, PHASES)) == 2


def test_what_an_earlier_scan_wrote_in_the_export_is_no_part_of_it(tmp_path, write, scanned):
    two_phases(write)
    alone = scanned()
    earlier = tmp_path / "export" / "sorted.tsv"
    list(scan(tmp_path / "export", earlier, parse_modalities("arterial,venous"), 1))
    shutil.rmtree(tmp_path / "out")
    # The earlier sheet itself lies in the export, too.
    assert scanned()[1:] == alone[1:]
    assert "21 files: 20 images, 1 not DICOM" in scanned()[0]


def test_a_folder_without_dicom_images_is_named_with_the_remedy(tmp_path, scanned):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "scan.nii.gz").write_bytes(b"no DICOM")
    with pytest.raises(UserError, match=r"no DICOM image.*NIfTI.*need no scan"):
        scanned()


def test_hostile_values_stay_text(tmp_path, write, scanned, sheet):
    nasty = {
        "PatientID": "../../x",
        "StudyInstanceUID": "../../../etc/passwd",
        "PatientName": "'; DROP TABLE patients; --",
        "ProtocolName": "x" * 60,
    }
    two_phases(write, **nasty)

    def change(dataset, index):
        dataset.SeriesDescription = "<script>alert(1)</script>\t=HYPERLINK(1)\n$(rm -rf /) art"
        dataset.add_new("StudyDescription", "UT", "y" * 65536)

    write(10, change, SeriesNumber=4, **nasty)
    scanned()
    images = read_sheet(sheet, PHASES)
    assert [one.case for one in images] == ["case0001", "case0001"]
    assert all(one.path.is_relative_to(sheet.parent) for one in images)
    choices = (sheet.parent / "samples.scan" / "choices.tsv").read_text().splitlines()
    assert {line.count("\t") for line in choices} == {10}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "out"]


def test_the_contact_sheet_shows_a_slice_of_each_image_and_what_was_left_out(write, scanned, sheet):
    two_phases(write)
    evil = '"><img src=x onerror=alert(1)> art MIP'
    write(SeriesNumber=9, SeriesDescription=evil, BurnedInAnnotation="YES")
    scanned()
    page = (sheet.parent / "samples.scan" / "contact-sheet.html").read_text()
    tree = parsed(page)
    pictures = [one for one in tree if one[0] == "img"]
    assert len(pictures) == 2
    for _, attributes in pictures:
        encoded = attributes["src"].removeprefix("data:image/jpeg;base64,")
        assert Image.open(BytesIO(base64.b64decode(encoded))).size == (220, 220)
    assert evil in html.unescape(page)
    assert "a maximum or minimum intensity projection" in page
    assert "annotations are burned into its pixels" in page
    assert not [name for name, attributes in tree if "onerror" in attributes]
    assert not [secret for secret in SECRETS if secret in page]
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", page)


def parsed(page):
    """Tags of a page with their attributes."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))
    parser.feed(page)
    return found


def test_images_of_different_parts_of_the_body_are_noted(write, scanned, sheet):
    def far(dataset, index):
        dataset.ImagePositionPatient = [0, 0, 500 + 2.5 * index]

    for number, word, change in ((2, "art", None), (3, "ven", far)):
        write(10, change, SeriesNumber=number, SeriesDescription=word)
    scanned()
    note = "the arterial and venous images cover different parts of the body"
    assert f"# case0001: {note}" in sheet.read_text().splitlines()
    assert note in (sheet.parent / "samples.scan" / "contact-sheet.html").read_text()


def test_the_odd_files_that_come_with_pydicom_and_its_directories(tmp_path, scanned, sheet):
    folder = tmp_path / "odd"
    for number, file in enumerate(get_testdata_files()):
        if "/cache/" not in file and os.path.isfile(file):
            (folder / str(number % 7)).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / str(number % 7) / str(number))
    said = scanned("arterial,t1", folder=folder)
    assert re.search(r"\d+ DICOMDIR", said[0])
    listed = (sheet.parent / "samples.scan" / "choices.tsv").read_text().splitlines()
    assert len(listed) > 40


def test_names_of_files_may_be_no_text(tmp_path, write, scanned, sheet):
    two_phases(write, StudyInstanceUID="", PatientID="")
    folder = os.fsencode(tmp_path / "export")
    os.rename(folder, folder + b"/../\xff\xfe")
    os.mkdir(folder)
    os.rename(folder + b"/../\xff\xfe", folder + b"/\xff\xfe")
    scanned()
    assert [len(list(one.path.iterdir())) for one in read_sheet(sheet, PHASES)] == [10, 10]
    assert sheet.with_suffix(".scan").joinpath("choices.tsv").read_text(encoding="utf-8")
    again = sheet.read_text()
    scanned()
    assert sheet.read_text() == again


def test_a_label_on_a_series_decides_for_it(tmp_path, write, scanned, sheet):
    uids = {2: "1.2.9.2", 3: "1.2.9.3"}
    for number, step in ((2, 1.25), (3, 5)):
        write(
            SeriesNumber=number,
            SeriesDescription="arterial",
            SeriesInstanceUID=uids[number],
            AcquisitionTime="100035",
            ContrastBolusStartTime="100000",
            step=step,
        )
    write_structures(tmp_path / "export" / "rs", uids[3], StudyInstanceUID="9.9", PatientID="?")
    write_structures(tmp_path / "export" / "lost", "1.2.9.4")
    scanned()
    (image,) = read_sheet(sheet, PHASES)
    assert len(list(image.path.iterdir())) == 10
    assert read_series(image.path).volume.geometry.spacing[2] == 5
    assert image.label.files[0].resolve() == tmp_path / "export" / "rs"
    listed = (sheet.parent / "samples.scan" / "files.tsv").read_text()
    assert f"label\twas drawn on no series of this export\t{tmp_path}/export/lost" in listed


def test_of_several_labels_of_an_image_none_is_in_the_sheet(tmp_path, write, scanned, sheet):
    write(SeriesDescription="arterial", SeriesInstanceUID="1.2.9.2")
    for name in ("first", "second"):
        write_structures(tmp_path / "export" / name, "1.2.9.2")
    scanned()
    (image,) = read_sheet(sheet, PHASES)
    assert image.label is None
    assert (
        "# case0001: 2 labels were drawn on the arterial image: none is in the sheet"
        in sheet.read_text().splitlines()
    )


def write_structures(file, series_uid, **values):
    """An RTSTRUCT that was drawn on a series."""
    structures = pydicom.Dataset()
    structures.file_meta = pydicom.dataset.FileMetaDataset()
    structures.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    structures.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    structures.SOPInstanceUID = pydicom.uid.generate_uid()
    structures.file_meta.MediaStorageSOPClassUID = structures.SOPClassUID
    structures.file_meta.MediaStorageSOPInstanceUID = structures.SOPInstanceUID
    structures.Modality, structures.PatientID = "RTSTRUCT", "HOSPITAL-4711"
    structures.StudyInstanceUID = "1.2.3.4"
    frame, study, series = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    series.SeriesInstanceUID = series_uid
    study.RTReferencedSeriesSequence = [series]
    frame.RTReferencedStudySequence = [study]
    structures.ReferencedFrameOfReferenceSequence = [frame]
    for keyword, value in values.items():
        setattr(structures, keyword, value)
    structures.save_as(file, enforce_file_format=True)


@pytest.mark.parametrize("text", ["", "arteriel", "t1=(", "model=x", "t1,t1", "a b=x"])
def test_wrong_modalities_are_named(text):
    with pytest.raises(UserError, match=r"--modalities|data\.modalities"):
        parse_modalities(text)


def test_the_command(tmp_path, write, sheet):
    two_phases(write)
    command = [sys.executable, "-m", "remodal", "scan"]
    done = subprocess.run(
        [*command, tmp_path / "export", "-o", sheet, "--workers", "2"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert done.stdout.splitlines()[:2] == [
        "20 files: 20 images",
        "1 examination, 1 of them with arterial and venous",
    ]
    done = subprocess.run([*command, tmp_path / "no", "-o", sheet], capture_output=True, text=True)
    assert done.returncode == ExitCode.USER_ERROR
    assert "there is no such folder" in done.stderr
