import numpy as np
import pytest

from remodal.errors import BadCase
from remodal.intake.bits import PixelFormat, keep_value_bits, pixel_format
from remodal.intake.dicom import read_series


@pytest.fixture
def twelve_bits(image):
    """The image clipped to what 12 signed bits can hold."""
    return image.with_array(np.clip(image.array, -1024, 1500))


def _words(words, kind="<u2"):
    return words.astype(kind).tobytes()


def test_overlay_bits_above_the_value_are_left_out_and_told(
    image, write_series, dcm2niix, tmp_path
):
    """Old files hold an overlay plane in bit 15 of every pixel (PS3.5 8.1.1)."""
    drawn = np.zeros((32, 34), int)
    drawn[5:9, 7:20] = 1 << 15

    def overlay(dataset, index):
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = _words((image.array[index].astype(int) + 1024) | drawn)

    write_series(tmp_path / "clean", image)
    write_series(tmp_path / "drawn", image, overlay)
    series = read_series(tmp_path / "drawn")
    np.testing.assert_array_equal(series.volume.array, image.array)
    np.testing.assert_array_equal(dcm2niix(tmp_path / "clean").array, series.volume.array)
    assert series.warnings == ["bits that are no value (overlays?) are left out (6 slices)"]


@pytest.mark.parametrize("extended", [True, False])
def test_a_sign_is_extended_where_the_writer_did_not(extended, twelve_bits, write_series, tmp_path):
    def signed(dataset, index):
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 12, 11
        dataset.RescaleIntercept = 0
        words = twelve_bits.array[index].astype(int)
        dataset.PixelData = _words(words, "<i2") if extended else _words(words & 0xFFF)

    slices = write_series(tmp_path, twelve_bits, signed)
    series = read_series(tmp_path)
    np.testing.assert_array_equal(series.volume.array, twelve_bits.array)
    assert series.warnings == []
    # pydicom corrects the bits as the standard says.
    by_height = sorted(slices, key=lambda one: one.ImagePositionPatient[2])
    np.testing.assert_array_equal(series.volume.array, [one.pixel_array for one in by_height])


def test_values_in_the_upper_bits_are_shifted_down(twelve_bits, write_series, tmp_path):
    def left_aligned(dataset, index):
        dataset.BitsStored, dataset.HighBit = 12, 15
        dataset.PixelData = _words((twelve_bits.array[index].astype(int) + 1024) << 4 | 0b0101)

    write_series(tmp_path, twelve_bits, left_aligned)
    series = read_series(tmp_path)
    np.testing.assert_array_equal(series.volume.array, twelve_bits.array)
    assert any("no value" in warning for warning in series.warnings)


@pytest.mark.parametrize("bits", [1, 7, 8, 10, 12, 15, 16])
@pytest.mark.parametrize("above", [0, 1, 4])
@pytest.mark.parametrize("kind", ["u2", "i2"])
def test_every_word_means_what_its_value_bits_say(bits, above, kind):
    high_bit = bits - 1 + above
    if high_bit > 15:
        return
    words = np.arange(1 << 16, dtype=np.uint16)
    form = PixelFormat(np.dtype(kind), bits, high_bit)
    expected = (words.astype(int) >> above) & ((1 << bits) - 1)
    if kind == "i2":
        expected = np.where(expected >= 1 << bits - 1, expected - (1 << bits), expected)
    plane = words.view(kind).copy()
    keep_value_bits(plane, form)
    np.testing.assert_array_equal(plane, expected)


@pytest.mark.parametrize(("stored", "high_bit"), [(17, 16), (16, 11), (12, 16), (12, 10), (40, 39)])
def test_bits_that_do_not_fit_are_refused(stored, high_bit, image, write_series, tmp_path):
    def change(dataset, index):
        dataset.BitsStored, dataset.HighBit = stored, high_bit

    write_series(tmp_path, image, change)
    with pytest.raises(BadCase, match=f"BitsStored {stored} and HighBit {high_bit} do not fit"):
        read_series(tmp_path)


def test_bits_that_are_not_said_are_all(image):
    form = pixel_format({"BitsAllocated": 16, "PixelRepresentation": 0, "BitsStored": ""})
    assert (form.bits, form.high_bit, form.padding) == (16, 15, None)


@pytest.mark.parametrize(
    ("signed", "padding", "said", "limit"),
    [(1, -2000, -2000, None), (1, -2000, 63536, None), (1, -2010, -2020, -2000)],
    ids=["signed", "read as unsigned", "range"],
)
def test_padding_that_is_no_density_takes_the_lowest_value(
    signed, padding, said, limit, image, write_series, dcm2niix, tmp_path
):
    y, x = np.mgrid[:32, :34]
    outside = (y - 16) ** 2 + (x - 17) ** 2 > 15**2

    def pad(dataset, index):
        dataset.PixelRepresentation, dataset.RescaleIntercept = signed, -1024
        stored = np.where(outside, padding, image.array[index].astype(int) + 1024)
        dataset.PixelData = _words(stored, "<i2")
        dataset.add_new("PixelPaddingValue", "SS" if said < 0 else "US", said)
        if limit is not None:
            dataset.add_new("PixelPaddingRangeLimit", "SS", limit)

    write_series(tmp_path, image, pad)
    series = read_series(tmp_path)
    inside = np.broadcast_to(~outside, image.array.shape)
    np.testing.assert_array_equal(series.volume.array[inside], image.array[inside])
    assert set(series.volume.array[~inside]) == {image.array[inside].min()}
    assert series.warnings == [
        "padding around the image (35% of the voxels) was given its lowest value"
    ]
    np.testing.assert_array_equal(dcm2niix(tmp_path).array[inside], image.array[inside])


def test_padding_beyond_the_value_bits_does_not_become_bone(image, write_series, tmp_path):
    """Some scanners pad with -2000 as an unsigned word; its lower 12 bits would be bone."""

    def pad(dataset, index):
        dataset.BitsStored, dataset.HighBit = 12, 11
        stored = image.array[index].astype(int) + 1024
        stored[:, :3] = 63536
        dataset.PixelData, dataset.PixelPaddingValue = _words(stored), 63536

    write_series(tmp_path, image, pad)
    array = read_series(tmp_path).volume.array
    np.testing.assert_array_equal(array[:, :, 3:], image.array[:, :, 3:])
    assert array[:, :, :3].max() <= -1000


def test_slices_that_differ_in_their_padding_keep_it_and_that_is_told(
    image, write_series, tmp_path
):
    def pad(dataset, index):
        stored = image.array[index].astype(int) + 1024
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, -1024
        if index < 4:
            stored[:, 0] = -2000 - index
            dataset.add_new("PixelPaddingValue", "SS", -2000 - index)
        dataset.PixelData = _words(stored, "<i2")

    write_series(tmp_path, image, pad)
    series = read_series(tmp_path)
    assert series.volume.array.min() == -2003 - 1024
    assert series.warnings[0] == (
        "the slices mark different values as padding, and 4 of 6 hold some: it was left as it is"
    )


@pytest.mark.parametrize("padding", [24, 1024 - 1024, 1500], ids=["-1000", "-1024", "476"])
def test_padding_that_may_be_image_is_left(padding, image, write_series, tmp_path):
    def pad(dataset, index):
        dataset.PixelPaddingValue = padding

    write_series(tmp_path, image, pad)
    np.testing.assert_array_equal(read_series(tmp_path).volume.array, image.array)
