import numpy as np
import pytest

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume
from remodal.registration.label_place import check_label_place

GRID = Geometry((20, 40, 40), (3.0, 3.0, 5.0))


@pytest.fixture
def body():
    """A body of 40 HU in the lower half of the image, with lungs in its upper slices."""
    array = np.full(GRID.shape, -1000, np.int16)
    array[:, 18:38, 2:38] = 40
    array[10:, 22:34, 6:34] = -850
    return Volume(array, GRID)


def drawn(z, y, x):
    label = np.zeros(GRID.shape, np.uint8)
    label[z, y, x] = 1
    return label


IN_TISSUE = drawn(slice(2, 6), slice(24, 28), slice(8, 14))


def test_a_label_in_tissue_is_right(body):
    assert check_label_place(body, IN_TISSUE, -300, "c1, label-ct") == []


def test_a_label_that_a_flip_carried_out_of_the_body_is_refused_in_one_line(body):
    with pytest.raises(BadCase) as told:
        check_label_place(body, IN_TISSUE[:, ::-1], -300, "c1, label-ct")
    line = str(told.value)
    assert "c1, label-ct: 100% of the label lies outside the body" in line
    assert "flipped from front to back it would lie in tissue" in line
    assert "\n" not in line


def test_a_label_that_a_flip_carried_into_the_lungs_is_warned_of(body):
    (warning,) = check_label_place(body, IN_TISSUE[::-1], -300, "c1, label-ct")
    assert warning == (
        "100% of the label lies in air: flipped from head to foot it would lie in tissue"
    )


def test_two_flips_are_named(body):
    with pytest.raises(
        BadCase, match="from head to foot and from front to back it would lie in tissue"
    ):
        check_label_place(body, IN_TISSUE[::-1, ::-1], -300, "c1, label-ct")


def test_the_axes_are_those_of_the_patient():
    turned = Geometry((24, 20, 24), (3.0, 5.0, 3.0), direction=(1, 0, 0, 0, 0, 1, 0, 1, 0))
    array = np.full(turned.shape, -1000, np.int16)
    array[11:23, :, 2:22] = 40
    label = np.zeros(turned.shape, np.uint8)
    label[3:6, 2:6, 5:9] = 1
    with pytest.raises(BadCase, match="flipped from front to back"):
        check_label_place(Volume(array, turned), label, -300, "c1, label-ct")


def test_a_flip_within_the_body_cannot_be_noticed(body):
    assert check_label_place(body, IN_TISSUE[:, :, ::-1], -300, "c1, label-ct") == []


def test_a_label_of_the_lungs_is_only_warned_of(body):
    lungs = (body.array == -850).astype(np.uint8)
    (warning,) = check_label_place(body, lungs, -300, "c1, label-ct")
    assert warning.startswith("100% of the label lies in air")


def test_nothing_is_checked_without_a_threshold_or_a_label(body):
    outside = drawn(slice(0, 3), slice(0, 3), slice(0, 3))
    assert check_label_place(body, outside, None, "c1, label-mr") == []
    assert check_label_place(body, np.zeros_like(outside), -300, "c1, label-ct") == []
