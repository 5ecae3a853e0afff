import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from remodal.metrics.lesions import LesionCounts, count_lesions


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
