import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from remodal.preprocessing.resampling import (
    CUBIC,
    LINEAR,
    NEAREST,
    axis_matrix,
    coarse_axis,
    orders,
    resample,
    resample_labels,
    resample_probabilities,
    resampled_shape,
)

SHAPES = [((9, 12, 15), (13, 12, 7)), ((10, 6, 8), (5, 12, 24)), ((7, 1, 2), (3, 3, 3))]


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def blobs(shape: tuple[int, ...], classes: int, seed: int = 0) -> np.ndarray:
    """Smooth random class indices with a rim of background."""
    smooth = [ndimage.gaussian_filter(noise(shape, seed + k), 1.5) for k in range(classes + 1)]
    labels = np.argmax(smooth, axis=0).astype(np.uint8)
    rim = np.zeros(shape, bool)
    rim[tuple(slice(length // 5, length - length // 5) for length in shape)] = True
    return np.where(rim, labels, 0).astype(np.uint8)


@pytest.mark.parametrize(("old", "new"), SHAPES)
@pytest.mark.parametrize("order", [LINEAR, NEAREST])
def test_linear_and_nearest_agree_with_scipy_zoom(old, new, order) -> None:
    image = noise(old)
    factors = np.array(new) / old
    expected = ndimage.zoom(image, factors, order=order, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(resample(image, new, (order,) * 3), expected, atol=1e-5)


def test_cubic_agrees_with_scipy_zoom_away_from_the_border() -> None:
    image = noise((40, 44, 48))
    new = (50, 40, 70)
    factors = np.array(new) / image.shape
    expected = ndimage.zoom(image, factors, order=3, mode="mirror", grid_mode=True)
    inner = tuple(slice(length // 3, 2 * length // 3) for length in new)
    result = resample(image, new, (CUBIC,) * 3)
    np.testing.assert_allclose(result[inner], expected[inner], atol=1e-4)


def test_a_cubic_polynomial_is_reproduced_exactly() -> None:
    x = np.arange(20.0)
    fine = (np.arange(55) + 0.5) * 20 / 55 - 0.5
    inside = (fine >= 0) & (fine <= 19)
    result = axis_matrix(20, 55, CUBIC).astype(float) @ (0.01 * x**3 - x**2 + 3)
    expected = 0.01 * fine**3 - fine**2 + 3
    np.testing.assert_allclose(result[inside], expected[inside], atol=1e-3)


def test_hundreds_of_patients_of_other_sizes_do_not_fill_the_memory() -> None:
    for length in range(100, 300):
        axis_matrix(length, 50, LINEAR)
    assert axis_matrix.cache_info().currsize <= 64


def test_an_unchanged_shape_is_the_identity() -> None:
    image = noise((5, 6, 7))
    np.testing.assert_array_equal(resample(image, image.shape, (CUBIC,) * 3), image)
    labels = blobs((9, 10, 11), 2)
    np.testing.assert_array_equal(resample_labels(labels, labels.shape, (LINEAR,) * 3), labels)


@pytest.mark.parametrize("new", [(17, 30, 21), (30, 11, 44), (20, 24, 28)])
@pytest.mark.parametrize("axis_orders", [(LINEAR,) * 3, (NEAREST, LINEAR, LINEAR)])
def test_labels_are_the_vote_of_their_classes(new, axis_orders) -> None:
    labels = blobs((20, 24, 28), 3)
    votes = np.stack([resample(labels == k, new, axis_orders) for k in range(4)])
    expected = 3 - np.argmax(votes[::-1], axis=0)
    unclear = np.sort(votes, axis=0)[-1] - np.sort(votes, axis=0)[-2] < 1e-6
    result = resample_labels(labels, new, axis_orders)
    np.testing.assert_array_equal(result[~unclear], expected[~unclear])


def test_a_tie_of_classes_goes_to_the_foreground() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1:3, 1:3, 1] = 1  # one voxel thick; halving x averages it with background
    assert resample_labels(labels, (4, 4, 2), (LINEAR,) * 3).sum() == 4


@pytest.mark.parametrize("axis_orders", [(LINEAR,) * 3, (NEAREST,) * 3])
@pytest.mark.parametrize("voxels", [0, 1])
def test_a_label_that_no_sample_meets_becomes_empty(voxels, axis_orders) -> None:
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[0, 0, 0] = voxels
    result = resample_labels(labels, (1, 3, 3), axis_orders)
    assert result.shape == (1, 3, 3)
    assert not result.any()


@pytest.mark.parametrize("new", [(17, 30, 21), (30, 11, 44), (20, 24, 28)])
@pytest.mark.parametrize("axis_orders", [(LINEAR,) * 3, (NEAREST, LINEAR, LINEAR)])
def test_the_class_of_probabilities_is_that_of_resampling_them_all(new, axis_orders) -> None:
    logits = np.stack([ndimage.gaussian_filter(noise((20, 24, 28), k), 2) * 20 for k in range(3)])
    logits[0] += 1.0
    probabilities = (np.exp(logits) / np.exp(logits).sum(axis=0)).astype(np.float32)
    whole = np.stack([resample(channel, new, axis_orders) for channel in probabilities])
    unclear = np.sort(whole, axis=0)[-1] - np.sort(whole, axis=0)[-2] < 1e-6
    result = resample_probabilities(probabilities, new, axis_orders)
    assert set(np.unique(result)) == {0, 1, 2}
    np.testing.assert_array_equal(result[~unclear], np.argmax(whole, axis=0)[~unclear])


def test_certain_background_stays_background() -> None:
    probabilities = np.zeros((2, 4, 5, 6), np.float32)
    probabilities[0] = 1
    assert not resample_probabilities(probabilities, (9, 9, 9), (LINEAR,) * 3).any()


def test_shapes_cover_the_same_extent_in_whole_voxels() -> None:
    assert resampled_shape((100, 512, 512), (3.0, 0.7, 0.7), (1.5, 0.8, 0.8)) == (200, 448, 448)
    assert resampled_shape((1, 4, 4), (1.0, 1.0, 1.0), (5.0, 8.0, 2.0)) == (1, 1, 2)


@pytest.mark.parametrize(
    ("spacing", "target", "axis"),
    [
        ((1.5, 0.7, 0.7), (1.5, 0.8, 0.8), None),
        ((5.0, 0.7, 0.7), (5.0, 0.8, 0.8), 0),
        ((2.2, 0.7, 0.7), (2.2, 0.8, 0.8), 0),
        ((2.0, 0.7, 0.7), (2.2, 0.8, 0.8), None),
        ((1.0, 1.0, 5.0), (1.0, 1.0, 1.0), 2),
        ((1.0, 1.0, 1.0), (6.0, 1.0, 1.0), 0),
        ((5.0, 5.0, 1.0), (1.0, 1.0, 1.0), None),
        ((3.0, 1.0, 1.0), (3.0, 1.0, 1.0), None),
    ],
)
def test_a_coarse_axis_is_one_more_than_three_times_the_finest(spacing, target, axis) -> None:
    assert coarse_axis(spacing, target) == axis


def test_only_a_coarse_axis_has_another_order() -> None:
    assert orders(CUBIC, None) == (CUBIC, CUBIC, CUBIC)
    assert orders(CUBIC, 0) == (NEAREST, CUBIC, CUBIC)
    assert orders(LINEAR, 2) == (LINEAR, LINEAR, NEAREST)


def test_slices_of_a_coarse_axis_are_not_mixed() -> None:
    image = noise((6, 10, 10))
    result = resample(image, (9, 10, 10), orders(CUBIC, 0))
    nearest = np.floor((np.arange(9) + 0.5) * 6 / 9).astype(int)
    np.testing.assert_array_equal(result, image[nearest])


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    program = (
        "import hashlib, numpy as np\n"
        "from remodal.preprocessing.resampling import resample\n"
        "image = np.random.default_rng(0).normal(size=(40, 90, 100)).astype(np.float32)\n"
        "print(hashlib.sha256(resample(image, (50, 130, 117), (3, 3, 3)).tobytes()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "3")
    }
    assert len(digests) == 1
