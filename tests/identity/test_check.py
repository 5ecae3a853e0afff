"""What identifies a patient is found wherever it was planted, and is never printed."""

import base64
import gzip
import json
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from safetensors.numpy import save_file
from tests.test_cli import remodal as run_remodal

import remodal.errors
from remodal.errors import UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.identity.check import check_identity
from remodal.identity.search import Index
from remodal.intake.nifti import write_volume

UID = "1.2.826.0.1.3680043.8.498.12345"
TAGS = {
    "PatientName": "Müller-Lüdenscheidt^Anneliese",
    "PatientID": "0047110815",
    "PatientBirthDate": "19540709",
    "AccessionNumber": "RAD-2021-88731",
    "InstitutionName": "Klinikum Rechts der Donau",
    "ReferringPhysicianName": "Brinkmann^Klaus^^Dr.",
    "StudyInstanceUID": UID,
    "StudyID": "1",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    dataset = pydicom.Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{UID}.7"
    for keyword, value in TAGS.items():
        setattr(dataset, keyword, value)
    other = pydicom.Dataset()
    other.PatientID = "H-998877"
    dataset.OtherPatientIDsSequence = [other]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(folder / "1.dcm", enforce_file_format=True)
    return folder


@pytest.fixture
def shared(tmp_path):
    """What a clean study leaves: an image, a table, a page, a model."""
    folder = tmp_path / "shared"
    volume = Volume(np.zeros((4, 5, 6), np.int16), Geometry((4, 5, 6), (1, 1, 1), (0, 0, 0)))
    write_volume(folder / "case1/venous.nii.gz", volume)
    (folder / "table.csv").write_text("case,dice\ncase1,0.4711\ncase2,0.0047110815\n")
    (folder / "index.html").write_text("<h1>Liver</h1> 1954 lesions of Müllerian origin, patient 7")
    save_file({"weight": np.zeros(3)}, folder / "model.safetensors", {"format": "np"})
    return folder


def png(*chunks):
    packed = b"".join(
        struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [(b"IHDR", bytes(13)), *chunks, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + packed


def nifti(folder, field=b"", extension=b""):
    """A NIfTI file with text in `descrip`, or with an extension."""
    header = bytearray((folder / "case1/venous.nii.gz").read_bytes())
    header = bytearray(gzip.decompress(bytes(header)))
    header[148 : 148 + len(field)] = field
    if extension:
        size = (len(extension) + 8 + 15) // 16 * 16
        block = struct.pack("<ii", size, 6) + extension.ljust(size - 8, b"\0")
        header[348] = 1
        header[108:112] = struct.pack("<f", 352 + size)
        header[352:352] = block
    return gzip.compress(bytes(header))


def database(path, text):
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE params (key TEXT, value TEXT)")
        made.execute("INSERT INTO params VALUES ('note', ?)", (text,))
    made.close()


def archive(path, name, text):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, text)


def in_html(content):
    return f'<img src="data:image/png;base64,{base64.b64encode(content).decode()}">'


NAME = "Müller-Lüdenscheidt"
#: What is planted, how, and where it must be found.
PLANTED = {
    "html": (lambda f: (f / "index.html").write_text("M&uuml;ller-L&uuml;denscheidt"), "text: P"),
    "json escapes": (lambda f: (f / "a.json").write_text(json.dumps({"who": NAME})), "text: P"),
    "csv": (lambda f: (f / "t.csv").write_text("case1,ANNELIESE"), "PatientName (a part of it)"),
    "utf-16": (lambda f: (f / "t.tsv").write_text(f"x\t{NAME}", "utf-16"), "text: PatientName"),
    "dvc": (lambda f: (f / "scans.dvc").write_text("path: 0047110815"), "text: PatientID"),
    "log": (lambda f: (f / "a.log").write_text("born 9.7.1954"), "text: PatientBirthDate"),
    "nifti field": (
        lambda f: (f / "a.nii.gz").write_bytes(nifti(f, NAME.encode("latin-1"))),
        "NIfTI descrip: PatientName",
    ),
    "nifti extension": (
        lambda f: (f / "a.nii.gz").write_bytes(nifti(f, extension=b"<p>RAD-2021-88731</p>")),
        "NIfTI extension: AccessionNumber",
    ),
    "gzip name": (
        lambda f: (f / "a.gz").write_bytes(
            b"\x1f\x8b\x08\x08" + bytes(6) + b"brinkmann_klaus.nii\0" + b"\x03\0" + bytes(8)
        ),
        "gzip name: ReferringPhysicianName",
    ),
    "mha": (
        lambda f: (f / "a.mha").write_bytes(
            b"ObjectType = Image\nComment = 4711-0815 0047110815\nElementDataFile = LOCAL\n"
        ),
        "MHA header: PatientID",
    ),
    "png text": (
        lambda f: (f / "a.png").write_bytes(png((b"tEXt", b"Title\0Klinikum rechts der Donau"))),
        "PNG tEXt: InstitutionName",
    ),
    "png packed text in a page": (
        lambda f: (f / "b.html").write_text(
            in_html(png((b"zTXt", b"Title\0\0" + zlib.compress(b"H-998877"))))
        ),
        "embedded PNG zTXt: PatientID",
    ),
    "model": (
        lambda f: save_file({"w": np.zeros(2)}, f / "m.safetensors", {"study": UID}),
        "safetensors header: StudyInstanceUID",
    ),
    "mlflow": (
        lambda f: database(f / "mlflow.db", "case of Mueller-Luedenscheidt, A."),
        "table params, value: PatientName",
    ),
    "archive": (
        lambda f: archive(f / "a.zip", "Anneliese.txt", "x"),
        "names in the archive: PatientName",
    ),
    "nrrd": (
        lambda f: (f / "a.nrrd").write_bytes(b"NRRD0004\n# AccNo RAD 2021 88731\n\n" + bytes(9)),
        "NRRD header: AccessionNumber",
    ),
    "name of a file": (lambda f: (f / "Brinkmann.txt").touch(), "***: its name: ReferringPhys"),
    "pickle": (
        lambda f: (f / "a.pkl").write_bytes(b"\x80\0\0\x8c" + b"Klinikum Rechts der Donau\x94"),
        "binary: InstitutionName",
    ),
}


def test_a_clean_folder_holds_nothing(source, shared):
    """Numbers, common words and parts of longer ones are no values."""
    searched = check_identity([shared], [source])
    assert searched.findings == []
    assert (searched.files, searched.too_short) == (4, {"StudyID": 1})


@pytest.mark.parametrize("where", PLANTED)
def test_what_was_planted_is_found_and_not_printed(source, shared, where):
    plant, expected = PLANTED[where]
    plant(shared)
    said = [str(finding) for finding in check_identity([shared], [source]).findings]
    assert [line for line in said if expected in line], said
    spelled = "\n".join(said).replace(str(shared), "").casefold()
    for secret in ("lüden", "lueden", "anneliese", "47110815", "88731", "1954", "brink", "donau"):
        assert secret not in spelled


def test_a_dicom_file_among_the_results_is_read(source, shared, tmp_path):
    (shared / "copy").write_bytes((source / "1.dcm").read_bytes())
    found = {finding.hit.keyword for finding in check_identity([shared], [source]).findings}
    assert found >= set(TAGS) - {"StudyID"}


def test_remodal_s_own_code_is_passed_over_unless_it_was_changed(source, shared):
    """A served model carries it, and its examples of names are nobody's."""
    copied = shared / "model/code/remodal/errors.py"
    copied.parent.mkdir(parents=True)
    copied.write_bytes(Path(remodal.errors.__file__).read_bytes())
    assert check_identity([shared], [source]).own == 1
    copied.write_text(f"{copied.read_text()}# {NAME}\n")
    searched = check_identity([shared], [source])
    assert (searched.own, len(searched.findings)) == (0, 1)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (b"SQLite format 3\0", b""),
        (bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\xff", b"\xff\xfe"),
        (b"\x1f\x8b\x08\x04", b""),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x04tEXt", b""),
        (b"PK\x03\x04", b""),
        (b"NRRD0004", b""),
    ],
)
def test_a_damaged_file_ends_in_no_traceback(source, shared, start, end):
    for count in range(0, 40, 7):
        (shared / "odd").write_bytes(start + b"0047110815 Klinikum Rechts der Donau"[:count] + end)
        check_identity([shared], [source])


def test_text_in_a_damaged_database_is_found(source, shared):
    (shared / "odd").write_bytes(b"SQLite format 3\0" + bytes(100) + b" id: 0047110815 ")
    (finding,) = check_identity([shared], [source]).findings
    assert str(finding).endswith("odd: damaged file: PatientID")


def test_the_sources_themselves_are_not_searched(source):
    searched = check_identity([source], [source])
    assert (searched.findings, searched.files, searched.sources) == ([], 0, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ANNELIESE MÜLLER-LÜDENSCHEIDT", True),
        ("muller ludenscheidt", True),
        ("MuellerLuedenscheidtAnneliese", True),
        ("Luden", False),
        ("Müllerin", False),
        ("1954-07-09", True),
        ("07/09/1954", True),
        ("9 July 1954", True),
        ("1954-07-19", False),
        ("47110815", True),
        ("147110815", False),
        ("0.47110815", False),
        (f"see {UID}.", True),
        (f"{UID}.99", False),
        ("RAD_2021_88731", True),
        ("2021", False),
    ],
)
def test_a_value_is_known_however_it_is_written(text, found):
    index = Index({keyword: {value} for keyword, value in TAGS.items()})
    assert bool(index.hits(text)) == found


def test_the_pieces_of_a_long_text_overlap():
    index = Index({"PatientID": {"0047110815"}})
    assert index.hits("x" * ((1 << 20) - 4) + " 0047110815 " + "x" * 9)


def test_the_command_ends_in_one_line_and_an_exit_code(source, shared):
    clean = run_remodal("check-identity", shared, "--from", source)
    assert (clean.returncode, clean.stderr) == (0, "")
    assert clean.stdout.endswith("4 files, 10 values: none found\n")
    (shared / "table.csv").write_text(f"case,who\ncase1,{NAME}\n")
    failed = run_remodal("check-identity", shared, "--from", source)
    assert failed.returncode == 2
    assert f"{shared}/table.csv: text: PatientName" in failed.stdout
    assert failed.stderr.count("\n") == 1
    assert NAME not in failed.stdout + failed.stderr


def test_without_dicom_sources_nothing_can_be_said(shared, tmp_path):
    image = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(image))
    with pytest.raises(UserError, match="no DICOM file with identifying tags"):
        check_identity([shared], [image])
    with pytest.raises(UserError, match="nowhere: is not there"):
        check_identity([tmp_path / "nowhere"], [image])
