"""Random patches: which case, where, how changed, and cut straight from where the cases are held.

Every number is drawn from a generator seeded by (purpose, seed, epoch, iteration, sample): a batch
depends on nothing drawn before it, so that a resumed training sees the batches it would have seen.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from remodal.objectives.batch import Batch
from remodal.settings import AugmentationSettings
from remodal.training.augmentation import Augmentation, draw_augmentation, mirroring
from remodal.training.cases import TrainingCase
from remodal.training.resampling import Deformation, Shape, resample, source_box

#: Purposes of a generator, so that validation patches are no training patches.
TRAINING, VALIDATION = 0, 1


@dataclass(frozen=True)
class Patch:
    """A patch that has been decided on: its case, its first voxel and its augmentation."""

    case: TrainingCase
    start: Shape
    augmentation: Augmentation


def foreground_samples(batch: int, share: float) -> int:
    """How many of a batch's last samples are centred on foreground.

    nnU-Net's rule, batch - round(batch * (1 - share)), but at least one unless `share` is 0: with
    a batch of 2 and 33 % always the second.
    """
    return max(1, batch - round(batch * (1 - share))) if share > 0 else 0


def random_start(rng: np.random.Generator, size: Shape, patch: Shape) -> Shape:
    """First voxel of a patch anywhere in the volume; centred along axes where it is larger."""
    low, high = _bounds(size, patch)
    return tuple(rng.integers(low, high + 1).tolist())


def foreground_start(
    rng: np.random.Generator, foreground: dict[int, np.ndarray], size: Shape, patch: Shape
) -> Shape:
    """First voxel of a patch around a random voxel of a random class of the case.

    As nnU-Net, but the patch is kept inside the volume at both ends, not just at the lower one.
    """
    voxels = foreground[rng.choice(sorted(foreground))]
    low, high = _bounds(size, patch)
    start = voxels[rng.integers(len(voxels))] - np.array(patch) // 2
    return tuple(np.clip(start, low, high).tolist())


def _bounds(size: Shape, patch: Shape) -> tuple[np.ndarray, np.ndarray]:
    room = np.array(size) - np.array(patch)
    centred = -(-room // 2)
    return np.where(room < 0, centred, 0), np.where(room < 0, centred, room)


def read_region(volume: Tensor, start: Shape, shape: Shape) -> Tensor:
    """A box of a (..., Z, Y, X) volume, zero outside it; only the box is read.

    Zero is an image's mean after normalisation (nnU-Net's padding) and the background's label.
    """
    before = [max(0, -first) for first in start]
    after = [max(0, first + n - size) for first, n, size in zip(start, shape, volume.shape[-3:])]
    inside = tuple(
        slice(first + b, first + n - a) for first, n, b, a in zip(start, shape, before, after)
    )
    region = volume[(..., *inside)]
    padding = [n for axis in (2, 1, 0) for n in (before[axis], after[axis])]
    return F.pad(region, padding) if any(padding) else region


class PatchSampler:
    """Makes batches of patches on a device.

    Args:
        cases: cases that patches are drawn from, with replacement.
        modalities: names of the images' channels.
        truth: the image that the cases' labels belong to.
        patch: (z, y, x) voxels.
        batch: patches in a batch.
        foreground: share of a batch that is centred on foreground.
        device: where the batch is made.
        purpose: `TRAINING` or `VALIDATION`.
        seed: seed of the training.
        augmentation: random changes; None: none.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        modalities: Sequence[str],
        *,
        truth: str,
        patch: Shape,
        batch: int,
        foreground: float,
        device: torch.device,
        purpose: int,
        seed: int,
        augmentation: AugmentationSettings | None = None,
    ) -> None:
        self._cases, self._modalities, self._truth = list(cases), list(modalities), truth
        self._patch, self._batch, self._device = patch, batch, device
        self._centred = foreground_samples(batch, foreground)
        self._key, self._augmentation = (purpose, seed), augmentation
        self._scratch = torch.empty(0, device=device)

    def draw(self, epoch: int, iteration: int, sample: int) -> Patch:
        """Decide on one patch; nothing is read."""
        rng = np.random.default_rng([*self._key, epoch, iteration, sample])
        case = self._cases[rng.integers(len(self._cases))]
        size = tuple(case.label.shape)
        if sample >= self._batch - self._centred and case.foreground:
            start = foreground_start(rng, case.foreground, size, self._patch)
        else:
            start = random_start(rng, size, self._patch)
        if self._augmentation is None:
            return Patch(case, start, Augmentation())
        channels = len(self._modalities)
        return Patch(case, start, draw_augmentation(rng, self._augmentation, self._patch, channels))

    def batch(self, epoch: int, iteration: int, samples: Sequence[int] | None = None) -> Batch:
        """Make a batch, or those of its samples that this process trains on."""
        samples = range(self._batch) if samples is None else samples
        channels = len(self._modalities)
        images = torch.empty((channels, len(samples), 1, *self._patch), device=self._device)
        labels = torch.empty((len(samples), *self._patch), dtype=torch.int64, device=self._device)
        for index, sample in enumerate(samples):
            patch = self.draw(epoch, iteration, sample)
            labels[index] = self._make(patch, images[:, index, 0])
        labelled = torch.ones(len(samples), dtype=torch.bool, device=self._device)
        return Batch(dict(zip(self._modalities, images)), {self._truth: labels}, labelled)

    def _make(self, patch: Patch, image: Tensor) -> Tensor:
        """Cut and change one patch: the image into `image`, the label returned."""
        augmentation = patch.augmentation
        if augmentation.deformation is None:
            label = self._cut(patch, image)
        else:
            label = self._deform(patch, augmentation.deformation, image)
        for change in augmentation.changes:
            change(image)
        return label

    def _cut(self, patch: Patch, image: Tensor) -> Tensor:
        axes = [axis - 3 for axis, flipped in enumerate(patch.augmentation.mirrored) if flipped]
        volume, label = self._region(patch.case, patch.start, self._patch)
        image.copy_(volume.flip(axes) if axes else volume)
        return label.flip(axes) if axes else label

    def _deform(self, patch: Patch, drawn: Deformation, image: Tensor) -> Tensor:
        deformation = Deformation(
            drawn.matrix @ mirroring(patch.augmentation.mirrored), drawn.elastic
        )
        centre = np.array(patch.start) + (np.array(self._patch) - 1) / 2
        start, shape = source_box(deformation, centre, self._patch)
        volume, label = self._region(patch.case, start, shape)
        return resample(self._as_float(volume), label, deformation, centre - start, image)

    def _region(self, case: TrainingCase, start: Shape, shape: Shape) -> tuple[Tensor, Tensor]:
        return tuple(
            self._on_device(read_region(volume, start, shape))
            for volume in (case.image, case.label)
        )

    def _on_device(self, region: Tensor) -> Tensor:
        if region.device == self._device or self._device.type == "cpu":
            return region
        return region.contiguous().pin_memory().to(self._device, non_blocking=True)

    def _as_float(self, region: Tensor) -> Tensor:
        """The region as contiguous float32, in memory that is used again and again.

        On a CPU fresh memory of this size costs more than the conversion (page faults).
        """
        if self._scratch.numel() < region.numel():
            self._scratch = torch.empty(region.numel(), device=self._device)
        return self._scratch[: region.numel()].view(region.shape).copy_(region)


def ahead(make: Callable[[int], Batch], iterations: Sequence[int]) -> Iterator[Batch]:
    """Yield `make(i)` for each iteration; the next is made while the caller uses this one."""
    with ThreadPoolExecutor(1, thread_name_prefix="patches") as executor:
        waiting: deque[Future[Batch]] = deque()
        for iteration in iterations:
            waiting.append(executor.submit(make, iteration))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
