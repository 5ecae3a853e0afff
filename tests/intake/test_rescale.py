from types import SimpleNamespace

import numpy as np
import pydicom
import pytest

from remodal.errors import BadCase
from remodal.intake.dicom import read_series
from remodal.intake.rescale import rescaled


def _signed_hu(image):
    """A change that stores HU themselves and says nothing about a rescale."""

    def change(dataset, index):
        dataset.PixelRepresentation = 1
        dataset.PixelData = image.array[index].astype("<i2").tobytes()
        for keyword in ("RescaleIntercept", "RescaleSlope", "RescaleType"):
            delattr(dataset, keyword)

    return change


def _without(*keywords, indices=range(6)):
    def change(dataset, index):
        for keyword in keywords if index in indices else ():
            delattr(dataset, keyword)

    return change


def test_ct_without_intercept_whose_air_is_at_zero_is_no_hu(image, write_series, tmp_path):
    write_series(tmp_path, image, _without("RescaleIntercept"))
    with pytest.raises(BadCase, match=r"RescaleIntercept .* missing and the lowest value is 24"):
        read_series(tmp_path)


def test_ct_without_intercept_that_has_air_is_taken_as_hu_and_told(image, write_series, tmp_path):
    write_series(tmp_path, image, _signed_hu(image))
    series = read_series(tmp_path)
    np.testing.assert_array_equal(series.volume.array, image.array)
    assert series.warnings == [
        "RescaleIntercept (0028,1052) is missing: the values are taken as HU, "
        "since they go down to -1000"
    ]


def test_mr_needs_no_intercept(image, write_series, tmp_path):
    def mr(dataset, index):
        dataset.Modality = "MR"
        _without("RescaleIntercept", "RescaleSlope", "RescaleType")(dataset, index)

    write_series(tmp_path, image, mr)
    series = read_series(tmp_path)
    np.testing.assert_array_equal(series.volume.array, image.array + 1024)
    assert series.warnings == []


@pytest.mark.parametrize("keyword", ["RescaleIntercept", "RescaleSlope"])
@pytest.mark.parametrize("modality", ["CT", "PT"])
def test_a_rescale_that_some_slices_lack_is_refused(
    keyword, modality, image, write_series, tmp_path
):
    def change(dataset, index):
        dataset.Modality = modality
        _without(keyword, indices=[3])(dataset, index)

    write_series(tmp_path, image, change)
    with pytest.raises(BadCase, match=rf"{keyword} .* missing in 1 of 6 slices"):
        read_series(tmp_path)


def test_ct_whose_rescale_leaves_no_air_is_told(image, write_series, tmp_path):
    def change(dataset, index):
        dataset.RescaleIntercept = 0

    write_series(tmp_path, image, change)
    assert read_series(tmp_path).warnings == [
        "no air in this CT: its lowest value is 24; are these HU?"
    ]


def test_ct_that_says_it_is_no_hu_is_told(image, write_series, tmp_path):
    def change(dataset, index):
        dataset.RescaleType = "MGML"

    write_series(tmp_path, image, change)
    assert read_series(tmp_path).warnings == ["RescaleType is MGML, not HU"]


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32])
@pytest.mark.parametrize(
    "slopes", [(None, None), (1, 1), (1, 2), (2, 1), (2, 2), (20, 20), (0.5, 1), (1, 0.5)]
)
@pytest.mark.parametrize(
    "intercepts", [(None, None), (-1024, -1024), (0, -1024), (-1024, 0), (0, 0.5), (40_000, 0)]
)
def test_values_are_slope_times_stored_plus_intercept_in_each_slice(kind, slopes, intercepts):
    """As 64-bit floats compute them; int16 if all are whole numbers that fit."""
    info = np.iinfo(kind)
    low, high = max(info.min, -3000), min(info.max, 4095)
    stored = np.linspace(low, high, 24).astype(kind).reshape(2, 3, 4)
    pairs = list(zip(slopes, intercepts))
    slices = [SimpleNamespace(slope=s, intercept=i, table=None) for s, i in pairs]
    applied = [(1 if s is None else s, i or 0) for s, i in pairs]
    expected = np.stack([plane * float(s) + i for plane, (s, i) in zip(stored, applied)])
    found, told = rescaled(stored.copy(), slices)
    whole = all(float(number).is_integer() for pair in applied for number in pair)
    fits = expected.min() >= -32768 and expected.max() <= 32767
    assert found.dtype == (np.int16 if whole and fits else np.float32)
    np.testing.assert_array_equal(found, expected.astype(found.dtype))
    assert bool(told) is (len(set(pairs)) > 1)


@pytest.mark.parametrize(("most", "kind"), [(32767, np.int16), (32768, np.float32)])
def test_values_of_a_table_are_whole_numbers_where_they_fit(most, kind):
    item, table = pydicom.Dataset(), pydicom.Dataset()
    table.file_meta = pydicom.dataset.FileMetaDataset()
    table.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    item.add_new("LUTDescriptor", "US", [2, 0, 16])
    item.add_new("LUTData", "OW", np.array([7, most], "<u2").tobytes())
    table.ModalityLUTSequence = [item]
    one = SimpleNamespace(slope=None, intercept=None, table=table)
    found, _ = rescaled(np.array([[[0, 1, 1]]], np.uint16), [one])
    assert found.dtype == kind
    assert found.ravel().tolist() == [7, most, most]


def test_label_slices_need_not_be_hu(image, write_series, tmp_path):
    write_series(tmp_path, image, _without("RescaleIntercept"))
    series = read_series(tmp_path, label=True)
    np.testing.assert_array_equal(series.volume.array, image.array + 1024)
    assert series.warnings == []


def _with_table(first=0, entries=4096, rescale=False):
    table = (np.arange(entries) ** 1.5 / 5).astype("<u2")

    def change(dataset, index):
        item = pydicom.Dataset()
        item.LUTDescriptor, item.ModalityLUTType = [entries, first, 16], "US"
        item.add_new("LUTData", "OW", table.tobytes())
        dataset.ModalityLUTSequence = [item]
        dataset.Modality = "MR"
        if not rescale:
            _without("RescaleIntercept", "RescaleSlope", "RescaleType")(dataset, index)

    return change, table


@pytest.mark.parametrize(("first", "entries"), [(0, 4096), (100, 2000)])
def test_a_modality_table_is_applied_and_told(first, entries, image, write_series, tmp_path):
    change, table = _with_table(first, entries)
    write_series(tmp_path, image, change)
    series = read_series(tmp_path)
    stored = image.array.astype(int) + 1024
    expected = table[np.clip(stored - first, 0, entries - 1)]
    np.testing.assert_array_equal(series.volume.array, expected)
    assert series.warnings == ["the values come from a Modality LUT Sequence"]


def test_a_table_and_a_rescale_are_refused(image, write_series, tmp_path):
    write_series(tmp_path, image, _with_table(rescale=True)[0])
    with pytest.raises(BadCase, match="a Modality LUT Sequence and a rescale"):
        read_series(tmp_path)


def test_a_table_that_one_slice_lacks_is_refused(image, write_series, tmp_path):
    def change(dataset, index):
        _with_table()[0](dataset, index)
        if index == 2:
            del dataset.ModalityLUTSequence

    write_series(tmp_path, image, change)
    with pytest.raises(BadCase, match=r"ModalityLUTSequence .* missing in 1 of 6"):
        read_series(tmp_path)


def test_a_table_that_breaks_off_is_refused(image, write_series, tmp_path):
    def change(dataset, index):
        _with_table()[0](dataset, index)
        dataset.ModalityLUTSequence[0].LUTData = b"\0" * 100

    write_series(tmp_path, image, change)
    with pytest.raises(BadCase, match="the Modality LUT Sequence is incomplete"):
        read_series(tmp_path)


def test_palette_colour_is_refused(image, write_series, tmp_path):
    def change(dataset, index):
        dataset.PhotometricInterpretation = "PALETTE COLOR"

    write_series(tmp_path, image, change)
    with pytest.raises(BadCase, match="the slices are in colour"):
        read_series(tmp_path)
