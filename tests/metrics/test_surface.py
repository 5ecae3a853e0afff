from math import isnan, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from medpy.metric import binary
from monai.metrics import compute_average_surface_distance
from scipy.ndimage import binary_erosion, distance_transform_edt

from remodal.metrics import surface as module
from remodal.metrics.pair import MaskPair
from remodal.metrics.surface import asd, assd, hd95, masd, rmsd, surface, surface_distances

ANISOTROPIC = (2.5, 0.7, 0.8)
METRICS = (asd, assd, masd, hd95, rmsd)


def distances_of(prediction, truth, spacing=(1, 1, 1)):
    return surface_distances(surface(prediction), surface(truth), spacing)


def masks(shape, *voxels):
    mask = np.zeros(shape, dtype=bool)
    for voxel in voxels:
        mask[voxel] = True
    return mask


@pytest.fixture(params=["tree", "transform"])
def way(request, monkeypatch):
    """Both ways of finding distances, whichever the size would have chosen."""
    voxels = {"tree": 0, "transform": 10**9}[request.param]
    monkeypatch.setattr(module, "_VOXELS_PER_QUERY", voxels)
    monkeypatch.setattr(module, "_AT_A_TIME", 7)  # so that even few voxels are several parts


@pytest.mark.usefixtures("way")
class TestByHand:
    def test_two_voxels(self):
        found = distances_of(masks((5, 5, 5), (0, 0, 0)), masks((5, 5, 5), (1, 2, 2)), (2, 1, 1))
        expected = sqrt(4 + 4 + 4)
        assert [metric(found) for metric in METRICS] == pytest.approx([expected] * 5)

    def test_two_cubes_face_to_face(self):
        """Cubes of 2 voxels, 3 voxels apart in x: each voxel is 3 or 4 from the other cube."""
        prediction, truth = np.zeros((2, 2, 2, 8), dtype=bool)
        prediction[..., 0:2] = truth[..., 4:6] = True
        found = distances_of(prediction, truth, (1, 1, 0.5))
        assert sorted(found.from_prediction) == pytest.approx([1.5] * 4 + [2.0] * 4)
        assert assd(found) == masd(found) == asd(found) == pytest.approx(1.75)
        assert rmsd(found) == pytest.approx(sqrt((1.5**2 + 2**2) / 2))
        assert hd95(found) == pytest.approx(2.0)

    def test_pooled_and_directed_means_differ(self):
        """Prediction: 1 true voxel and 1 far one; truth: 1 voxel. Directed means 5 and 0."""
        prediction = masks((1, 1, 20), (0, 0, 0), (0, 0, 10))
        found = distances_of(prediction, masks((1, 1, 20), (0, 0, 0)))
        assert asd(found) == pytest.approx(5)
        assert masd(found) == pytest.approx(2.5)
        assert assd(found) == pytest.approx(10 / 3)

    def test_against_medpy_with_anisotropic_spacing(self, lesion_masks):
        found = distances_of(*lesion_masks, ANISOTROPIC)
        assert assd(found) == pytest.approx(binary.assd(*lesion_masks, ANISOTROPIC), abs=1e-9)
        assert asd(found) == pytest.approx(binary.asd(*lesion_masks, ANISOTROPIC), abs=1e-9)
        assert hd95(found) == pytest.approx(binary.hd95(*lesion_masks, ANISOTROPIC), abs=1e-9)

    def test_masd_is_the_mean_of_medpys_directed_means(self, lesion_masks):
        there = binary.asd(*lesion_masks, ANISOTROPIC)
        back = binary.asd(*lesion_masks[::-1], ANISOTROPIC)
        found = distances_of(*lesion_masks, ANISOTROPIC)
        assert masd(found) == pytest.approx((there + back) / 2, abs=1e-9)

    def test_against_monai(self, lesion_masks):
        prediction, truth = (torch.from_numpy(mask)[None, None] for mask in lesion_masks)
        expected = compute_average_surface_distance(
            prediction, truth, include_background=True, symmetric=True, spacing=ANISOTROPIC
        )
        found = assd(distances_of(*lesion_masks, ANISOTROPIC))
        assert found == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.usefixtures("way")
def test_distances_are_those_of_scipys_transform():
    rng = np.random.default_rng(0)
    prediction, truth = rng.random((2, 9, 10, 11)) < [[[[0.3]]], [[[0.02]]]]
    found = surface_distances(prediction, truth, ANISOTROPIC)
    expected = distance_transform_edt(~truth, sampling=ANISOTROPIC)[prediction]
    np.testing.assert_allclose(found.from_prediction, expected, rtol=1e-15)


def test_surface_counts_the_arrays_border_as_medpy_does():
    full = np.ones((4, 4, 4), dtype=bool)
    assert surface(full).sum() == 4**3 - 2**3
    assert binary.assd(full, masks((4, 4, 4), (1, 1, 1))) == pytest.approx(
        assd(distances_of(full, masks((4, 4, 4), (1, 1, 1))))
    )


@given(arrays(bool, array_shapes(min_dims=3, max_dims=3, max_side=6)))
def test_surface_is_what_an_erosion_removes(mask):
    before = mask.copy()
    np.testing.assert_array_equal(surface(mask), mask & ~binary_erosion(mask))
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize("empty", ["prediction", "truth", "both"])
def test_empty_mask_is_undefined(empty):
    nothing, something = masks((3, 3, 3)), masks((3, 3, 3), (1, 1, 1))
    prediction = something if empty == "truth" else nothing
    truth = something if empty == "prediction" else nothing
    pair = MaskPair(prediction, truth, ANISOTROPIC)
    assert all(isnan(metric(pair.mm_distances)) for metric in METRICS)
    assert all(isnan(metric(pair.voxel_distances)) for metric in METRICS)


pairs_of_masks = array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=7).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


@settings(deadline=None)
@given(pairs_of_masks)
def test_symmetric_metrics_and_bounds(pair):
    prediction, truth = pair
    if not prediction.any() or not truth.any():
        return
    found = distances_of(prediction, truth, ANISOTROPIC)
    swapped = distances_of(truth, prediction, ANISOTROPIC)
    for metric in (assd, masd, hd95, rmsd):
        assert metric(found) == pytest.approx(metric(swapped))
    diagonal = float(np.linalg.norm(np.array(prediction.shape) * ANISOTROPIC))
    largest = found.pooled.max()
    assert 0 <= assd(found) <= rmsd(found) + 1e-12
    assert rmsd(found) <= largest + 1e-12 <= diagonal
    assert hd95(found) <= largest
    assert (assd(found) == 0) == np.array_equal(surface(prediction), surface(truth))


@settings(deadline=None, max_examples=50)
@given(pairs_of_masks)
def test_values_are_medpys(pair):
    if not pair[0].any() or not pair[1].any():
        return
    found = MaskPair(*pair, ANISOTROPIC).mm_distances
    assert assd(found) == pytest.approx(binary.assd(*pair, ANISOTROPIC), abs=1e-9)
    assert hd95(found) == pytest.approx(binary.hd95(*pair, ANISOTROPIC), abs=1e-9)


def ball(shape, spacing, centre, radius):
    """A ball of a radius in mm around a centre in mm."""
    axes = [np.arange(n) * step - middle for n, step, middle in zip(shape, spacing, centre)]
    return sum(axis**2 for axis in np.ix_(*axes)) <= radius**2


#: By Surface-Distance-Based-Measures 0.1 (google-deepmind/surface-distance): mean distances from
#: the truth and from the prediction, 95th percentile, greatest distance.
SURFACE_DISTANCE = {
    (1.0, 1.0, 1.0): (1.8198556, 1.4938744, 3.7416574, 4.6904158),
    (5.0, 1.0, 1.0): (1.7577563, 1.0176523, 5.0, 5.3851648),
}


@pytest.mark.parametrize(("spacing", "least", "most"), [((1, 1, 1), 13, 18), ((5, 1, 1), 15, 28)])
def test_elements_between_voxels_give_other_means_and_the_same_greatest_distance(
    spacing, least, most
):
    shape = (40 // spacing[0], 40, 40)
    truth, prediction = (
        ball(shape, spacing, *of) for of in (((20, 20, 20), 12), ((21, 18, 21), 10))
    )
    found = distances_of(prediction, truth, spacing)
    directed = found.from_truth, found.from_prediction
    theirs = SURFACE_DISTANCE[spacing]
    assert max(distances.max() for distances in directed) == pytest.approx(theirs[3])
    for distances, mean in zip(directed, theirs):
        assert least < 100 * (distances.mean() / mean - 1) < most
    assert max(np.percentile(distances, 95) for distances in directed) >= theirs[2]
