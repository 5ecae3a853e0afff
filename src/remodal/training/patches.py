"""Random patches: which case, where and how changed; cut straight from where the cases are held.

Every number is drawn from a generator seeded by (purpose, seed, epoch, iteration, sample): a batch
depends on nothing drawn before it, so a resumed training sees the same batches as an uninterrupted
one.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from remodal.objectives.batch import UNLABELLED, Batch
from remodal.settings import AugmentationSettings
from remodal.settings.sampling import PatchSettings
from remodal.training.augmentation import (
    Augmentation,
    at_right_angles,
    draw_augmentation,
    draw_quarter_turns,
    right_angles,
    turned,
)
from remodal.training.cases import Foreground, TrainingCase
from remodal.training.resampling import Deformation, Shape, resample, source_box

#: Purposes of a generator, so that validation patches differ from training patches.
TRAINING, VALIDATION = 0, 1


@dataclass(frozen=True)
class Patch:
    """A patch that has been drawn, but not cut yet.

    Attributes:
        case: what it is cut from.
        start: first voxel (z, y, x) of the part that is predicted; its context begins before it.
        shape: voxels (z, y, x) of that part; in the volume, before any turn, it is `source`.
        augmentation: how it is changed.
    """

    case: TrainingCase
    start: Shape
    shape: Shape
    augmentation: Augmentation

    @property
    def source(self) -> Shape:
        """Voxels (z, y, x) of the volume that are predicted, if nothing deforms the patch."""
        return turned(self.shape, self.augmentation.quarter_turns)


@dataclass(frozen=True)
class Pool:
    """Cases from which `samples` samples of every batch are drawn, with replacement."""

    cases: Sequence[TrainingCase]
    samples: int


def foreground_samples(batch: int, share: float) -> int:
    """How many of a batch's last samples are centred on foreground.

    nnU-Net's rule, batch - round(batch * (1 - share)), but at least one unless `share` is 0: in a
    batch of 2 with 33 %, always the second sample.
    """
    return max(1, batch - round(batch * (1 - share))) if share > 0 else 0


def random_start(rng: np.random.Generator, size: Shape, patch: Shape) -> Shape:
    """First voxel of a patch anywhere in the volume; centred along axes where it is larger."""
    low, high = _bounds(size, patch)
    return tuple(rng.integers(low, high + 1).tolist())


def foreground_start(
    rng: np.random.Generator, foreground: Foreground, size: Shape, patch: Shape
) -> Shape:
    """First voxel of a patch around a random voxel of a random class of the case.

    As in nnU-Net, but the patch is kept inside the volume at both ends, not just at the lower one.
    A class counts once for each label that it occurs in.
    """
    classes = sorted(foreground)
    voxels = foreground[classes[rng.choice(len(classes))]]
    low, high = _bounds(size, patch)
    start = voxels[rng.integers(len(voxels))] - np.array(patch) // 2
    return tuple(np.clip(start, low, high).tolist())


def random_shape(
    rng: np.random.Generator, settings: PatchSettings, sizes: Sequence[Shape]
) -> Shape:
    """Sides of a batch's patches: uniform over the allowed ones that fit into all its volumes.

    Where a volume is too short for any allowed side, the smallest one is taken. A shape with more
    than `voxels` voxels is drawn again.
    """
    sides = []
    for least, most, step, *lengths in zip(
        settings.least, settings.most, settings.multiple, *sizes
    ):
        longest = max(least, min(most, *lengths))
        sides.append(range(least, longest + 1, step))
    while True:
        shape = tuple(side[rng.integers(len(side))] for side in sides)
        if settings.voxels is None or prod(shape) <= settings.voxels:
            return shape


def _bounds(size: Shape, patch: Shape) -> tuple[np.ndarray, np.ndarray]:
    room = np.array(size) - np.array(patch)
    centred = -(-room // 2)
    return np.where(room < 0, centred, 0), np.where(room < 0, centred, room)


def read_region(volume: Tensor, start: Shape, shape: Shape, out: Tensor | None = None) -> Tensor:
    """A box of a (..., Z, Y, X) volume, zero outside the volume; only the box is read.

    Zero is an image's mean after normalisation (nnU-Net's padding) and the background's label.

    Args:
        volume: where the box lies.
        start: its first voxel (z, y, x), possibly outside.
        shape: its size.
        out: (..., *shape) of any number type, receives the box; None: a new tensor or a view.
    """
    sides = list(zip(start, shape, volume.shape[-3:]))
    before = [min(n, max(0, -first)) for first, n, _ in sides]
    after = [min(n, max(0, first + n - size)) for first, n, size in sides]
    inside = tuple(
        slice(first + b, first + n - a) for first, n, b, a in zip(start, shape, before, after)
    )
    region = volume[(..., *inside)]
    if out is not None:
        for axis, (b, a) in enumerate(zip(before, after), start=-3):
            out.narrow(axis, 0, b).zero_()
            out.narrow(axis, out.shape[axis] - a, a).zero_()
        within = tuple(slice(b, n - a) for n, b, a in zip(shape, before, after))
        out[(..., *within)] = region
        return out
    padding = [n for axis in (2, 1, 0) for n in (before[axis], after[axis])]
    return F.pad(region, padding) if any(padding) else region


class PatchSampler:
    """Makes batches of patches on a device.

    Args:
        pools: where the samples of a batch come from, in this order.
        modalities: names of the images' channels.
        labels: the images whose labels a labelled case has.
        patch: size of the part that is predicted, fixed or drawn for every batch.
        context: voxels (z, y, x) added to that part at both ends, in images but not in labels.
            Outside the volume they are zero, as are those of a patch larger than the volume.
        foreground: share of each pool's samples that is centred on foreground.
        device: where the batch is made.
        purpose: `TRAINING` or `VALIDATION`.
        seed: seed of the training.
        augmentation: random changes; None: none.
    """

    def __init__(
        self,
        pools: Sequence[Pool],
        modalities: Sequence[str],
        labels: Sequence[str],
        *,
        patch: PatchSettings,
        foreground: float,
        device: torch.device,
        purpose: int,
        seed: int,
        context: Shape = (0, 0, 0),
        augmentation: AugmentationSettings | None = None,
    ) -> None:
        self._modalities, self._labels = list(modalities), list(labels)
        self._patch, self._context, self._device = patch, np.array(context), device
        #: For each sample: the cases it comes from, and whether it is centred on foreground.
        self._samples = [
            (pool.cases, number >= pool.samples - foreground_samples(pool.samples, foreground))
            for pool in pools
            for number in range(pool.samples)
        ]
        self._key, self._augmentation = (purpose, seed), augmentation
        self._masked = augmentation is not None and augmentation.zero_background
        self._scratch = torch.empty(0, device=device)

    def draw(self, epoch: int, iteration: int, sample: int) -> Patch:
        """Decide on one patch; nothing is read."""
        return self._draw(epoch, iteration, sample, self.shape(epoch, iteration))

    def shape(self, epoch: int, iteration: int) -> Shape:
        """Size of a batch's patches without their context: the same for every process."""
        if self._patch.fixed:
            return self._patch.least
        numbers = range(len(self._samples))
        sizes = [self._case(self._rng(epoch, iteration, n), n).size for n in numbers]
        return random_shape(self._rng(epoch, iteration, len(numbers)), self._patch, sizes)

    def batch(self, epoch: int, iteration: int, samples: Sequence[int] | None = None) -> Batch:
        """Make a batch, or only the given ones of its samples (those of this process)."""
        samples = range(len(self._samples)) if samples is None else samples
        shape = self.shape(epoch, iteration)
        whole = self._with_context(shape)
        images = torch.empty((len(self._modalities), len(samples), 1, *whole), device=self._device)
        labels = {
            name: torch.empty((len(samples), *shape), dtype=torch.int64, device=self._device)
            for name in self._labels
        }
        labelled = []
        for index, sample in enumerate(samples):
            patch = self._draw(epoch, iteration, sample, shape)
            made = self._make(patch, images[:, index, 0])
            for name, label in labels.items():
                label[index] = made.get(name, UNLABELLED)
            labelled.append(bool(made))
        return Batch(
            dict(zip(self._modalities, images)),
            labels,
            self._on_device(torch.tensor(labelled)),
        )

    def _rng(self, epoch: int, iteration: int, number: int) -> np.random.Generator:
        """Generator of a sample; the number after the last sample's is for the whole batch."""
        return np.random.default_rng([*self._key, epoch, iteration, number])

    def _case(self, rng: np.random.Generator, sample: int) -> TrainingCase:
        cases, _ = self._samples[sample]
        return cases[rng.integers(len(cases))]

    def _draw(self, epoch: int, iteration: int, sample: int, shape: Shape) -> Patch:
        rng = self._rng(epoch, iteration, sample)
        case = self._case(rng, sample)
        _, centred = self._samples[sample]
        settings = self._augmentation
        turns = 0 if settings is None else draw_quarter_turns(rng, settings)
        source = turned(shape, turns)
        if centred and case.foreground:
            start = foreground_start(rng, case.foreground, case.size, source)
        else:
            start = random_start(rng, case.size, source)
        if settings is None:
            return Patch(case, start, shape, Augmentation())
        drawn = draw_augmentation(
            rng, settings, self._with_context(shape), len(self._modalities), turns
        )
        moved = tuple(first + move for first, move in zip(start, drawn.translation))
        return Patch(case, moved, shape, drawn)

    def _with_context(self, shape: Shape) -> Shape:
        return tuple((np.array(shape) + 2 * self._context).tolist())

    def _make(self, patch: Patch, image: Tensor) -> dict[str, Tensor]:
        """Cut and change one patch: write the image into `image`, return its labels."""
        augmentation = patch.augmentation
        if augmentation.deformation is None:
            labels = self._cut(patch, image)
        else:
            labels = self._deform(patch, augmentation.deformation, image)
        for change in augmentation.changes:
            change(image)
        if self._masked:
            image.masked_fill_(labels.pop() == 0, 0)
        inner = tuple(slice(more, more + n) for more, n in zip(self._context, patch.shape))
        return {name: label[inner] for name, label in zip(patch.case.labels, labels)}

    def _cut(self, patch: Patch, image: Tensor) -> list[Tensor]:
        drawn = patch.augmentation
        context = turned(tuple(self._context.tolist()), drawn.quarter_turns)
        start = tuple((np.array(patch.start) - context).tolist())
        shape = turned(self._with_context(patch.shape), drawn.quarter_turns)
        volume, *labels = self._regions(patch.case, start, shape)
        image.copy_(at_right_angles(drawn, volume))
        return [at_right_angles(drawn, label) for label in labels]

    def _deform(self, patch: Patch, drawn: Deformation, image: Tensor) -> list[Tensor]:
        deformation = Deformation(drawn.matrix @ right_angles(patch.augmentation), drawn.elastic)
        centre = np.array(patch.start) + (np.array(patch.source) - 1) / 2
        start, shape = source_box(deformation, centre, self._with_context(patch.shape))
        volume, *labels = self._regions(patch.case, start, shape, as_float=True)
        unlabelled = 0 if self._masked else int(self._context[0])
        return resample(volume, labels, deformation, centre - start, image, unlabelled)

    def _regions(
        self, case: TrainingCase, start: Shape, shape: Shape, as_float: bool = False
    ) -> list[Tensor]:
        """A box of the case's image, of each of its labels and, where wanted, of its mask.

        The mask is 1 where one of the images at least is not zero. As float, the image is
        contiguous float32, in memory that is reused from patch to patch.
        """
        read = self._float_region if as_float else self._region
        labels = (self._region(label, start, shape) for label in case.labels.values())
        regions = [read(case.image, start, shape), *labels]
        if self._masked:
            regions.append((regions[0] != 0).any(0).to(torch.uint8))
        return regions

    def _region(self, volume: Tensor, start: Shape, shape: Shape) -> Tensor:
        return self._on_device(read_region(volume, start, shape))

    def _float_region(self, volume: Tensor, start: Shape, shape: Shape) -> Tensor:
        """On a CPU, fresh memory of this size costs more than the conversion (page faults)."""
        whole = (*volume.shape[:-3], *shape)
        if self._scratch.numel() < prod(whole):
            self._scratch = torch.empty(prod(whole), device=self._device)
        scratch = self._scratch[: prod(whole)].view(whole)
        if volume.device == self._device:
            return read_region(volume, start, shape, scratch)
        return scratch.copy_(self._region(volume, start, shape))

    def _on_device(self, tensor: Tensor) -> Tensor:
        """The tensor on the batch's device, by a copy that nothing waits for."""
        if tensor.device == self._device or self._device.type == "cpu":
            return tensor
        return tensor.contiguous().pin_memory().to(self._device, non_blocking=True)


def ahead(make: Callable[[int], Batch], iterations: Sequence[int]) -> Iterator[Batch]:
    """Yield `make(i)` for each iteration; the next one is made while the caller uses this one."""
    with ThreadPoolExecutor(1, thread_name_prefix="patches") as executor:
        waiting: deque[Future[Batch]] = deque()
        for iteration in iterations:
            waiting.append(executor.submit(make, iteration))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
