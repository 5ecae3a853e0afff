"""A plan for a training set: target spacing, patch, batch, strides and kernels.

Source: nnU-Net (Isensee et al. 2021, supplementary note 2; MIC-DKFZ/nnUNet v2, the default
ExperimentPlanner, configuration 3d_fullres), whose constants these are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from remodal.errors import UserError
from remodal.planning.topology import Topology, Triple, feature_map_elements, topology

Spacing = tuple[float, float, float]

#: A spacing this many times the others, of an axis with so many times fewer voxels, is anisotropic.
_ANISOTROPY = 3.0
#: Of the spacings of an anisotropic axis: the median would interpolate thin slices away.
_PERCENTILE = 10
#: Sides of the patch to begin with, if the voxels were cubes.
_FIRST_SIDE = 256
#: What a network of 32 channels uses for a batch of 2 on a GPU of 8 GB, in values of feature maps.
_ELEMENTS, _GIGABYTES, _BATCH = 560_000_000, 8.0, 2
#: A batch holds at most this share of all voxels of the training set.
_SHARE = 0.05
_FEWEST = 2


@dataclass(frozen=True)
class Plan:
    """What is planned; axes are (z, y, x).

    Attributes:
        spacing: target spacing in mm.
        shape: median shape of the training cases at that spacing.
        patch: sides of a patch.
        batch: patches in a batch.
        strides: into each stage after the first.
        kernels: of each stage.
        elements: values in the feature maps of a U-Net for one patch.
    """

    spacing: Spacing
    shape: tuple[float, float, float]
    patch: Triple
    batch: int
    strides: tuple[Triple, ...]
    kernels: tuple[Triple, ...]
    elements: int


def plan(
    spacings: Sequence[Sequence[float]],
    shapes: Sequence[Sequence[int]],
    classes: int,
    gpu_memory: float = _GIGABYTES,
    spacing: Spacing | None = None,
    base_width: int = 32,
    max_width: int = 320,
) -> Plan:
    """Plan for the images of a training set.

    Args:
        spacings: of each training case, (z, y, x) in mm.
        shapes: of each training case after its crop, in voxels of its spacing.
        classes: number of classes, without the background.
        gpu_memory: what the network may use, in GB.
        spacing: target spacing; None: from the spacings (`target_spacing`).
        base_width: channels of the first stage.
        max_width: cap of their doubling.

    Raises:
        UserError: no axis of the images is long enough to be down-sampled.
    """
    target = spacing or target_spacing(spacings, shapes)
    resampled = [
        [round(own / new * length) for own, new, length in zip(steps, target, sides)]
        for steps, sides in zip(spacings, shapes)
    ]
    median = np.median(resampled, axis=0).tolist()
    # The coarsest axis goes first, as in nnU-Net, where the order decides between equal sides.
    coarsest = int(np.argmax(target))
    order = [coarsest, *(axis for axis in range(3) if axis != coarsest)]
    back = np.argsort(order)
    steps, sides = ([values[axis] for axis in order] for values in (target, median))
    budget = _ELEMENTS * gpu_memory / _GIGABYTES

    def elements(found: Topology) -> int:
        widths = [min(base_width * 2**stage, max_width) for stage in range(len(found.kernels))]
        return feature_map_elements(found.patch, found.strides, widths, classes + 1)

    chosen = topology(steps, _first_patch(steps, sides))
    while elements(chosen) > budget:
        chosen = _smaller(chosen, steps, sides)
    _require_strides(chosen, target, median)
    share = round(prod(median) * len(spacings) * _SHARE / prod(chosen.patch))
    batch = max(min(round(budget / elements(chosen) * _BATCH), share), _FEWEST)

    def in_order(values: Triple) -> Triple:
        z, y, x = (values[axis] for axis in back)
        return z, y, x

    return Plan(
        target,
        tuple(median),
        in_order(chosen.patch),
        batch,
        tuple(map(in_order, chosen.strides)),
        tuple(map(in_order, chosen.kernels)),
        elements(chosen),
    )


def _require_strides(chosen: Topology, spacing: Spacing, shape: Sequence[float]) -> None:
    """Check that the images are large enough to be down-sampled along an axis."""
    if not chosen.strides:
        raise UserError(
            f"the images are too small: {' x '.join(f'{side:g}' for side in shape)} voxels of "
            f"{' x '.join(f'{step:.3g}' for step in spacing)} mm (z, y, x)",
            where="network: auto",
            expected="two axes of 8 voxels or more",
            remedy="set preprocessing.spacing finer, or network and recipe.patch by hand",
        )


def target_spacing(spacings: Sequence[Sequence[float]], shapes: Sequence[Sequence[int]]) -> Spacing:
    """The median along each axis; of thick slices' axis the 10th percentile.

    Args:
        spacings: of each training case, (z, y, x) in mm.
        shapes: of each training case after its crop.
    """
    target = np.percentile(np.array(spacings, float), 50, axis=0)
    sides = np.percentile(np.array(shapes, float), 50, axis=0)
    axis = int(np.argmax(target))
    others = [other for other in range(3) if other != axis]
    coarsest_of_others = max(target[others])
    thick = target[axis] > _ANISOTROPY * coarsest_of_others
    if thick and sides[axis] * _ANISOTROPY < min(sides[others]):
        own = float(np.percentile(np.array(spacings, float)[:, axis], _PERCENTILE))
        target[axis] = own if own >= coarsest_of_others else coarsest_of_others + 1e-5
    z, y, x = target.tolist()
    return z, y, x


def _first_patch(spacing: Sequence[float], shape: Sequence[float]) -> list[float]:
    """A box of 256 x 256 x 256 voxels, as cubic as they allow, but no larger than the images."""
    density = 1 / np.array(spacing)
    sides = density * (_FIRST_SIDE**3 / np.prod(density)) ** (1 / 3)
    return [min(round(side), length) for side, length in zip(sides, shape)]


def _smaller(chosen: Topology, spacing: Sequence[float], shape: Sequence[float]) -> Topology:
    """The stages of the next smaller patch: shorter along the axis that covers most of the images.

    It is shorter by what the side must be a multiple of once it is shorter.
    """
    covered = [side / length for side, length in zip(chosen.patch, shape)]
    axis = max(range(3), key=lambda one: (covered[one], one))
    shorter = list(chosen.patch)
    shorter[axis] -= chosen.multiple[axis]
    patch = list(chosen.patch)
    patch[axis] -= topology(spacing, shorter).multiple[axis]
    return topology(spacing, patch)
