import numpy as np
import pytest
import torch
from scipy import ndimage

from remodal.training.augmentation import rotation
from remodal.training.resampling import (
    Deformation,
    Elastic,
    _resample_at_once,
    _resample_planes,
    coordinates,
    displacement,
    knots,
    nearest,
    resample,
    smoothing,
    source_box,
)

PATCH = (10, 14, 12)


def scene(shape=(24, 28, 26), seed=0):
    """Two smooth modalities and a label of a few blobs."""
    rng = np.random.default_rng(seed)
    image = np.stack([ndimage.gaussian_filter(rng.standard_normal(shape), 1.5) for _ in range(2)])
    label = (image[0] > 0.02).astype(np.uint8) + (image[1] > 0.05)
    return image.astype(np.float32), label.astype(np.uint8)


def resampled(image, label, deformation, centre, patch=PATCH):
    out = torch.empty((2, *patch))
    label = torch.from_numpy(label)
    (found,) = resample(torch.from_numpy(image), [label], deformation, centre, out)
    return out.numpy(), found.numpy()


def by_scipy(volume, matrix, centre, patch, order):
    offset = centre - matrix @ ((np.array(patch) - 1) / 2)
    return ndimage.affine_transform(volume, matrix, offset, patch, order=order, mode="nearest")


TURNED = rotation(np.radians([8.0, -12.0, 15.0]))
MATRICES = {
    "rotation": TURNED,
    "rotation and zoom": 1.2 * TURNED,
    "zoom": np.diag([0.87, 0.87, 0.87]),
    "mirrored zoom": np.diag([-1.07, 1.07, -1.07]),
    "mirrored rotation": TURNED @ np.diag([1.0, -1.0, 1.0]),
}


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_an_affine_change_is_that_of_scipy(matrix):
    image, label = scene()
    centre = np.array([11.3, 13.8, 12.45])
    found, found_label = resampled(image, label, Deformation(matrix), centre)
    for channel, expected in zip(found, image):
        reference = by_scipy(expected, matrix, centre, PATCH, order=1)
        np.testing.assert_allclose(channel, reference, atol=1e-4)
    np.testing.assert_array_equal(found_label, by_scipy(label, matrix, centre, PATCH, order=0))


@pytest.mark.parametrize("centre", [(9.37, 1.63, 24.21), (9.37, 26.21, 1.63)])
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_beyond_the_border_the_outermost_voxels_go_on_in_a_patch_of_many_planes(matrix, centre):
    image, label = scene()
    patch, centre = (70, 14, 12), np.array(centre)
    found, found_label = resampled(image, label, Deformation(matrix), centre, patch)
    for channel, expected in zip(found, image):
        reference = by_scipy(expected, matrix, centre, patch, order=1)
        np.testing.assert_allclose(channel, reference, atol=2e-4)
    np.testing.assert_array_equal(found_label, by_scipy(label, matrix, centre, patch, order=0))


def test_an_elastic_change_without_a_rotation_is_no_zoom():
    image, label = (torch.from_numpy(part) for part in scene())
    noise = np.random.default_rng(1).standard_normal((3, *(knots(n, 4.0) for n in PATCH)))
    deformation = Deformation(np.diag([1.1, 1.0, 0.9]), Elastic(noise, 4.0, 1.5))
    assert not deformation.separable
    assert Deformation(deformation.matrix).separable
    centre, found, expected = np.array([11.3, 13.8, 12.45]), *torch.empty((2, 2, *PATCH))
    (found_label,) = resample(image, [label], deformation, centre, found)
    positions = coordinates(deformation, centre, PATCH, torch.device("cpu"))
    (expected_label,) = _resample_at_once(image, [label], positions, expected)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert torch.equal(found_label, expected_label)


def test_the_source_box_of_an_elastic_change_reaches_four_deviations_further():
    plain = Deformation(np.diag([1.0, 2.0, 1.0]))
    elastic = Deformation(plain.matrix, Elastic(np.zeros((3, 2, 2, 2)), 4.0, 1.5))
    centre = np.array([50.0, 50.0, 50.0])
    assert source_box(plain, centre, (5, 5, 5)) == ((48, 46, 48), (5, 9, 5))
    assert source_box(elastic, centre, (5, 5, 5)) == ((42, 34, 42), (17, 33, 17))


def test_a_rotation_by_90_degrees_moves_every_voxel_to_its_place():
    image, label = scene((9, 9, 9))
    turn = rotation(np.radians([90.0, 0.0, 0.0]))
    found, found_label = resampled(image, label, Deformation(turn), np.full(3, 4.0), (9, 9, 9))
    np.testing.assert_allclose(found, np.rot90(image, -1, (2, 3)), atol=1e-4)
    np.testing.assert_array_equal(found_label, np.rot90(label, -1, (1, 2)))


def test_one_call_on_a_gpu_gives_what_the_planes_give_on_a_cpu():
    """The GPU's path runs on a CPU too, if slowly: that is how it can be compared here."""
    image, label = scene()
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((3, *(knots(n, 4.0) for n in PATCH)))
    deformation = Deformation(TURNED, Elastic(noise, 4.0, 0.8))
    centre = np.array([11.3, 13.8, 12.45])
    found, found_label = resampled(image, label, deformation, centre)
    positions = coordinates(deformation, centre, PATCH, torch.device("cpu"))
    whole = torch.empty((2, *PATCH))
    (whole_label,) = _resample_at_once(
        torch.from_numpy(image), [torch.from_numpy(label)], positions, whole
    )
    np.testing.assert_allclose(found, whole.numpy(), atol=1e-4)
    np.testing.assert_array_equal(found_label, whole_label.numpy())


def test_the_source_box_holds_every_position_and_no_more():
    deformation, centre = Deformation(1.2 * TURNED), np.array([50.2, 60.4, 70.6])
    start, shape = source_box(deformation, centre, PATCH)
    positions = coordinates(deformation, centre, PATCH, torch.device("cpu")).flatten(1)
    low, high = positions.amin(1).numpy(), positions.amax(1).numpy()
    np.testing.assert_array_equal(start, np.floor(low))
    np.testing.assert_array_equal(np.array(start) + shape - 1, np.ceil(high))


def test_the_source_box_of_an_unchanged_patch_is_the_patch():
    start, shape = source_box(Deformation(np.eye(3)), np.array([10.5, 20.0, 5.5]), (4, 5, 6))
    assert (start, shape) == ((9, 18, 3), (4, 5, 6))


def test_smooth_noise_has_unit_variance_and_a_gaussian_correlation():
    sigma, weights = 6.0, smoothing(64, 6.0)
    np.testing.assert_allclose(weights.norm(dim=1), 1, atol=1e-6)
    covariance = (weights @ weights.T).numpy()
    distance = np.abs(np.subtract.outer(np.arange(64), np.arange(64)))
    np.testing.assert_allclose(covariance, np.exp(-(distance**2) / (4 * sigma**2)), atol=0.01)


def test_smooth_noise_is_made_of_as_many_knots_before_an_axis_as_behind_it():
    weights = smoothing(61, 6.0)
    np.testing.assert_allclose(weights, weights.flip((0, 1)), atol=1e-6)


def test_a_displacement_is_as_strong_and_smooth_as_filtered_white_noise():
    """The legacy trainer filters noise at every voxel: the same spread, the same neighbours."""
    rng, sigma, alpha = np.random.default_rng(0), 5.0, 300.0
    shape = (40, 40, 40)
    filtered = (
        alpha
        * np.stack(
            [
                ndimage.gaussian_filter(rng.uniform(-1, 1, (80, 80, 80)), sigma, mode="constant")
                for _ in range(3)
            ]
        )[:, 20:60, 20:60, 20:60]
    )
    amplitude = alpha / np.sqrt(3) / (2 * np.sqrt(np.pi) * sigma) ** 1.5
    fields = []
    for _ in range(4):
        noise = rng.standard_normal((3, *(knots(n, sigma) for n in shape)))
        elastic = Elastic(noise, sigma, amplitude)
        fields.append(displacement(elastic, np.eye(3), shape, torch.device("cpu")).numpy())
    ours = np.concatenate(fields)
    assert ours.std() == pytest.approx(filtered.std(), rel=0.15)
    for lag in (1, 5):
        mine = np.corrcoef(ours[:, lag:].ravel(), ours[:, :-lag].ravel())[0, 1]
        theirs = np.corrcoef(filtered[:, lag:].ravel(), filtered[:, :-lag].ravel())[0, 1]
        assert mine == pytest.approx(theirs, abs=0.05)


def test_one_plane_of_knots_moves_every_slice_alike_and_as_strongly():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((3, 1, *(knots(n, 5.0) for n in (60, 60))))
    field = displacement(Elastic(noise, 5.0, 2.0), np.eye(3), (4, 60, 60), torch.device("cpu"))
    assert torch.equal(field, field[:, :1].expand_as(field))
    assert field.std() == pytest.approx(2.0, rel=0.2)


IN_SLICE = rotation(np.radians([12.0, 0.0, 0.0])) @ np.diag([1.0, 1.1, 1.1])


def flat_elastic():
    """A displacement within the slices, the same in each."""
    noise = np.random.default_rng(3).standard_normal((3, 1, knots(14, 8.0), knots(12, 8.0)))
    noise[0] = 0
    return Elastic(noise, 8.0, 0.7)


@pytest.mark.parametrize("flip", [1.0, -1.0])
@pytest.mark.parametrize("elastic", [None, flat_elastic()])
@pytest.mark.parametrize("z", [11.5, 11.0, 21.5])
def test_slices_that_move_alike_are_as_if_sampled_in_three_dimensions(flip, elastic, z):
    """Also where they lie between the source's slices, or end where these do."""
    image, label = (torch.from_numpy(part) for part in scene())
    deformation = Deformation(IN_SLICE @ np.diag([flip, 1.0, -1.0]), elastic)
    assert deformation.in_slice
    patch, centre = (4, 14, 12), np.array([z, 13.8, 12.45])
    found = torch.empty((2, *patch))
    (found_label,) = resample(image, [label], deformation, centre, found)
    positions = coordinates(deformation, centre, patch, torch.device("cpu"))
    expected = torch.empty_like(found)
    _resample_planes(image, positions, expected)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert torch.equal(found_label, nearest(label, positions))


@pytest.mark.parametrize(
    "deformation",
    [
        Deformation(TURNED),
        Deformation(np.diag([1.1, 1.1, 1.1])),
        *(Deformation(IN_SLICE + 0.1 * np.eye(9)[n].reshape(3, 3)) for n in (1, 2, 3, 6)),
        Deformation(IN_SLICE, Elastic(np.ones((3, 1, 9, 9)), 8.0, 0.7)),
        Deformation(IN_SLICE, Elastic(np.zeros((3, 9, 9, 9)), 8.0, 0.7)),
    ],
)
def test_what_leaves_its_slice_is_not_taken_for_a_change_within(deformation):
    assert not deformation.in_slice
