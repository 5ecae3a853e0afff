"""Files in which something may be planted, and what is planted."""

import base64
import gzip
import io
import pickle
import sqlite3
import struct
import tarfile
import zipfile
import zlib

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

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

NAME = "Müller-Lüdenscheidt"


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
