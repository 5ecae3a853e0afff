import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from remodal.metrics.lesions import LesionCounts, count_lesions, match_lesions


def row(text):
    """A mask of one row of voxels, `#` is lesion."""
    return np.array([[[letter == "#" for letter in text]]])


def test_two_found_one_missed_one_invented():
    truth = row("##..##..##....")
    found = row("##..#.......##")
    assert count_lesions(found, truth, 0.1) == LesionCounts(3, found=2, predicted=3, false=1)


def test_overlap_below_the_threshold_is_neither_found_nor_right():
    truth, prediction = row("####......"), row("...#######")
    assert count_lesions(prediction, truth, 0.1) == LesionCounts(1, 1, 1, 0)
    assert count_lesions(prediction, truth, 0.11) == LesionCounts(1, 0, 1, 1)


def test_one_prediction_can_find_two_lesions():
    assert count_lesions(row("######"), row("##..##"), 0.3) == LesionCounts(2, 2, 1, 0)


def test_pieces_find_a_lesion_together():
    """Each piece covers a third of the lesion, too little alone; together they cover two."""
    assert count_lesions(row("##..##"), row("######"), 0.5) == LesionCounts(1, 1, 2, 2)


def test_a_touching_giant_does_not_undo_a_good_match():
    truth = row("######" + "." * 35)
    prediction = row("####." + "#" * 36)
    assert count_lesions(prediction, truth, 0.5) == LesionCounts(1, 1, 2, 1)


def test_corners_connect():
    truth = np.zeros((2, 2, 2), dtype=bool)
    truth[0, 0, 0] = truth[1, 1, 1] = True
    assert count_lesions(truth, truth, 0.5) == LesionCounts(1, 1, 1, 0)


def test_nothing_is_found_without_a_common_voxel_even_at_threshold_zero():
    assert count_lesions(row("##...."), row("....##"), 0.0) == LesionCounts(1, 0, 1, 1)


def test_empty_masks():
    assert count_lesions(row("..."), row("..."), 0.1) == LesionCounts(0, 0, 0, 0)
    assert count_lesions(row("..."), row("#.#"), 0.1) == LesionCounts(2, 0, 0, 0)
    assert count_lesions(row("#.#"), row("..."), 0.1) == LesionCounts(0, 0, 2, 2)


@settings(deadline=None)
@given(arrays(bool, (3, 4, 4)), arrays(bool, (3, 4, 4)), st.floats(0, 1))
def test_exchanging_prediction_and_truth_exchanges_recall_and_precision(first, second, threshold):
    there = count_lesions(first, second, threshold)
    back = count_lesions(second, first, threshold)
    assert there.lesions == back.predicted
    assert there.found == back.predicted - back.false
    assert 0 <= there.found <= there.lesions
    assert 0 <= there.false <= there.predicted


def test_thousands_of_specks_need_little_memory():
    """27,000 true and 13,500 predicted ones: a full table of pairs would take 2.9 GB."""
    truth = np.zeros((60, 60, 60), dtype=bool)
    truth[::2, ::2, ::2] = True
    prediction = truth.copy()
    prediction[:30] = False
    tracemalloc.start()
    found = count_lesions(prediction, truth, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == LesionCounts(27_000, found=13_500, predicted=13_500, false=0)
    assert peak < 100e6


def five_lesions():
    """Prediction and truth: one found well, one in part, one in pieces, two merged, one invented.

    Intersections over union: 24 / 40, 12 / 32, 8 / 32 and 16 / 32, twice 4 / 10.
    """
    truth, prediction = np.zeros((2, 4, 8, 24), dtype=bool)
    truth[1:3, 1:5, 1:5] = prediction[1:3, 1:5, 2:6] = True
    truth[1:3, 1:5, 8:12] = prediction[1:3, 1:3, 8:11] = True
    truth[1:3, 1:5, 14:18] = prediction[1:3, 1:5, 14] = prediction[1:3, 1:5, 16:18] = True
    truth[1:3, 6, 1:3] = truth[1:3, 6, 4:6] = prediction[1:3, 6, 1:6] = True
    prediction[0, 7, 20:23] = True
    return prediction, truth


#: Lesions found, false and missed by panoptica 2.1.7 (components of cc3d, NaiveThresholdMatching)
#: of `five_lesions`, by threshold; and without those in pieces and the merged ones.
PANOPTICA = {0.5: (2, 4, 3), 0.1: (4, 2, 1)}
PANOPTICA_ONE_TO_ONE = {0.5: (1, 2, 1), 0.1: (2, 1, 0)}


@pytest.mark.parametrize("threshold", [0.5, 0.1])
def test_lesions_that_lie_one_to_one_are_counted_as_by_panoptica(threshold):
    prediction, truth = five_lesions()
    for mask in (prediction, truth):
        mask[..., 13:20] = mask[:, 6] = False
    ours = count_lesions(prediction, truth, threshold)
    assert PANOPTICA_ONE_TO_ONE[threshold] == (ours.found, ours.false, ours.lesions - ours.found)


def test_pieces_and_merged_lesions_count_unlike_in_panoptica():
    """There a lesion has one partner at most: one piece is false, and a merged lesion missed."""
    ours = count_lesions(*five_lesions(), 0.1)
    assert ours == LesionCounts(lesions=5, found=5, predicted=6, false=1)
    found, false, missed = PANOPTICA[0.1]
    assert (ours.found - found, false - ours.false, missed) == (1, 1, 1)
    ours = count_lesions(*five_lesions(), 0.5)
    assert ours == LesionCounts(lesions=5, found=2, predicted=6, false=3)
    found, false, missed = PANOPTICA[0.5]
    assert (ours.found - found, false - ours.false, missed) == (0, 1, 3)


def test_each_true_lesion_has_its_volume_and_the_dice_of_what_finds_it():
    truth = row("####..##..#...")
    prediction = row("####..######..")
    whole, half, specks = match_lesions(prediction, truth, 0.25).true_lesions(voxel=500.0)
    assert (whole.volume, whole.found, whole.dice) == (2.0, True, 1.0)
    # Two of the six voxels that touch it: intersection over union 1/3, Dice 2 * 2 / (2 + 6).
    assert (half.volume, half.found, half.dice) == (1.0, True, pytest.approx(0.5))
    assert (specks.volume, specks.found) == (0.5, False)
    assert np.isnan(specks.dice)


@settings(deadline=None)
@given(arrays(bool, (3, 4, 4)), arrays(bool, (3, 4, 4)), st.floats(0, 1))
def test_true_lesions_are_those_that_are_counted(prediction, truth, threshold):
    matched = match_lesions(prediction, truth, threshold)
    lesions = matched.true_lesions(voxel=1000.0)
    assert len(lesions) == matched.counts.lesions
    assert sum(one.found for one in lesions) == matched.counts.found
    assert sum(one.volume for one in lesions) == truth.sum()
