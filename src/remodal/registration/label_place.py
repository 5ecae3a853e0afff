"""Whether a CT's label lies where it may have been drawn, or seems to be flipped.

A flip may carry a label out of the body, or into its lungs. Within the body, a flipped label covers
several kinds of tissue at once, which hardly any organ or lesion does; that a flip of it would lie
on one kind alone gives it away. A flip that leaves it on one kind of tissue cannot be told. Fatty
tissue, neither clearly fat nor clearly not, is no kind of its own, and neither is gas that an organ
holds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from remodal.geometry.volume import Geometry, Volume
from remodal.registration.quality import body_mask

#: Share of a label's voxels above which it is said to lie in air, or outside the body.
_MOST = 0.5
#: Brightest fat and darkest tissue without fat, HU: fatty tissue with its noise lies in between.
_FAT, _LEAN = -60.0, 0.0
#: Share of the surface of a label's air up to which that air is taken to be of the label's organ.
_CUT = 0.5
#: Share of a label's voxels on one kind of tissue: below the first it is odd, and a flip with more
#: than the second is worth naming (in the body too). Of 1,505 simulated organs and pieces of organs
#: in their place these doubt 4, at whatever second from 0.85 to 0.95; 0.85 notices the most flips.
_MIXED, _PURE = 0.8, 0.85
#: Where the axes x, y and z of a patient run.
_WAYS = ("from left to right", "from front to back", "from head to foot")


@dataclass(frozen=True)
class Doubt:
    """What is odd about a label's place.

    Attributes:
        said: one line.
        flipped: whether it can hardly be right; otherwise it may be (a label of the lungs).
    """

    said: str
    flipped: bool


def doubt_about_place(image: Volume, label: np.ndarray, threshold: float) -> Doubt | None:
    """What is odd about the place of a label; None: nothing.

    Args:
        image: the image that it was drawn on, HU.
        label: (z, y, x) on the image's grid; 0 is background.
        threshold: intensity above which a voxel is body.
    """
    drawn = np.nonzero(label)
    if not len(drawn[0]):
        return None

    def in_body(values: np.ndarray) -> float:
        return float((values > threshold).mean())

    def purity(values: np.ndarray) -> float:
        fat = (values > threshold) & (values <= _FAT)
        mixed = min(fat.mean(), (values > _LEAN).mean())
        return in_body(values) - float(mixed)

    values = image.array[drawn]
    if in_body(values) >= _MOST:
        judged = _without_own_air(image, label != 0, drawn, threshold)
        pure = purity(judged) if len(judged) else 1.0
        flip = _better_flip(image, drawn, purity) if pure < _MIXED else ""
        said = f"only {pure:.0%} of the label lies on one kind of tissue{flip}"
        return Doubt(said, flipped=True) if flip else None
    flip = _better_flip(image, drawn, in_body)
    outside = float((~body_mask(image, threshold))[drawn].mean())
    if outside > _MOST:
        return Doubt(f"{outside:.0%} of the label lies outside the body{flip}", flipped=True)
    return Doubt(f"{1 - in_body(values):.0%} of the label lies in air{flip}", flipped=False)


def _without_own_air(
    image: Volume, label: np.ndarray, drawn: tuple[np.ndarray, ...], threshold: float
) -> np.ndarray:
    """The intensities under a label, without air that its organ holds and what is blurred with it.

    Air that ends inside a label, or with it, is the organ's, as gas is the bowel's. A flipped label
    cuts through the air that it meets, which goes on beside it.
    """
    from scipy.ndimage import binary_dilation

    box = tuple(slice(max(place.min() - 1, 0), place.max() + 2) for place in drawn)
    label, values = label[box], image.array[box]
    air = values <= threshold
    own = label & air
    if _faces(own, air & ~label) > _CUT * _faces(own, ~own):
        return values[label]
    return values[label & ~binary_dilation(own)]


def _faces(first: np.ndarray, second: np.ndarray) -> int:
    """How many faces voxels of one set share with voxels of another."""
    total = 0
    for axis in range(first.ndim):
        one, other = np.moveaxis(first, axis, 0), np.moveaxis(second, axis, 0)
        total += int((one[1:] & other[:-1]).sum() + (one[:-1] & other[1:]).sum())
    return total


def _better_flip(
    image: Volume, drawn: tuple[np.ndarray, ...], measure: Callable[[np.ndarray], float]
) -> str:
    """The flip that lays a label best, in words; empty: none lays it well.

    Args:
        image: the image.
        drawn: indices of the label's voxels, one array for each axis.
        measure: says of the intensities under a label how well it lies, up to 1.
    """
    found = {axes: measure(image.array[_flipped(drawn, axes, image)]) for axes in _flips()}
    axes = max(found, key=found.__getitem__)
    if found[axes] <= _PURE:
        return ""
    ways = " and ".join(_way(axis, image.geometry) for axis in axes)
    return f": it may be flipped, perhaps {ways}"


def _flipped(
    drawn: tuple[np.ndarray, ...], axes: tuple[int, ...], image: Volume
) -> tuple[np.ndarray, ...]:
    """Indices of the voxels after a flip of the grid."""
    shape = image.array.shape
    return tuple(shape[a] - 1 - drawn[a] if a in axes else drawn[a] for a in range(3))


def _flips() -> Iterator[tuple[int, ...]]:
    """The axes of each flip, those of one axis first."""
    for count in (1, 2, 3):
        yield from combinations(range(3), count)


def _way(axis: int, grid: Geometry) -> str:
    """Where an axis of an array (z, y, x) runs in the patient."""
    column = np.reshape(grid.direction, (3, 3))[:, 2 - axis]
    return _WAYS[int(np.abs(column).argmax())]
