"""What identifies a patient is found wherever it was planted, and is never printed."""

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import shutil
import sqlite3
import struct
import tarfile
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
from remodal.errors import EnvironmentProblem, UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.identity.check import check_identity
from remodal.identity.parts import Unread
from remodal.identity.search import Index
from remodal.identity.texts import texts_of
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


def run_in(path, command):
    with sqlite3.connect(path) as made:
        made.execute("PRAGMA secure_delete = OFF")
        made.execute(command)
    made.close()


def archive(path, name, text):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, text)


def zipped(name, text):
    made = io.BytesIO()
    archive(made, name, text)
    return made.getvalue()


def tar(path, folder, content, name="a.nii.gz"):
    (folder / name).write_bytes(content)
    with tarfile.open(path, "w:gz") as made:
        made.add(folder / name, name)
    (folder / name).unlink()


def pickled(text, protocol):
    """With so many texts before it that what stands for its number is a letter, as is its end."""
    return pickle.dumps([*(f"weight{n}" for n in range(70)), text, "bias"], protocol)


def pair_header(folder, extension):
    whole = gzip.decompress(nifti(folder, extension=extension))
    return whole[:108] + bytes(4) + whole[112:344] + b"ni1" + whole[347:]


def private_dicom(path, value):
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3"
    dataset.add_new(0x00090010, "LO", "REMODAL TEST")
    dataset.add_new(0x00091001, "UN", value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def coded(content):
    return base64.b64encode(content).decode()


def in_html(content):
    return f'<img src="data:image/png;base64,{coded(content)}">'


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
    "page's table": (
        lambda f: (f / "b.html").write_text(
            f'<a href="data:text/csv;charset=utf-8;base64,{coded(b"case;H-998877")}">'
        ),
        "embedded text: PatientID",
    ),
    "page's volume": (
        lambda f: (f / "b.html").write_text(
            f"<script>{coded(nifti(f, extension=b'RAD-2021-88731'))}</script>"
        ),
        "embedded NIfTI extension: AccessionNumber",
    ),
    "LaTeX": (
        lambda f: (f / "t.tex").write_text(r"M\"uller--L{\"u}denscheidt, A."),
        "text: PatientName",
    ),
    "address": (
        lambda f: (f / "a.yaml").write_text("file:///M%C3%BCller-L%C3%BCdenscheidt"),
        "ame",
    ),
    "MHA's data file": (
        lambda f: (f / "a.mhd").write_bytes(b"NDims = 3\nElementDataFile = 0047110815.raw\n"),
        "text: PatientID",
    ),
    "NRRD of Windows": (
        lambda f: (f / "a.nrrd").write_bytes(b"NRRD0004\r\n# H-998877\r\n\r\n" + bytes(9)),
        "NRRD header: PatientID",
    ),
    "NIfTI header in a file of its own": (
        lambda f: (f / "a.hdr").write_bytes(pair_header(f, b"RAD-2021-88731")),
        "binary: AccessionNumber",
    ),
    "PNG's Exif": (
        lambda f: (f / "a.png").write_bytes(png((b"eXIf", b"II" + NAME.encode("utf-16-le")))),
        "PNG eXIf: PatientName",
    ),
    "behind a PNG": (
        lambda f: (f / "a.png").write_bytes(png() + b"Klinikum rechts der Donau"),
        "text: InstitutionName",
    ),
    "checkpoint": (
        lambda f: archive(f / "a.ckpt", "archive/data.pkl", pickled(f"case {UID}", 2)),
        "archived pickle: StudyInstanceUID",
    ),
    "new pickle": (
        lambda f: (f / "a.pkl").write_bytes(pickled("Brinkmann, Klaus", 5) + b"\0H-998877"),
        "pickle: ReferringPhysicianName",
    ),
    "after a pickle": (
        lambda f: (f / "a.pkl").write_bytes(pickled("a", 5) * 2 + b"\0H-998877"),
        "binary: PatientID",
    ),
    "array of text": (
        lambda f: np.save(f / "a.npy", np.array(["case1", "Brinkmann"])),
        "NumPy array text: ReferringPhysicianName",
    ),
    "array of objects": (
        lambda f: np.savez(f / "a.npz", cases=np.array(["H-998877", None], object)),
        "archived NumPy array pickle: PatientID",
    ),
    "tar": (
        lambda f: tar(f / "a.tgz", f / "case1", nifti(f, b"H-998877")),
        "NIfTI descrip: PatientID",
    ),
    "tar's names": (
        lambda f: tar(f / "a.tgz", f / "case1", b"", "0047110815.txt"),
        "names in the archive: PatientID",
    ),
    "bzip2": (lambda f: (f / "a.bz2").write_bytes(bz2.compress(b"H-998877")), "text: PatientID"),
    "xz": (lambda f: (f / "a.xz").write_bytes(lzma.compress(b"H-998877")), "text: PatientID"),
    "zip in a zip": (
        lambda f: archive(f / "a.zip", "b.zip", zipped("c.txt", "H-998877")),
        "archived archived text: PatientID",
    ),
    "deleted row": (
        lambda f: (
            database(f / "mlflow.db", "of Klinikum Rechts der Donau"),
            run_in(f / "mlflow.db", "DELETE FROM params"),
        ),
        "binary: InstitutionName",
    ),
    "database's own bytes": (
        lambda f: database(f / "mlflow.db", gzip.compress(b"H-998877")),
        "table params, value text: PatientID",
    ),
    "database in a zip": (
        lambda f: (
            database(f / "a", "H-998877"),
            archive(f / "a.zip", "mlflow.db", (f / "a").read_bytes()),
            (f / "a").unlink(),
        ),
        "archived table params, value: PatientID",
    ),
    "name of a table": (
        lambda f: (
            database(f / "a.db", "H-998877"),
            run_in(f / "a.db", "ALTER TABLE params RENAME TO Anneliese"),
        ),
        "a.db: ***: PatientID",
    ),
    "UTF-16 in another file": (
        lambda f: (f / "a.bin").write_bytes(bytes(9) + NAME.encode("utf-16-be")),
        "binary: PatientName",
    ),
    "text beside its length": (
        lambda f: (f / "events").write_bytes(b"\0\x12\x2a" + b"7" + UID.encode() + b"B\0"),
        "binary: StudyInstanceUID",
    ),
    "one letter that is no UTF-8": (
        lambda f: (f / "a.txt").write_bytes(f"{NAME} 37°".encode() + b"\xb0\n"),
        "text: PatientName",
    ),
    "private DICOM": (
        lambda f: private_dicom(f / "a.dcm", b"Klinikum Rechts der Donau"),
        "DICOM (0009,1001): InstitutionName",
    ),
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


def cut(content):
    return content[: len(content) * 2 // 3]


def encrypted(name, text):
    """A zip that says so; the directory at its end counts."""
    made = bytearray(zipped(name, text))
    made[made.index(b"PK\1\2") + 8] |= 1
    return bytes(made)


#: It says that it is DICOM, but its first element makes no sense.
DAMAGED_DICOM = (
    bytes(128) + b"DICM\x02\0\x10\0UI\x06\0" + b"1.2.3\0" + b"\x08\0\x05\0SQ\0\0\x09\0\0\0abc"
)
LONG = " ".join(map(str, range(5000))).encode()
#: What cannot be searched, and how that is said.
UNREAD = {
    "gzip": (cut(gzip.compress(LONG)), "content: is damaged"),
    "bzip2": (cut(bz2.compress(LONG)), "content: is damaged"),
    "xz": (cut(lzma.compress(LONG)), "content: is damaged"),
    "zip": (cut(zipped("a.txt", LONG)), "content: is damaged"),
    "file in a zip": (
        zipped("a.txt", LONG).replace(zipped("a.txt", LONG)[200:220], bytes(20)),
        "file 1 of the archive: is damaged",
    ),
    "gzip in a zip": (zipped("a.gz", cut(gzip.compress(LONG))), "archived content: is damaged"),
    "password": (encrypted("a.txt", "x"), "file 1 of the archive: is encrypted"),
    "PNG": (png()[:-14], "PNG: is cut short"),
    "PNG's text": (png((b"zTXt", b"Title\0\0" + b"0047")), "PNG zTXt: is damaged"),
    "PNG's cut text": (
        png((b"iTXt", b"Title\0\1\0\0\0" + cut(zlib.compress(LONG)))),
        "PNG iTXt: is cut short, or too long",
    ),
    "database": (b"SQLite format 3\0" + bytes(100), "content: is damaged"),
    "pickle": (cut(pickle.dumps(["a" * 99] * 2, 2)), "content: is damaged"),
    "PDF": (b"%PDF-1.7 ...", "packed parts: PDF is not unpacked"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "packed parts: HDF5 is not unpacked"),
    "DICOM": (DAMAGED_DICOM, "DICOM header: is damaged"),
    "deep": (
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"x"))))),
        "content: is packed more than 4 times",
    ),
}


@pytest.mark.parametrize("kind", UNREAD)
def test_what_cannot_be_searched_is_told(source, shared, kind):
    content, expected = UNREAD[kind]
    (shared / "odd").write_bytes(content)
    searched = check_identity([shared], [source])
    assert [str(gap) for gap in searched.gaps] == [f"{shared}/odd: {expected}"]
    assert searched.findings == []


def test_a_file_s_other_text_is_found_where_a_part_is_damaged(source, shared):
    (shared / "a.gz").write_bytes(cut(gzip.compress(b"H-998877 " + LONG)))
    (shared / "b.zip").write_bytes(cut(zipped("Brinkmann.txt", LONG)))
    searched = check_identity([shared], [source])
    assert {finding.hit.keyword for finding in searched.findings} == {
        "PatientID",
        "ReferringPhysicianName",
    }
    assert len(searched.gaps) == 2


def test_damage_is_told_wherever_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr("remodal.identity.plain._PIECE", 100)
    packed = gzip.compress(LONG[:2000])
    for length in range(20, len(packed), 9):
        (tmp_path / "a.gz").write_bytes(packed[:length])
        assert Unread("content", "is damaged") in texts_of(tmp_path / "a.gz"), length


def test_a_file_is_searched_to_its_end_in_pieces_that_cut_no_value(tmp_path, monkeypatch):
    """Wherever a value stands it is found; a number that holds one is not cut into it."""
    monkeypatch.setattr("remodal.identity.plain._PIECE", 64)
    monkeypatch.setattr("remodal.identity.plain._OVERLAP", 96)
    monkeypatch.setattr("remodal.identity.packed._IN_MEMORY", 100)
    index = Index({keyword: {value} for keyword, value in TAGS.items()})
    file = tmp_path / "log"

    def found(content):
        file.write_bytes(content)
        return [hit for one in texts_of(file) for hit in index.hits(one.text)]

    for blank in (" ", "\n", "\0"):
        for before in range(60, 200, 3):
            text = f"{blank}Klinikum Rechts der Donau{blank}".rjust(before, "x").ljust(400, "x")
            assert found(text.encode()), (blank, before)
            assert found(zipped("a", text)), (blank, before)
    for before in range(60, 200, 3):
        assert not found(b" 147110815 0.47110815".rjust(before) * 4), before


def test_an_embedded_file_is_not_cut(source, tmp_path, monkeypatch):
    monkeypatch.setattr("remodal.identity.plain._PIECE", 300)
    monkeypatch.setattr("remodal.identity.plain._OVERLAP", 100)
    numbers = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()
    page = in_html(png((b"IDAT", numbers), (b"tEXt", b"Title\0H-998877")))
    (tmp_path / "a.html").write_text(f"{page}<p>Brinkmann</p>")
    searched = check_identity([tmp_path], [source])
    assert [(finding.place, finding.hit.keyword) for finding in searched.findings] == [
        ("embedded PNG tEXt", "PatientID"),
        ("text", "ReferringPhysicianName"),
    ]
    assert searched.gaps == []


def test_text_in_a_damaged_database_is_found(source, shared):
    (shared / "odd").write_bytes(b"SQLite format 3\0" + bytes(100) + b" id: 0047110815 ")
    (finding,) = check_identity([shared], [source]).findings
    assert str(finding).endswith("odd: damaged file: PatientID")


def test_what_is_no_file_is_told_and_its_name_searched(source, shared, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (shared / "here").symlink_to(shared / "case1")
    (shared / "away").symlink_to(elsewhere)
    (shared / "Anneliese").symlink_to(tmp_path / "nowhere")
    (shared / "table2.csv").symlink_to(shared / "table.csv")
    (shared / "table3.csv").symlink_to("../Brinkmann.csv")
    (tmp_path / "Brinkmann.csv").write_text("H-998877")
    os.mkfifo(shared / "pipe")
    searched = check_identity([shared], [source])
    assert sorted(map(str, searched.gaps)) == [
        f"{shared}/***: itself: leads nowhere",
        f"{shared}/away: itself: leads to a folder elsewhere: name that, too",
        f"{shared}/pipe: itself: is no file",
    ]
    assert {(finding.path.rpartition("/")[2], finding.place) for finding in searched.findings} == {
        ("***", "its name"),
        ("table3.csv", "its link"),
        ("table3.csv", "text"),
    }


def test_a_single_file_is_searched(source, shared):
    (shared / "a.txt").write_text("H-998877")
    searched = check_identity([shared / "a.txt", shared], [source])
    assert (searched.files, len(searched.findings), searched.is_whole) == (5, 1, True)


def test_git_s_history_is_said_to_be_passed_over(source, shared):
    (shared / ".git").mkdir()
    (shared / ".git/HEAD").write_text(NAME)
    searched = check_identity([shared], [source])
    assert (searched.findings, searched.histories, searched.is_whole) == ([], 1, True)


def test_a_folder_that_cannot_be_listed_stops_the_search(source, shared, monkeypatch):
    def refused(folder):
        raise PermissionError(13, "Permission denied", str(folder / "Brinkmann"))

    monkeypatch.setattr(os, "scandir", lambda folder: refused(Path(folder)))
    with pytest.raises(EnvironmentProblem, match=r"/\*\*\*: cannot be read \(Permission denied"):
        check_identity([shared], [source / "1.dcm"])


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


def test_the_command_does_not_pass_what_it_could_not_search(source, shared):
    (shared / "a.zip").write_bytes(encrypted("a.txt", "x"))
    done = run_remodal("check-identity", shared, "--from", source)
    assert done.returncode == 3
    assert f"not searched: {shared}/a.zip: file 1 of the archive: is encrypted\n" in done.stdout
    assert "none found, but not everything could be searched" in done.stderr


def test_sources_that_could_not_be_read_are_told(source, shared, tmp_path):
    """What they say is not known, so it was not searched for."""
    sources = tmp_path / "Brinkmann"
    shutil.copytree(source, sources)
    (sources / "2.dcm").write_bytes(DAMAGED_DICOM)
    (tmp_path / "empty").mkdir()
    named = [sources, tmp_path / "gone", tmp_path / "empty"]
    searched = check_identity([shared], named)
    assert searched.unread_sources == [f"{tmp_path}/***/2.dcm"]
    assert (searched.missing_sources, searched.findings, searched.is_whole) == (2, [], False)
    done = run_remodal("check-identity", shared, "--from", sources, "--from", tmp_path / "gone")
    assert done.returncode == 3
    assert f"tags of 1 source file could not be read: {tmp_path}/***/2.dcm\n" in done.stdout
    assert "not there: 1 source\n" in done.stdout


def test_sources_without_dicom_s_mark_are_read_as_a_conversion_reads_them(source, shared, tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "slice").write_bytes((source / "1.dcm").read_bytes()[132:])
    (folder / "notes.txt").write_text("no DICOM")
    (shared / "table.csv").write_text("H-998877")
    searched = check_identity([shared], [folder])
    assert len(searched.findings) == 1
    assert searched.is_whole


def test_without_dicom_sources_nothing_can_be_said(shared, tmp_path):
    image = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(image))
    with pytest.raises(UserError, match="no DICOM file with identifying tags"):
        check_identity([shared], [image])
    with pytest.raises(UserError, match="nowhere: is not there"):
        check_identity([tmp_path / "nowhere"], [image])
