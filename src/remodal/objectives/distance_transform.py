"""Exact squared Euclidean distance transforms of masks, on the device that the masks are on.

On a CPU, Maurer's algorithm (2003) in SimpleITK: three times as fast as SciPy's transform. On an
accelerator, the minimum over the voxels of a line for one axis after the other.
"""

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

#: More than any squared distance in an array, and exact in float32 after squares are added.
FAR = 2.0**23
#: Values compared at once on an accelerator: 256 MB.
AT_ONCE = 2**26


def squared_distance(mask: Tensor) -> Tensor:
    """Squared distance in voxels of each voxel's centre to that of the nearest voxel of the mask.

    Whole numbers as float32, so exact; 0 in the mask, where there must be at least one voxel.

    Args:
        mask: (Z, Y, X), bool.
    """
    return _by_maurer(mask) if mask.device.type == "cpu" else by_lines(mask)


def by_lines(mask: Tensor) -> Tensor:
    """As `squared_distance`, by tensor operations on any device.

    d(x) = min over x' of d(x') + (x - x')^2 along one axis after the other.
    """
    squared = torch.where(mask, 0.0, FAR)
    for axis in range(mask.dim()):
        lines = squared.movedim(axis, -1)
        place = torch.arange(lines.shape[-1], device=mask.device, dtype=torch.float32)
        cost = (place - place[:, None]).square()
        parts = lines.reshape(-1, len(place)).split(max(AT_ONCE // len(place) ** 2, 1))
        nearest = torch.cat([(part[:, None] + cost).amin(-1) for part in parts])
        squared = nearest.view(lines.shape).movedim(-1, axis)
    return squared


def _by_maurer(mask: Tensor) -> Tensor:
    """SimpleITK's signed transform; its inside counts from the mask's surface and is not used."""
    transform = sitk.SignedMaurerDistanceMapImageFilter()
    transform.SquaredDistanceOn()
    transform.UseImageSpacingOff()
    transform.SetNumberOfThreads(torch.get_num_threads())
    found = transform.Execute(sitk.GetImageFromArray(mask.numpy().view(np.uint8)))
    return torch.from_numpy(sitk.GetArrayFromImage(found)).masked_fill_(mask, 0)
