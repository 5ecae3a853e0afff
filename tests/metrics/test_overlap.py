from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from medpy.metric import binary

from remodal.metrics.overlap import (
    Overlap,
    dice,
    jaccard,
    overlap,
    relative_volume_difference,
    volume_overlap_error,
)


@st.composite
def counts(draw):
    prediction = draw(st.integers(0, 1000))
    truth = draw(st.integers(0, 1000))
    shared = draw(st.integers(0, min(prediction, truth)))
    return Overlap(shared, prediction, truth)


def test_by_hand_on_two_boxes():
    prediction, truth = np.zeros((2, 4, 4, 4), dtype=bool)
    prediction[:2, :2, :2] = True
    truth[:2, :2, 1:4] = True
    found = overlap(prediction, truth)
    assert found == Overlap(intersection=4, prediction=8, truth=12)
    assert dice(found) == pytest.approx(40)
    assert jaccard(found) == pytest.approx(25)
    assert volume_overlap_error(found) == pytest.approx(75)
    assert relative_volume_difference(found) == pytest.approx(-100 / 3)


def test_as_medpy(lesion_masks):
    found = overlap(*lesion_masks)
    assert dice(found) == pytest.approx(100 * binary.dc(*lesion_masks))
    assert jaccard(found) == pytest.approx(100 * binary.jc(*lesion_masks))
    assert relative_volume_difference(found) == pytest.approx(100 * binary.ravd(*lesion_masks))


def test_both_empty_is_undefined():
    empty = Overlap(0, 0, 0)
    values = [m(empty) for m in (dice, jaccard, volume_overlap_error, relative_volume_difference)]
    assert all(map(isnan, values))
    assert not empty.missed


def test_empty_prediction_is_zero_and_missed():
    nothing = Overlap(0, 0, 9)
    assert (dice(nothing), jaccard(nothing), volume_overlap_error(nothing)) == (0, 0, 100)
    assert relative_volume_difference(nothing) == -100
    assert nothing.missed


def test_one_voxel_of_the_prediction_or_of_the_truth_decides_what_is_missed():
    assert Overlap(0, 0, 1).missed
    assert not Overlap(0, 1, 9).missed


def test_empty_truth_is_zero_but_not_missed():
    invented = Overlap(0, 9, 0)
    assert (dice(invented), jaccard(invented), volume_overlap_error(invented)) == (0, 0, 100)
    assert isnan(relative_volume_difference(invented))
    assert not invented.missed


@given(counts())
def test_dice_and_jaccard_are_one_metric_and_symmetric(found):
    swapped = Overlap(found.intersection, found.truth, found.prediction)
    if found.prediction + found.truth == 0:
        return
    d, j = dice(found) / 100, jaccard(found) / 100
    assert j == pytest.approx(d / (2 - d))
    assert 0 <= j <= d <= 1
    assert (dice(swapped), jaccard(swapped)) == (dice(found), jaccard(found))
