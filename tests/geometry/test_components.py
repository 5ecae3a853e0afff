"""Connected parts of a mask, and the largest: by hand, beside skimage, and in metrics."""

from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import label

from remodal.errors import UserError
from remodal.geometry.components import connected_parts, largest_component
from remodal.metrics import pair as pairs
from remodal.metrics.pair import MaskPair
from remodal.metrics.registry import require_case_metric

SPACING = (1.0, 1.0, 1.0)
EMPTY = np.zeros((4, 6, 9), bool)


def measured(name: str, prediction: np.ndarray, truth: np.ndarray) -> float:
    return require_case_metric(name, "test").measure(MaskPair(prediction, truth, SPACING))


@settings(deadline=None, max_examples=200)
@given(arrays(bool, (4, 5, 6), elements=st.sampled_from([True, False, False, False])))
def test_parts_are_numbered_as_by_skimage(mask) -> None:
    parts, count = connected_parts(mask)
    expected, expected_count = label(mask, return_num=True)
    np.testing.assert_array_equal(parts, expected)
    assert count == expected_count


@settings(deadline=None, max_examples=200)
@given(arrays(bool, (4, 5, 6), elements=st.sampled_from([True, False, False, False])))
def test_it_is_the_one_that_the_repositories_keep(mask) -> None:
    """Skimage's labels, and the first of the most frequent ones."""
    labels = label(mask)
    expected = mask
    if labels.max():
        expected = labels == np.argmax(np.bincount(labels.flat)[1:]) + 1
    np.testing.assert_array_equal(largest_component(mask), expected)


def test_voxels_that_share_a_corner_are_connected() -> None:
    mask = EMPTY.copy()
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True
    mask[0, 4:6, 8] = True
    assert largest_component(mask).sum() == 3
    assert ndimage.label(mask)[1] == 4


@pytest.fixture
def speckled() -> tuple[np.ndarray, np.ndarray]:
    """A truth of 8 voxels, found but for one of its rows; and a speck of 2 voxels far from it."""
    truth, prediction = EMPTY.copy(), EMPTY.copy()
    truth[0, 0:2, 0:4] = True
    prediction[0, 0, 0:4] = True
    prediction[3, 5, 7:9] = True
    return prediction, truth


def test_a_speck_counts_in_a_metric_but_not_in_that_of_the_largest_component(speckled) -> None:
    assert measured("dice", *speckled) == pytest.approx(100 * 8 / 14)
    assert measured("dice_largest", *speckled) == pytest.approx(100 * 8 / 12)
    assert measured("jaccard_largest", *speckled) == pytest.approx(100 * 4 / 8)
    assert measured("rvd_largest", *speckled) == pytest.approx(-50)
    assert measured("asd_voxel_largest", *speckled) == 0
    speck = [sqrt(3**2 + 4**2 + 4**2), sqrt(3**2 + 4**2 + 5**2)]
    assert measured("asd_voxel", *speckled) == pytest.approx(sum(speck) / 6)
    assert measured("hd95_voxel_largest", *speckled) == 1.0


def test_an_empty_prediction_stays_empty(speckled) -> None:
    _, truth = speckled
    assert measured("dice_largest", EMPTY, truth) == 0
    assert isnan(measured("asd_voxel_largest", EMPTY, truth))
    assert isnan(measured("dice_largest", EMPTY, EMPTY))


def test_a_convention_on_empty_masks_holds_for_the_largest_component_too(speckled) -> None:
    prediction, truth = speckled
    for name in ("dice", "jaccard", "asd_voxel", "hd95_voxel"):
        assert measured(f"{name}_largest_dtc", EMPTY, truth) == 0
        found = measured(f"{name}_largest_dtc", prediction, truth)
        assert found == measured(f"{name}_largest", prediction, truth)


def test_a_heading_says_that_it_is_of_the_largest_component() -> None:
    titles = {
        "asd_voxel_largest": "ASD one-way (largest component) [voxel]",
        "dice_largest_dtc": "Dice (largest component; no prediction: 0) [%]",
    }
    for name, title in titles.items():
        assert require_case_metric(name, "test").title == title


def test_the_parts_of_a_name_have_one_order() -> None:
    with pytest.raises(UserError, match=r"unknown metric `dice_dtc_largest`.*dice_largest_dtc"):
        require_case_metric("dice_dtc_largest", "test")


def test_components_are_looked_for_once_in_a_case_and_only_if_asked_for(speckled, monkeypatch):
    calls = []
    kept = largest_component
    monkeypatch.setattr(pairs, "largest_component", lambda mask: calls.append(1) or kept(mask))
    pair = MaskPair(*speckled, SPACING)
    require_case_metric("dice", "test").measure(pair)
    assert not calls
    for name in ("dice_largest", "hd95_voxel_largest", "dice_largest_dtc"):
        require_case_metric(name, "test").measure(pair)
    assert len(calls) == 1


def test_a_prediction_of_one_piece_is_measured_once(speckled) -> None:
    _, truth = speckled
    pair = MaskPair(truth, truth, SPACING)
    assert pair.largest is pair
