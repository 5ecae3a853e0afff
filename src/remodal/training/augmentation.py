"""Random changes of a training patch: drawn as plain numbers, applied as tensor operations.

The recipe is that of nnU-Net v1's legacy trainer; what only the V2 trainer does has a
probability of zero by default. Random numbers come from a numpy generator, so that a patch is the
same whatever device it is made on.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from remodal.settings import AugmentationSettings
from remodal.training.resampling import Deformation, Elastic, Shape, knots

_EPSILON = 1e-7


@dataclass(frozen=True)
class Augmentation:
    """What happens to one patch.

    Attributes:
        deformation: rotation, zoom and elastic deformation; None when none was drawn.
        quarter_turns: rotations by 90 degrees within the slices, from y to x, before any flip.
        mirrored: whether each axis (z, y, x) is flipped.
        changes: functions that change an (M, Z, Y, X) image's intensities in place, in the order
            in which they are applied.
        translation: whole voxels (z, y, x) that the patch is moved by; any part of it that then
            lies outside the volume is zero.
    """

    deformation: Deformation | None = None
    mirrored: tuple[bool, bool, bool] = (False, False, False)
    changes: list[Callable[[Tensor], None]] = field(default_factory=list)
    translation: Shape = (0, 0, 0)
    quarter_turns: int = 0


def draw_quarter_turns(rng: np.random.Generator, settings: AugmentationSettings) -> int:
    """Draw how often a patch is turned by 90 degrees: 0 to 3 (yulequan/UA-MT, RandomRotFlip).

    This comes before all else, since it decides which sides a patch is cut with; without turns,
    nothing is drawn, so that all that is drawn later stays as it is.
    """
    wanted = settings.quarter_turn_probability
    return int(rng.integers(4)) if wanted and rng.random() < wanted else 0


def turned(shape: Shape, quarter_turns: int) -> Shape:
    """A shape (z, y, x) after so many turns by 90 degrees within the slices."""
    z, y, x = shape
    return (z, x, y) if quarter_turns % 2 else shape


def draw_augmentation(
    rng: np.random.Generator,
    settings: AugmentationSettings,
    shape: Shape,
    channels: int,
    quarter_turns: int = 0,
) -> Augmentation:
    """Draw what happens to one patch of `shape` with `channels` modalities.

    What nnU-Net does not have is drawn last, so that it leaves the draws before it as they are.
    """
    deformation = draw_deformation(rng, settings, shape)
    mirrored = (rng.random(3) < settings.mirror_probability).tolist()
    changes = draw_changes(rng, settings, channels)
    translation = draw_translation(rng, settings, turned(shape, quarter_turns))
    if rng.random() < settings.one_mirror_probability:
        axis = int(rng.integers(1, 3))
        mirrored[axis] = not mirrored[axis]
    return Augmentation(deformation, tuple(mirrored), changes, translation, quarter_turns)


def draw_translation(
    rng: np.random.Generator, settings: AugmentationSettings, shape: Shape
) -> Shape:
    """Draw how far a patch is moved: uniform, in whole voxels; never along z with `in_slice`."""
    if rng.random() >= settings.translation_probability:
        return (0, 0, 0)
    moves = rng.uniform(-settings.translation, settings.translation, 3) * shape
    if settings.in_slice:
        moves[0] = 0
    return tuple(np.rint(moves).astype(int).tolist())


def draw_deformation(
    rng: np.random.Generator, settings: AugmentationSettings, shape: Shape
) -> Deformation | None:
    """Draw rotation, zoom and elastic deformation, each with its own probability.

    With `in_slice` no voxel leaves its slice, and all slices move alike, as in nnU-Net's "dummy
    2-D" augmentation.
    """
    elastic = None
    matrix = np.eye(3)
    axes = np.array([0.0 if settings.in_slice else 1.0, 1.0, 1.0])  # along which voxels move
    if rng.random() < settings.elastic_probability:
        elastic = draw_elastic(rng, settings, shape)
    if rng.random() < settings.rotation_probability:
        limit = math.radians(settings.rotation_degrees)
        angles = rng.uniform(-limit, limit, 3)
        if settings.in_slice:
            angles[1:] = 0
        matrix = rotation(angles)
    if rng.random() < settings.scale_probability:
        matrix = matrix * around_one(rng, settings.scale) ** axes
    if elastic is None and np.array_equal(matrix, np.eye(3)):
        return None
    return Deformation(matrix, elastic)


def draw_elastic(rng: np.random.Generator, settings: AugmentationSettings, shape: Shape) -> Elastic:
    """Draw a displacement as strong as the legacy recipe's.

    That recipe filters noise, uniform in (-1, 1) at every voxel, by a Gaussian of sigma and
    multiplies it by alpha: a smooth field of standard deviation
    alpha / sqrt(3) / (2 sqrt(pi) sigma)^(3/2), about one voxel in the middle of the default ranges.
    """
    alpha, sigma = rng.uniform(*settings.elastic_alpha), rng.uniform(*settings.elastic_sigma)
    amplitude = alpha / math.sqrt(3) / (2 * math.sqrt(math.pi) * sigma) ** 1.5
    noise = rng.standard_normal((3, *(knots(n, sigma) for n in shape)))
    if settings.in_slice:
        noise = noise[:, :1]
        noise[0] = 0
    return Elastic(noise, sigma, amplitude)


def rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation by `angles` (radians) about the axes z, y, x; (3, 3) for (z, y, x) vectors."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = (other for other in range(3) if other != axis)
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = math.cos(angle)
        turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    return matrix


def around_one(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """A factor as the recipe draws it: below one as often as above, uniform on either side."""
    low, high = limits
    if rng.random() < 0.5 and low < 1:
        return rng.uniform(low, min(1.0, high))
    return rng.uniform(max(low, 1.0), high) if high > 1 else rng.uniform(low, high)


def draw_changes(
    rng: np.random.Generator, settings: AugmentationSettings, channels: int
) -> list[Callable[[Tensor], None]]:
    """Draw the intensity changes, in the V2 trainer's order; each modality has its own numbers.

    Changes unknown to that trainer come last, so that they do not affect the draws before them.
    """
    changes: list[Callable[[Tensor], None]] = []

    def happens(probability: float) -> bool:
        return rng.random() < probability

    def factors(limits: tuple[float, float]) -> list[float]:
        return [around_one(rng, limits) for _ in range(channels)]

    if happens(settings.noise_probability):
        spread = rng.uniform(*settings.noise_variance)
        changes.append(partial(add_noise, spread=spread, seed=int(rng.integers(2**62))))
    if happens(settings.blur_probability):
        sigmas = rng.uniform(*settings.blur_sigma, (channels, 3))
        sigmas[rng.random(channels) >= 0.5] = 0
        changes.append(partial(blur, sigmas=sigmas.tolist()))
    if happens(settings.brightness_probability):
        changes.append(partial(change_brightness, factors=factors(settings.brightness)))
    if happens(settings.contrast_probability):
        changes.append(partial(change_contrast, factors=factors(settings.contrast)))
    if happens(settings.low_resolution_probability):
        zooms = rng.uniform(*settings.low_resolution, channels)
        zooms[rng.random(channels) >= 0.5] = 1
        changes.append(partial(lower_resolution, zooms=zooms.tolist()))
    if happens(settings.gamma_inverted_probability):
        changes.append(partial(change_gamma, exponents=factors(settings.gamma), inverted=True))
    if happens(settings.gamma_probability):
        changes.append(partial(change_gamma, exponents=factors(settings.gamma)))
    if happens(settings.offset_probability):
        added = rng.uniform(*settings.offset, channels).tolist()
        changes.append(partial(add_offset, numbers=added))
    return changes


def change_gamma(image: Tensor, exponents: list[float], inverted: bool = False) -> None:
    """Apply gamma to each modality's range, then restore its mean and standard deviation.

    x <- ((x - min) / range)^gamma, then shifted and scaled to the old mean and deviation. When
    `inverted`, this is done to -x, and the result is negated.
    """
    for channel, exponent in zip(image, exponents):
        if inverted:
            channel.neg_()
        mean = channel.mean()
        low, high = torch.aminmax(channel)
        spread = torch.linalg.vector_norm(channel - mean)
        channel.sub_(low).div_((high - low).clamp_min(_EPSILON))
        # The same as pow_(exponent), several times faster; log(0) = -inf gives 0 again.
        channel.log_().mul_(exponent).exp_()
        channel.sub_(channel.mean())
        channel.mul_(spread / torch.linalg.vector_norm(channel).clamp_min(_EPSILON)).add_(mean)
        if inverted:
            channel.neg_()


def add_noise(image: Tensor, spread: float, seed: int) -> None:
    """Add Gaussian noise of standard deviation `spread` (which nnU-Net calls its variance)."""
    generator = torch.Generator(image.device).manual_seed(seed)
    noise = torch.randn(image.shape, generator=generator, device=image.device)
    image.add_(noise, alpha=spread)


def blur(image: Tensor, sigmas: list[list[float]]) -> None:
    """Blur each modality by a Gaussian, `sigmas` (M, 3) in voxels along z, y, x; 0: none."""
    for channel, of_channel in zip(image, sigmas):
        blurred = channel[None, None]
        for axis, sigma in enumerate(of_channel):
            if sigma > 0:
                blurred = _blur_axis(blurred, axis, sigma)
        channel.copy_(blurred[0, 0])


def _blur_axis(image: Tensor, axis: int, sigma: float) -> Tensor:
    radius = math.ceil(3 * sigma)
    steps = torch.arange(-radius, radius + 1, device=image.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    shape = [-1 if a == axis else 1 for a in range(3)]
    padding = [radius if a == axis else 0 for a in range(3) for _ in range(2)]
    padded = F.pad(image, padding[::-1], mode="replicate")
    return F.conv3d(padded, (kernel / kernel.sum()).view(1, 1, *shape))


def add_offset(image: Tensor, numbers: list[float]) -> None:
    """Add to each modality its number."""
    for channel, number in zip(image, numbers):
        channel.add_(number)


def change_brightness(image: Tensor, factors: list[float]) -> None:
    """Multiply each modality by its factor."""
    for channel, factor in zip(image, factors):
        channel.mul_(factor)


def change_contrast(image: Tensor, factors: list[float]) -> None:
    """Stretch each modality about its mean, within its old range."""
    for channel, factor in zip(image, factors):
        mean = channel.mean()
        low, high = torch.aminmax(channel)
        channel.sub_(mean).mul_(factor).add_(mean)
        torch.clamp(channel, low, high, out=channel)


def lower_resolution(image: Tensor, zooms: list[float]) -> None:
    """Sample each modality at `zooms` of its size (nearest) and bring it back (linear)."""
    for channel, zoom in zip(image, zooms):
        if zoom == 1:
            continue
        size = [max(1, round(n * zoom)) for n in channel.shape]
        small = F.interpolate(channel[None, None], size, mode="nearest-exact")
        channel.copy_(F.interpolate(small, channel.shape, mode="trilinear")[0, 0])


def right_angles(drawn: Augmentation) -> np.ndarray:
    """(3, 3) matrix of the turns and flips: from a patch's offsets (z, y, x) to its source's."""
    quarter = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    flips = np.diag([-1.0 if flipped else 1.0 for flipped in drawn.mirrored])
    return np.linalg.matrix_power(quarter, drawn.quarter_turns) @ flips


def at_right_angles(drawn: Augmentation, volume: Tensor) -> Tensor:
    """A volume (..., z, y, x) after its turns and flips; no voxel is interpolated."""
    axes = [axis - 3 for axis, flipped in enumerate(drawn.mirrored) if flipped]
    rotated = volume.rot90(drawn.quarter_turns, (-2, -1)) if drawn.quarter_turns else volume
    return rotated.flip(axes) if axes else rotated
