"""What identifies a patient is found wherever it was planted; what cannot be read is told."""

import bz2
import gzip
import json
import lzma
import pickle
import re
import zlib

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.identity.files import (
    DAMAGED_DICOM,
    LONG,
    NAME,
    TAGS,
    UID,
    archive,
    coded,
    cut,
    database,
    encrypted,
    in_html,
    nifti,
    pair_header,
    pickled,
    png,
    private_dicom,
    run_in,
    tar,
    zipped,
)

from remodal.identity.check import check_identity
from remodal.identity.parts import Unread
from remodal.identity.search import Index
from remodal.identity.texts import texts_of

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


@pytest.mark.parametrize("where", PLANTED)
def test_what_was_planted_is_found_and_not_printed(source, shared, where):
    plant, expected = PLANTED[where]
    plant(shared)
    said = [str(finding) for finding in check_identity([shared], [source]).findings]
    without_lines = [re.sub(r"(?<=text), lines? [\d, ]+", "", line) for line in said]
    assert [line for line in without_lines if expected in line], said
    spelled = "\n".join(said).replace(str(shared), "").casefold()
    for secret in ("lüden", "lueden", "anneliese", "47110815", "88731", "1954", "brink", "donau"):
        assert secret not in spelled


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
        ("text, line 1", "ReferringPhysicianName"),
    ]
    assert searched.gaps == []


def test_text_in_a_damaged_database_is_found(source, shared):
    (shared / "odd").write_bytes(b"SQLite format 3\0" + bytes(100) + b" id: 0047110815 ")
    (finding,) = check_identity([shared], [source]).findings
    assert str(finding).endswith("odd: damaged file: PatientID")
