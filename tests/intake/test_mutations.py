"""If an element that is read is missing, blank or absurd: the same volume, or a one-line reason."""

import warnings

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from remodal.errors import BadCase
from remodal.intake.dicom import read_series
from remodal.intake.elements import ELEMENTS

ABSURD = {
    "text": ("A\\B\\é", "\0"),
    "free text": ("ä" * 300,),
    "number": ("-1", "abc", "1e999", "nan\\2\\3\\4\\5\\6\\7\\8"),
    "short": (65535, 0, 7, 17),
    "double": ("8 bytes.", "no number at all"),
    "sequence": ((), (pydicom.Dataset(),)),
}
# Another value of these gives another volume, and a good one.
CONTENT = {
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "BitsStored",
    "PixelRepresentation",
    "PixelPaddingValue",
    "RescaleIntercept",
    "RescaleSlope",
}


def _mutated(keyword, value):
    number, kind = ELEMENTS[keyword]
    representation = pydicom.datadict.dictionary_VR(number).split(" ")[0]
    if kind == "short":
        value = value if value == b"" else value.to_bytes(2, "little")
    elif kind == "sequence":
        return pydicom.DataElement(number, representation, value)
    # As text, since pydicom does not write what is no whole number as one.
    representation = "LO" if representation == "IS" else representation
    data = value if kind == "short" else value.encode()
    data += b" " * (len(data) % 2)
    return RawDataElement(pydicom.tag.Tag(number), representation, len(data), data, 0, False, True)


def _mutations(keyword):
    """What to put in place of an element (None: nothing), and in which slice (None: in all)."""
    kind = ELEMENTS[keyword][1]
    blank = {"short": b"", "sequence": ()}.get(kind, "")
    yield from ((value, index) for value in (None, blank) for index in (None, 1))
    for number, value in enumerate(ABSURD[kind]):
        yield value, 1 if number else None


@pytest.fixture
def small(image):
    geometry = image.geometry
    shape = (4, 12, 14)
    return type(image)(
        image.array[:4, :12, :14].copy(), type(geometry)(shape, geometry.spacing, geometry.origin)
    )


def _outcome(folder):
    """The volume, or the reason why there is none."""
    try:
        return read_series(folder).volume
    except BadCase as error:
        return str(error)


@pytest.mark.parametrize("keyword", ELEMENTS)
def test_a_mutated_element_is_harmless_or_told(keyword, small, write_series, tmp_path, secrets):
    number = ELEMENTS[keyword][0]
    whole = write_series(tmp_path, small)
    for value, index in _mutations(keyword):
        for at, dataset in enumerate(whole):
            mutated = pydicom.Dataset(dataset)
            mutated.file_meta = dataset.file_meta
            if index in (None, at):
                mutated.pop(number, None)
                if value is not None:
                    mutated[number] = _mutated(keyword, value)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mutated.save_as(dataset.filename, enforce_file_format=True)
        found = _outcome(tmp_path)
        if isinstance(found, str):
            assert len(found.splitlines()) == 1
            assert not any(secret in found for secret in secrets)
        elif not value or keyword not in CONTENT:
            np.testing.assert_array_equal(found.array, small.array, f"{value} in {index}")
            assert found.geometry.agrees_with(small.geometry, 1e-6)


@pytest.mark.parametrize(
    "syntax",
    [None, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless],
    ids=["explicit", "implicit", "deflated", "run lengths"],
)
def test_corrupt_bytes_give_a_volume_or_a_reason(syntax, small, write_series, tmp_path):
    def change(dataset, index):
        if syntax == RLELossless:
            dataset.compress(syntax)
        elif syntax is not None:
            dataset.file_meta.TransferSyntaxUID = syntax

    file = write_series(tmp_path, small, change)[1].filename
    whole = file.read_bytes()
    rng = np.random.default_rng(11)
    told = 0
    for _ in range(15):
        data = np.frombuffer(whole, np.uint8).copy()
        at = rng.integers(len(data), size=rng.choice([1, 3, 20]))
        data[at] = rng.integers(256, size=len(at))
        file.write_bytes(data.tobytes()[: rng.choice([len(data), rng.integers(len(data))])])
        found = _outcome(tmp_path)
        if isinstance(found, str):
            told += 1
            assert len(found.splitlines()) == 1
        else:
            assert found.geometry.shape == (4, 12, 14)
    assert told > 2


def test_a_file_named_as_dicom_that_is_none_is_not_passed_over(small, write_series, tmp_path):
    write_series(tmp_path, small)
    sorted(tmp_path.iterdir())[0].write_bytes(b"<html>the server is busy</html>")
    with pytest.raises(BadCase, match=r"file 1 of 4 \(by name\): is damaged"):
        read_series(tmp_path)
