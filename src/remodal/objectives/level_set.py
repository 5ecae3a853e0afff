"""Level sets of masks, and the mask of a level set.

Source: Luo et al. (2021), dual-task consistency; HiLab-git/DTC, utils/util.py and train_la_dtc.py;
kleinzcy/SASSnet has the same. The paper's T is in voxels; the repository scales it, as is done
here.
"""

from typing import Literal

import torch
from torch import Tensor

from remodal.objectives.distance_transform import squared_distance

#: What the level set is where there is no foreground.
Empty = Literal["repo_zero", "plus_one"]


def level_sets(masks: Tensor, empty: Empty) -> Tensor:
    """T(y) of each sample's mask (B, Z, Y, X), bool, as float32 in -1..1.

    It is negative inside, 0 on the foreground's voxels that touch background by a face, and
    positive outside. The inside is divided by the sample's largest distance to the background, the
    outside by its largest to the foreground; what lies beyond the sample is not known, so that its
    border is no contour. A sample of foreground alone is -1 (0 / 0 in the repository).

    Args:
        masks: foreground of each sample.
        empty: a sample without foreground is 0, as if it were all contour (`repo_zero`, the
            repository), or +1 (`plus_one`).
    """
    if masks.is_meta:  # without values, as where only memory is measured
        return torch.empty(masks.shape, device=masks.device)
    return torch.stack([_level_set(mask, empty) for mask in masks]) if len(masks) else masks.float()


def foreground_of(level: Tensor, k: float) -> Tensor:
    """T^-1(z) = sigmoid(k z), the foreground's probability; k is negative, as z is inside."""
    return torch.sigmoid(k * level.float())


def _level_set(mask: Tensor, empty: Empty) -> Tensor:
    bits = mask.view(torch.uint8)  # reduced many times as fast as booleans on a CPU
    if not bits.any():
        return torch.full(mask.shape, 0.0 if empty == "repo_zero" else 1.0, device=mask.device)
    if bits.all():
        return torch.full(mask.shape, -1.0, device=mask.device)
    level = _scaled(squared_distance(mask))
    box = _box_around(bits)
    depth = squared_distance(~mask[box])
    level[box] -= _scaled(depth)
    level[box].masked_fill_(depth == 1, 0)
    return level.float()


def _box_around(bits: Tensor) -> tuple[slice, ...]:
    """The box of a mask and one voxel around it, beyond which lies no nearest background."""
    box = []
    for axis in range(bits.dim()):
        others = [other for other in range(bits.dim()) if other != axis]
        occupied = bits.amax(dim=others).nonzero()
        box.append(slice(max(int(occupied[0]) - 1, 0), int(occupied[-1]) + 2))
    return tuple(box)


def _scaled(squared: Tensor) -> Tensor:
    """Distances divided by the largest; float64, so that the result is rounded only once."""
    distance = squared.double().sqrt_()
    return distance.div_(distance.max())
