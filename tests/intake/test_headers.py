from pathlib import Path

import pydicom
import pytest

from remodal.errors import BadCase
from remodal.intake import headers
from remodal.intake.elements import HARMLESS, harmless_tags, numbers
from remodal.intake.headers import read_header
from remodal.intake.slices import read_slices

BUNDLED = sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm"))


def _read(files, monkeypatch=None):
    if monkeypatch is not None:

        def never(data):
            raise ValueError

        monkeypatch.setattr(headers, "_scanned", never)
    try:
        return read_slices(files)
    except BadCase as error:
        return str(error)


@pytest.mark.parametrize("explicit", [True, False])
def test_scanning_finds_what_pydicom_finds(explicit, image, write_series, tmp_path, monkeypatch):
    def change(dataset, index):
        dataset.ConvolutionKernel = ["B30f", "2"]
        dataset.ContrastBolusAgent = ""
        dataset.GantryDetectorTilt = "0"
        dataset.EchoTime = None
        dataset.OtherPatientIDsSequence = [pydicom.Dataset()]
        dataset.OtherPatientIDsSequence[0].PatientID = "x"
        dataset.add_new(0x00091001, "UN", b"\0" * 7000)
        if not explicit:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian

    write_series(tmp_path, image, change)
    files = sorted(tmp_path.iterdir())
    assert all(isinstance(read_header(file).elements, dict) for file in files)
    assert _read(files) == _read(files, monkeypatch)


@pytest.mark.parametrize("file", BUNDLED, ids=lambda file: file.name)
def test_both_ways_agree_on_the_odd_files_that_come_with_pydicom(file, monkeypatch):
    assert _read([file]) == _read([file], monkeypatch)


def test_a_plain_file_of_a_scanner_is_scanned():
    plain = next(file for file in BUNDLED if file.name == "CT_small.dcm")
    assert isinstance(read_header(plain).elements, dict)


def test_a_sequence_of_undefined_length_is_left_to_pydicom(image, write_series, tmp_path):
    def change(dataset, index):
        dataset.ReferencedImageSequence = [pydicom.Dataset()]
        dataset["ReferencedImageSequence"].is_undefined_length = True

    write_series(tmp_path, image, change)
    header = read_header(next(tmp_path.iterdir()))
    assert isinstance(header.elements, pydicom.Dataset)
    assert header.pixels_at is not None


def test_numbers_of_an_element():
    elements = {"one": 2.5, "text": "1.5", "several": [1, "2"], "blank": "", "none": None}
    elements |= {"word": "abc", "nan": float("nan"), "gap": [1, ""]}
    assert numbers(elements, "one", 1) == (2.5,)
    assert numbers(elements, "text", 1) == (1.5,)
    assert numbers(elements, "several", 2) == (1.0, 2.0)
    assert [numbers(elements, word, 1) for word in ("blank", "none", "missing")] == [None] * 3
    for word in ("word", "nan", "several", "gap"):
        with pytest.raises(BadCase, match=word):
            numbers(elements, word, 1)


def test_no_harmless_tag_names_a_person_a_date_or_a_uid():
    names = {name: pydicom.datadict.dictionary_VR(name) for name in HARMLESS}
    assert not {name for name, kind in names.items() if kind in {"PN", "DA", "DT", "TM", "UI"}}
    assert not [name for name in HARMLESS if "Description" in name or name.endswith("ID")]
    assert harmless_tags({"Modality": "CT", "PatientName": "Doe^Jane"}) == {"Modality": "CT"}


@pytest.mark.parametrize("text", ["DOE^JANE", "O'Neill", "Röhre", "", "a" * 65, "a\nb", "= 1"])
def test_text_that_could_be_anything_is_not_shown(text):
    assert harmless_tags({"Manufacturer": text}) == {}
