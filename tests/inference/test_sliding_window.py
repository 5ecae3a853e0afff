from itertools import chain, combinations

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from scipy import ndimage
from torch import Tensor, nn

from remodal.inference.sliding_window import (
    gaussian_weights,
    sliding_window,
    spread_starts,
    strided_starts,
    whole_window,
)

PATCH = (8, 12, 16)
#: Sizes at which MONAI's windows, a fixed step apart, are also nnU-Net's, evenly spread.
SHAPES = [(8, 12, 16), (16, 18, 32), (12, 24, 24), (20, 12, 40)]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A network that knows left from right: random 3 x 3 x 3 convolutions, and softmax."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv3d(6, 3, 3, padding=1), nn.Softmax(dim=1)
    ).eval()


def image_of(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn((2, *shape), generator=torch.Generator().manual_seed(seed))


def monai(image: Tensor, predictor, batch: int = 3) -> Tensor:
    """MONAI's sliding window with our weights."""
    with torch.no_grad():
        return sliding_window_inference(
            image[None],
            PATCH,
            batch,
            predictor,
            overlap=0.5,
            roi_weight_map=gaussian_weights(PATCH),
        )[0]


@pytest.mark.parametrize(
    ("length", "patch", "step", "starts"),
    [
        (8, 8, 0.5, [0]),
        (10, 4, 0.5, [0, 2, 4, 6]),
        (11, 4, 0.5, [0, 2, 4, 5, 7]),  # four steps of 7/4 voxels
        (9, 4, 1.0, [0, 2, 5]),  # two steps of 5/2 voxels
        (150, 128, 0.5, [0, 22]),
        (4, 1, 0.5, [0, 1, 2, 3]),  # a patch of one slice: each slice once
    ],
)
def test_windows_are_spread_evenly_from_end_to_end(length, patch, step, starts) -> None:
    assert spread_starts(length, patch, step) == starts


@pytest.mark.parametrize(
    ("length", "patch", "step", "starts"),
    [
        (112, 96, 16, [0, 16]),
        (130, 96, 16, [0, 16, 32, 34]),  # where an even spread would be 0, 11, 23, 34
        (112, 112, 18, [0]),
        (88, 80, 4, [0, 4, 8]),
        (9, 4, 30, [0, 4, 5]),  # a step of more than the patch would leave voxels out
        (3, 1, 18, [0, 1, 2]),
    ],
)
def test_windows_a_number_of_voxels_apart_end_with_the_image(length, patch, step, starts) -> None:
    assert strided_starts(length, patch, step) == starts


@pytest.mark.parametrize("patch", [(8, 12, 16), (5, 7, 9), (128, 24, 1)])
def test_weights_are_the_gaussian_of_nnunet(patch) -> None:
    """Scipy's filter on a single bright voxel, as nnU-Net makes them."""
    bright = np.zeros(patch)
    bright[tuple(length // 2 for length in patch)] = 1
    expected = ndimage.gaussian_filter(bright, [n / 8 for n in patch], mode="constant")
    expected = (expected / expected.max()).astype(np.float32)
    expected[expected == 0] = expected[expected > 0].min()
    np.testing.assert_allclose(gaussian_weights(patch).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_equals_monai_with_the_same_windows_and_weights(network, shape) -> None:
    image = image_of(shape)
    ours = sliding_window(network, image, PATCH, mirror=False, batch=2)
    theirs = monai(image, network)
    torch.testing.assert_close(ours, theirs)
    assert torch.equal(ours.argmax(dim=0), theirs.argmax(dim=0))


def test_mirroring_is_the_mean_over_all_flips(network) -> None:
    def flipped(patches: Tensor) -> Tensor:
        axes = (2, 3, 4)
        subsets = list(chain.from_iterable(combinations(axes, n) for n in range(4)))
        outputs = [network(patches.flip(subset)).flip(subset) for subset in subsets]
        assert len(outputs) == 8
        return torch.stack(outputs).mean(dim=0)

    image = image_of((16, 18, 24))
    ours = sliding_window(network, image, PATCH, mirror=True, batch=5)
    torch.testing.assert_close(ours, monai(image, flipped))
    plain = sliding_window(network, image, PATCH, mirror=False)
    assert (ours - plain).abs().max() > 1e-3


@pytest.mark.parametrize("shape", [(5, 12, 16), (3, 7, 9), (4, 18, 11)])
def test_a_volume_smaller_than_the_patch_is_padded_and_cropped(network, shape) -> None:
    image = image_of(shape)
    ours = sliding_window(network, image, PATCH, mirror=False)
    assert ours.shape == (3, *shape)
    torch.testing.assert_close(ours, monai(image, network))


def test_a_volume_of_one_patch_is_one_direct_pass(network) -> None:
    image = image_of(PATCH)
    with torch.no_grad():
        direct = network(image[None])[0]
    torch.testing.assert_close(sliding_window(network, image, PATCH, mirror=False), direct)


@pytest.mark.parametrize(
    ("shape", "least", "multiple", "window"),
    [
        ((50, 97, 32), (16, 16, 16), (16, 16, 16), (64, 112, 32)),
        ((5, 20, 70), (64, 64, 64), (8, 16, 16), (64, 64, 80)),
        ((7, 100, 90), (1, 64, 64), (1, 32, 32), (1, 128, 96)),  # slice by slice
        ((7, 100, 90), (1, 64, 64), (2, 32, 32), (8, 128, 96)),
        ((7, 100, 90), (4, 64, 64), (1, 32, 32), (7, 128, 96)),
    ],
)
def test_a_whole_window_holds_the_image_and_suits_the_network(shape, least, multiple, window):
    assert whole_window(shape, least, multiple) == window


def test_a_whole_image_is_predicted_in_its_padded_window_at_once(network) -> None:
    image = image_of((7, 13, 10))
    window = whole_window((7, 13, 10), (4, 4, 4), (4, 4, 4))
    padded = torch.nn.functional.pad(image, (1, 1, 1, 2, 0, 1))
    with torch.no_grad():
        expected = network(padded[None])[0][:, :7, 1:14, 1:11]
    found = sliding_window(network, image, window, mirror=False)
    torch.testing.assert_close(found, expected)


def test_uniform_weights_are_a_plain_mean_over_windows(network) -> None:
    image = image_of((16, 18, 24))
    ours = sliding_window(network, image, PATCH, uniform=True, mirror=False)
    with torch.no_grad():
        theirs = sliding_window_inference(
            image[None], PATCH, 3, network, overlap=0.5, mode="constant"
        )[0]
    torch.testing.assert_close(ours, theirs)
    assert not torch.allclose(ours, sliding_window(network, image, PATCH, mirror=False))


@pytest.mark.parametrize("shape", [(13, 19, 30), (8, 23, 17), (6, 12, 41)])
@pytest.mark.parametrize("step", [(4, 3, 8), (2, 12, 4)])
def test_a_step_in_voxels_along_each_axis_equals_monais_windows_on_any_image(
    network, shape, step
) -> None:
    image = image_of(shape)
    ours = sliding_window(network, image, PATCH, step=step, uniform=True, mirror=False)
    overlap = [1 - voxels / side for voxels, side in zip(step, PATCH)]
    with torch.no_grad():
        theirs = sliding_window_inference(
            image[None], PATCH, 3, network, overlap=overlap, mode="constant"
        )[0]
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("shape", [(9, 13, 29), (25, 12, 17)])
def test_every_voxel_has_probabilities_that_sum_to_one(network, shape) -> None:
    result = sliding_window(network, image_of(shape), PATCH, step=0.7)
    assert torch.isfinite(result).all()
    torch.testing.assert_close(result.sum(dim=0), torch.ones(shape))


def test_a_voxelwise_prediction_is_not_changed_by_windows() -> None:
    image = image_of((17, 25, 33))
    result = sliding_window(lambda patches: patches.sigmoid(), image, PATCH)
    torch.testing.assert_close(result, image.sigmoid())


def test_the_batch_size_does_not_matter(network) -> None:
    image = image_of((16, 18, 24))
    results = [sliding_window(network, image, PATCH, batch=batch) for batch in (1, 7, 100)]
    torch.testing.assert_close(results[0], results[1])
    torch.testing.assert_close(results[0], results[2])


def test_batches_are_as_large_as_asked_for_and_are_tracked(network) -> None:
    sizes, seen = [], []

    def predictor(patches: Tensor) -> Tensor:
        sizes.append(len(patches))
        return network(patches)

    sliding_window(
        predictor,
        image_of((16, 18, 24)),
        PATCH,
        batch=10,
        track=lambda batches: (seen.append(batch) or batch for batch in batches),
    )
    # 3 x 2 x 2 windows, each mirrored in 8 ways.
    assert sizes == [10] * 9 + [6]
    assert len(seen) == 10


def test_the_same_input_gives_the_same_bits(network) -> None:
    first, second = (sliding_window(network, image_of((16, 18, 24)), PATCH) for _ in range(2))
    assert torch.equal(first, second)


CONTEXT = (1, 0, 0)


@pytest.fixture(scope="module")
def slice_network() -> nn.Module:
    """A 2-D network of three slices of two modalities that knows up from down, and softmax."""
    torch.manual_seed(0)
    convolutions = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 3))

    class OfSlices(nn.Module):
        def forward(self, patches: Tensor) -> Tensor:
            assert patches.shape[1:3] == (2, 3)
            padded = nn.functional.pad(patches.flatten(1, 2), [1, 1, 1, 1])
            return convolutions(padded).softmax(1).unsqueeze(2)

    return OfSlices().eval()


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("mirror", [False, True])
def test_windows_of_one_slice_with_context_are_a_prediction_slice_by_slice(
    slice_network, depth, mirror
) -> None:
    """Beyond the first and the last slice the context is zero."""
    image = image_of((depth, 12, 16))
    patch = (1, 12, 16)
    flips = [()]
    if mirror:
        flips = [flip for count in range(4) for flip in combinations((2, 3, 4), count)]
    around = torch.zeros((2, depth + 2, 12, 16))
    around[:, 1:-1] = image
    expected = torch.empty((3, depth, 12, 16))
    with torch.no_grad():
        for z in range(depth):
            stack = around[None, :, z : z + 3]
            each = [slice_network(stack.flip(flip)).flip(flip) for flip in flips]
            expected[:, z] = torch.stack(each).mean(0)[0, :, 0]
    found = sliding_window(slice_network, image, patch, context=CONTEXT, mirror=mirror, batch=3)
    torch.testing.assert_close(found, expected)


def test_context_along_all_axes_is_what_lies_there() -> None:
    """A network that sees two voxels further needs no padding of its own: windows do not matter."""
    torch.manual_seed(0)
    unpadded = nn.Sequential(nn.Conv3d(2, 4, 3), nn.ReLU(), nn.Conv3d(4, 3, 3)).eval()
    image = image_of((9, 14, 21))
    with torch.no_grad():
        expected = unpadded(nn.functional.pad(image, [2] * 6)[None])[0]
    found = sliding_window(unpadded, image, (8, 12, 16), context=(2, 2, 2), mirror=False)
    torch.testing.assert_close(found, expected)


def test_context_of_an_image_smaller_than_the_patch_is_zero_outside_it() -> None:
    image = image_of((3, 5, 16))
    seen: list[Tensor] = []

    def predictor(patches: Tensor) -> Tensor:
        seen.append(patches)
        return patches[:, :, 1:-1]

    found = sliding_window(predictor, image, (4, 8, 16), context=CONTEXT, mirror=False)
    torch.testing.assert_close(found, image)
    (patch,) = seen
    assert patch.shape == (1, 2, 6, 8, 16)
    assert torch.equal(patch[0, :, 1:4, 1:6], image)
    assert patch.count_nonzero() == image.count_nonzero()
