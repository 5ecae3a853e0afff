"""Prediction of a whole volume from overlapping windows, as nnU-Net or with fixed strides."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, combinations, product
from math import ceil

import torch
from torch import Tensor
from torch.nn import functional

Window = tuple[slice, slice, slice]
#: The axes of a (channel, z, y, x) tensor to be reversed.
Mirroring = tuple[int, ...]
#: Between windows: a share of the window along every axis, or voxels (z, y, x).
Step = float | Sequence[int]


def spread_starts(length: int, patch: int, step: float) -> list[int]:
    """First voxels of windows that are spread evenly along one axis.

    There are as many windows as steps of at most `step * patch` voxels require, spread evenly from
    one end to the other (MIC-DKFZ/nnUNet, compute_steps_for_sliding_window). That limit is at least
    one voxel, so that a patch of one slice predicts each slice once.
    """
    room = length - patch
    count = ceil(room / max(patch * step, 1)) + 1
    return [round(room / max(count - 1, 1) * index) for index in range(count)]


def strided_starts(length: int, patch: int, step: int) -> list[int]:
    """First voxels of windows every `step` voxels along one axis; the last one ends at its end.

    As MONAI's sliding window and the tests of yulequan/UA-MT do it. The step is at most the
    patch's side, so that no voxel is left out.
    """
    room = length - patch
    count = ceil(room / min(step, patch)) + 1
    return [min(min(step, patch) * index, room) for index in range(count)]


def whole_window(
    shape: Sequence[int], least: Sequence[int], multiple: Sequence[int]
) -> tuple[int, ...]:
    """The window that holds a whole image, for a network that takes any size.

    Its sides are multiples of `multiple` and at least `least`, the smallest patch in training. A
    network of single slices (`least` and `multiple` are 1 along that axis) gets whole slices.
    """
    sides = zip(shape, least, multiple)
    return tuple(
        1 if low == step == 1 else max(low, -(-n // step) * step) for n, low, step in sides
    )


def gaussian_weights(patch: Sequence[int]) -> Tensor:
    """Weight of each voxel of a window: 1 at the centre (n // 2), less towards the border.

    A Gaussian of standard deviation n / 8 along each axis, cut off at four of them; zeros are
    replaced by the smallest positive weight, so that a voxel at the border of a volume, which only
    one window reaches, still has a prediction (MIC-DKFZ/nnUNet).
    """
    weights = torch.ones((), dtype=torch.float64)
    for length in patch:
        sigma = length / 8
        distance = (torch.arange(length, dtype=torch.float64) - length // 2).abs()
        profile = torch.exp(-0.5 * (distance / sigma) ** 2)
        profile[distance > int(4 * sigma + 0.5)] = 0
        weights = weights[..., None] * profile
    weights = weights.float()
    weights[weights == 0] = weights[weights > 0].min()
    return weights


def mirrorings(mirror: bool) -> list[Mirroring]:
    """All eight combinations of mirrored axes, the empty one first; only that if not `mirror`."""
    axes = (1, 2, 3)
    if not mirror:
        return [()]
    return list(chain.from_iterable(combinations(axes, count) for count in range(4)))


@torch.inference_mode()
def sliding_window(
    predictor: Callable[[Tensor], Tensor],
    image: Tensor,
    patch: Sequence[int],
    *,
    context: Sequence[int] = (0, 0, 0),
    step: Step = 0.5,
    uniform: bool = False,
    mirror: bool = True,
    batch: int = 4,
    track: Callable[[Iterable], Iterable] = iter,
) -> Tensor:
    """Weighted mean of a network's outputs over overlapping windows and their mirror images.

    A batch is filled with mirrored copies of one window, then with those of the next. Sums are kept
    in float32 on the image's device, so that neither the network's number format nor the batch size
    costs accuracy.

    Args:
        predictor: returns (B, C, *patch), such as probabilities, for patches with `context` more
            voxels at both ends of each axis, (B, M, *(patch + 2 * context)).
        image: (M, z, y, x). A side shorter than the patch is padded at both ends with zeros, the
            mean of a normalised image, and so is any context outside the image.
        patch: size of the part of a window that is predicted (z, y, x).
        context: voxels that the predictor sees on either side of that part.
        step: between windows: a share of the patch (`spread_starts`) or voxels (`strided_starts`).
        uniform: whether all voxels of a window count alike, instead of by `gaussian_weights`.
        mirror: whether to average over all mirrorings of each window.
        batch: patches in one call of the predictor; the last call may get fewer.
        track: wraps the batches, for a progress bar.

    Returns:
        (C, z, y, x) float32, on the image's device.
    """
    shape, inner = _at_least(image.shape[1:], patch)
    padded = _surrounded(image, shape, inner, context)
    windows = _windows(shape, patch, step)
    flips = mirrorings(mirror)
    weights = torch.ones(tuple(patch)) if uniform else gaussian_weights(patch)
    weights = weights.to(image.device)
    weight_sum = torch.zeros(shape, device=image.device)
    for window in windows:
        weight_sum[window] += weights
    weight_sum *= len(flips)

    total: Tensor | None = None
    for views in track(_batches(list(product(windows, flips)), batch)):
        patches = torch.stack(
            [padded[:, *_widened(window, context)].flip(flip) for window, flip in views]
        )
        outputs = predictor(patches)
        if total is None:
            total = torch.zeros((outputs.shape[1], *shape), device=image.device)
        for output, (window, flip) in zip(outputs, views):
            total[:, *window].addcmul_(output.flip(flip), weights)
    total /= weight_sum
    return total[:, *inner]


def _at_least(shape: Sequence[int], patch: Sequence[int]) -> tuple[tuple[int, ...], Window]:
    """The shape of an image padded to at least the patch, and where the image lies in it."""
    padded = tuple(max(length, size) for length, size in zip(shape, patch))
    before = [(size - length) // 2 for size, length in zip(padded, shape)]
    return padded, tuple(slice(first, first + length) for first, length in zip(before, shape))


def _surrounded(
    image: Tensor, shape: Sequence[int], inner: Window, context: Sequence[int]
) -> Tensor:
    """The image padded to `shape` plus the context around it; the image itself if that is all."""
    ends = [
        (side.start + more, size - side.stop + more)
        for side, size, more in zip(inner, shape, context)
    ]
    padding = [end for pair in reversed(ends) for end in pair]
    return functional.pad(image, padding) if any(padding) else image


def _widened(window: Window, context: Sequence[int]) -> Window:
    """Where a window and its context lie in an image with that context around it."""
    return tuple(slice(side.start, side.stop + 2 * more) for side, more in zip(window, context))


def _windows(shape: Sequence[int], patch: Sequence[int], step: Step) -> list[Window]:
    if isinstance(step, Sequence):
        starts = [strided_starts(*axis) for axis in zip(shape, patch, step)]
    else:
        starts = [spread_starts(length, size, step) for length, size in zip(shape, patch)]
    return [
        tuple(slice(start, start + size) for start, size in zip(corner, patch))
        for corner in product(*starts)
    ]


def _batches(views: Sequence, size: int) -> list[Sequence]:
    return [views[first : first + size] for first in range(0, len(views), size)]
