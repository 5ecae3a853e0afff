import tracemalloc
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

        def never(*_):
            raise ValueError

        monkeypatch.setattr(headers, "_scanned", never)
    try:
        return read_slices(files)
    except BadCase as error:
        return str(error)


def _assert_scanned_as_pydicom_reads(files, monkeypatch):
    assert all(isinstance(read_header(file).elements, dict) for file in files)
    assert _read(files) == _read(files, monkeypatch)


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
    _assert_scanned_as_pydicom_reads(sorted(tmp_path.iterdir()), monkeypatch)


@pytest.mark.parametrize("file", BUNDLED, ids=lambda file: file.name)
def test_both_ways_agree_on_the_odd_files_that_come_with_pydicom(file, monkeypatch):
    assert _read([file]) == _read([file], monkeypatch)


def test_a_plain_file_of_a_scanner_is_scanned():
    plain = next(file for file in BUNDLED if file.name == "CT_small.dcm")
    assert isinstance(read_header(plain).elements, dict)


@pytest.mark.parametrize("explicit", [True, False])
def test_a_sequence_of_undefined_length_is_passed_over(
    explicit, image, write_series, tmp_path, monkeypatch
):
    def change(dataset, index):
        inner = pydicom.Dataset()
        inner.ReferencedSOPInstanceUID = "1.2.3"
        outer = pydicom.Dataset()
        outer.PurposeOfReferenceCodeSequence = [inner, pydicom.Dataset()]
        outer["PurposeOfReferenceCodeSequence"].is_undefined_length = index % 2 == 0
        outer.is_undefined_length_sequence_item = index % 3 == 0
        outer.Manufacturer = "another"
        dataset.ReferencedImageSequence = [outer, pydicom.Dataset()]
        dataset["ReferencedImageSequence"].is_undefined_length = True
        if not explicit:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian

    write_series(tmp_path, image, change)
    _assert_scanned_as_pydicom_reads(sorted(tmp_path.iterdir()), monkeypatch)


def test_a_compressed_file_is_scanned():
    compressed = next(file for file in BUNDLED if file.name == "MR_small_RLE.dcm")
    header = read_header(compressed)
    assert isinstance(header.elements, dict)
    assert (header.pixels_at, header.pixel_bytes) == (None, None)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO_IR 100", "Röntgen"),
        ("ISO_IR 192", "动脉期"),
        ("GB18030", "动脉期"),
        (["", "ISO 2022 IR 87"], "動脈相"),
        (["", "ISO 2022 IR 149"], "동맥기"),
        ("", "abc"),
    ],
)
def test_free_text_is_read_in_the_file_s_language(
    charset, text, image, write_series, tmp_path, monkeypatch
):
    def change(dataset, index):
        dataset.SpecificCharacterSet = charset
        dataset.SeriesDescription = text

    write_series(tmp_path, image, change)
    files = sorted(tmp_path.iterdir())
    assert all(isinstance(read_header(file).elements, dict) for file in files)
    assert {read_header(file).elements["SeriesDescription"] for file in files} == {text}
    assert _read(files) == _read(files, monkeypatch)


def test_of_a_deflated_file_no_more_is_inflated_than_its_header(image, write_series, tmp_path):
    def change(dataset, index):
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
        dataset.Rows = dataset.Columns = 20_000
        dataset.PixelData = bytes(2 * 20_000 * 20_000)

    write_series(tmp_path, image, change, skip=range(1, len(image.array)))
    (bomb,) = tmp_path.iterdir()
    assert bomb.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        assert read_header(bomb).elements["Rows"] == 20_000
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()


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
