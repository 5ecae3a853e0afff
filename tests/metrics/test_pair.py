import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from remodal.metrics.pair import MaskPair
from remodal.metrics.surface import assd, hd95

SPACING = (2.0, 0.5, 0.7)


@settings(deadline=None)
@given(
    arrays(bool, (3, 4, 5)),
    arrays(bool, (3, 4, 5)),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=3),
)
def test_empty_margins_change_nothing(prediction, truth, margins):
    near = MaskPair(prediction, truth, SPACING)
    far = MaskPair(np.pad(prediction, margins), np.pad(truth, margins), SPACING)
    assert far.overlap == near.overlap
    assert far.lesions(0.1) == near.lesions(0.1)
    for distances in ("voxel_distances", "mm_distances"):
        here, there = getattr(near, distances), getattr(far, distances)
        np.testing.assert_allclose(here.from_prediction, there.from_prediction)
        np.testing.assert_allclose(here.from_truth, there.from_truth)


def test_crops_to_the_union_of_both():
    prediction, truth = np.zeros((2, 9, 9, 9), dtype=bool)
    prediction[1, 2, 3] = truth[4, 5, 8] = True
    pair = MaskPair(prediction, truth, SPACING)
    assert pair.prediction.shape == (4, 4, 6)
    assert pair.prediction[0, 0, 0]
    assert pair.truth[3, 3, 5]


def test_voxel_distances_ignore_the_spacing():
    prediction, truth = np.zeros((2, 1, 1, 9), dtype=bool)
    prediction[0, 0, 2] = truth[0, 0, 7] = True
    pair = MaskPair(prediction, truth, (3.0, 3.0, 0.5))
    assert assd(pair.voxel_distances) == pytest.approx(5)
    assert assd(pair.mm_distances) == pytest.approx(2.5)


def test_one_spacing_for_all_axes_only_scales(lesion_masks):
    pair = MaskPair(*lesion_masks, (1.5, 1.5, 1.5))
    slightly_off = MaskPair(*lesion_masks, (1.5, 1.5, 1.5 + 1e-9))
    assert hd95(pair.mm_distances) == pytest.approx(hd95(slightly_off.mm_distances), abs=1e-6)
    assert assd(pair.mm_distances) == pytest.approx(assd(slightly_off.mm_distances), abs=1e-6)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="ground truth"):
        MaskPair(np.zeros((1, 1, 2), bool), np.zeros((1, 2, 1), bool), SPACING)
