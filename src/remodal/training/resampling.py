"""One fused resampling of a patch: rotation, zoom, elastic deformation and mirroring together.

Positions are in voxels. A patch point `x` (relative to the patch's centre) is read from
`centre + matrix @ x + displacement(x)`: images trilinearly, labels by nearest neighbour, zero
outside the volume.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, int, int]

#: Planes resampled together on a CPU: so few that their intermediate arrays stay in its cache.
_PLANES = 16


@dataclass(frozen=True)
class Elastic:
    """A smooth random displacement.

    Attributes:
        noise: (3, K_z, K_y, K_x) standard normal numbers at knots one `sigma` apart; with only one
            plane of knots, the displacement is the same in every slice.
        sigma: smoothness in voxels.
        amplitude: standard deviation of each component in voxels.
    """

    noise: np.ndarray
    sigma: float
    amplitude: float


@dataclass(frozen=True)
class Deformation:
    """Where a patch is read from: `matrix` (3, 3) maps patch to source offsets, in (z, y, x)."""

    matrix: np.ndarray
    elastic: Elastic | None = None

    @property
    def separable(self) -> bool:
        """Whether each axis is only zoomed or mirrored, so that it can be resampled by itself."""
        return self.elastic is None and not np.any(self.matrix - np.diag(np.diag(self.matrix)))

    @property
    def in_slice(self) -> bool:
        """Whether no voxel leaves its slice and all slices move alike, but for a flip along z."""
        matrix, flat = self.matrix, True
        if self.elastic is not None:
            flat = self.elastic.noise.shape[1] == 1 and not np.any(self.elastic.noise[0])
        upright = not (np.any(matrix[0, 1:]) or np.any(matrix[1:, 0]))
        return bool(flat and upright and abs(matrix[0, 0]) == 1)


def knots(length: int, sigma: float) -> int:
    """Number of noise knots along an axis: one `sigma` apart, three beyond either end."""
    return math.ceil((length - 1) / sigma) + 7


def smoothing(length: int, sigma: float) -> Tensor:
    """(length, knots) weights that turn noise at the knots into a smooth curve of unit variance.

    Equal in distribution to white noise at every voxel filtered by a Gaussian of `sigma` (the
    correlation over a distance d is exp(-d^2 / (4 sigma^2))), from far fewer numbers.
    """
    positions = torch.arange(length) + 3.0 * sigma
    centres = torch.arange(knots(length, sigma)) * sigma
    weights = torch.exp(-0.5 * ((positions[:, None] - centres) / sigma) ** 2)
    return weights / weights.norm(dim=1, keepdim=True)


def displacement(elastic: Elastic, matrix: np.ndarray, shape: Shape, device) -> Tensor:
    """`matrix @ u` for the displacement field u: (3, Z, Y, X) in voxels."""
    noise = elastic.amplitude * np.einsum("ab,bzyx->azyx", matrix, elastic.noise)
    field = torch.from_numpy(noise.astype(np.float32)).to(device, non_blocking=True)
    along_z, along_y, along_x = (
        smoothing(length, elastic.sigma).to(device, non_blocking=True) for length in shape
    )
    field = along_y @ (field @ along_x.T)
    if field.shape[1] == 1:
        return field.expand(3, *shape).contiguous()
    return (along_z @ field.flatten(2)).view(3, *shape)


def source_box(deformation: Deformation, centre: np.ndarray, shape: Shape) -> tuple[Shape, Shape]:
    """Start and shape of the source region that a patch of `shape` reads.

    It covers four standard deviations of an elastic displacement; the rare point beyond that takes
    the value at the region's border.
    """
    reach = np.abs(deformation.matrix) @ ((np.array(shape) - 1) / 2)
    if deformation.elastic is not None:
        spread = np.linalg.norm(deformation.matrix, axis=1) * deformation.elastic.amplitude
        reach = reach + 4 * spread
    # Rounding errors must not add a plane to a box that ends exactly on a voxel.
    start = np.floor(centre - reach + 1e-6).astype(int)
    stop = np.maximum(np.ceil(centre + reach - 1e-6).astype(int) + 1, start + 2)
    return tuple(start.tolist()), tuple((stop - start).tolist())


def coordinates(deformation: Deformation, centre: np.ndarray, shape: Shape, device) -> Tensor:
    """Source position of every voxel of the patch: (3, Z, Y, X) float32, in voxels."""
    elastic, positions = deformation.elastic, torch.empty((3, *shape), device=device)
    if elastic is not None:
        positions = displacement(elastic, deformation.matrix, shape, device)
    axes = [torch.arange(n, device=device) - (n - 1) / 2 for n in shape]
    for axis, row in enumerate(deformation.matrix.tolist()):
        z, y, x = (factor * line for factor, line in zip(row, axes))
        plane = (y + float(centre[axis]))[:, None] + x
        z = z[:, None, None]
        along = z if elastic is None else positions[axis].add_(z)
        torch.add(along, plane, out=positions[axis])
    return positions


def resample(
    image: Tensor,
    labels: Sequence[Tensor],
    deformation: Deformation,
    centre: np.ndarray,
    out: Tensor,
    unlabelled: int = 0,
) -> list[Tensor]:
    """Resample a source region into a patch.

    Args:
        image: (M, z, y, x) float32 source region.
        labels: (z, y, x) uint8 source regions.
        deformation: how the patch lies in the region.
        centre: the patch's centre in the region, in voxels.
        out: (M, Z, Y, X) float32, receives the image.
        unlabelled: slices at both ends of the patch whose labels are not needed, and may be zero.

    Returns:
        The labels, each (Z, Y, X) uint8.
    """
    shape = tuple(out.shape[1:])
    if deformation.separable:
        return _resample_axes(image, labels, deformation, centre, out)
    if deformation.in_slice:
        planes = _planes_read(deformation, float(centre[0]), shape[0])
        if planes is not None:
            return _resample_slices(image, labels, deformation, centre, planes, out, unlabelled)
    positions = coordinates(deformation, centre, shape, image.device)
    if image.is_cuda:
        return _resample_at_once(image, labels, positions, out)
    found = [torch.empty(shape, dtype=label.dtype) for label in labels]
    for first in range(0, shape[0], _PLANES):
        planes = slice(first, first + _PLANES)
        _resample_planes(image, positions[:, planes], out[:, planes])
        for patch, label in zip(found, labels):
            patch[planes] = nearest(label, positions[:, planes])
    return found


def nearest(label: Tensor, positions: Tensor) -> Tensor:
    """Label of the voxel nearest to each of (3, ...) positions; outside, that of the border."""
    index = _nearest_index(positions.unbind(), label.shape)
    return label.flatten().index_select(0, index.flatten()).view(index.shape)


def _nearest_index(positions: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Number of the nearest voxel in a flattened array of this shape, from positions by axis.

    It is computed in floating point, which is exact for these numbers and fewer passes.
    """
    exact = torch.float32 if math.prod(shape) <= 2**24 else torch.float64
    nearest = (position.round().clamp_(0, length - 1) for position, length in zip(positions, shape))
    index = next(nearest).to(exact)
    for further, length in zip(nearest, shape[1:]):
        index.mul_(length).add_(further)
    return index.int()


def _slice_coordinates(
    deformation: Deformation, centre: np.ndarray, shape: tuple[int, int], device
) -> Tensor:
    """Source position (y, x) of every voxel of a slice: (2, Y, X) float32, the same in each."""
    if deformation.elastic is not None:
        return coordinates(deformation, centre, (1, *shape), device)[1:, 0]
    positions = torch.empty((2, *shape), device=device)
    y, x = (torch.arange(n, device=device) - (n - 1) / 2 for n in shape)
    for position, (along_y, along_x), middle in zip(
        positions, deformation.matrix[1:, 1:].tolist(), centre[1:].tolist()
    ):
        torch.add((along_y * y + middle)[:, None], along_x * x, out=position)
    return positions


def _planes_read(deformation: Deformation, centre: float, count: int) -> list[int] | None:
    """The source's slice that each of `count` slices is read from; None if any lies between two.

    Args:
        deformation: one that is `in_slice`.
        centre: the patch's centre along z in the region, in voxels.
        count: slices of the patch.
    """
    step = int(deformation.matrix[0, 0])
    first = centre - step * (count - 1) / 2
    if abs(first - round(first)) > 1e-6:
        return None
    return [round(first) + step * number for number in range(count)]


def _resample_slices(
    image: Tensor,
    labels: Sequence[Tensor],
    deformation: Deformation,
    centre: np.ndarray,
    planes: Sequence[int],
    out: Tensor,
    unlabelled: int,
) -> list[Tensor]:
    """One bilinear sampling of all slices of all modalities: positions are computed only once."""
    depth, height, width = image.shape[1:]
    planes = [min(max(plane, 0), depth - 1) for plane in planes]
    slice_shape = tuple(out.shape[2:])
    y, x = _slice_coordinates(deformation, centre, slice_shape, image.device)
    index = _nearest_index([y, x], (height, width)).flatten()
    grid, corner = torch.empty((*slice_shape, 2), device=image.device), torch.tensor(-1.0)
    torch.add(corner, x, alpha=2 / (width - 1), out=grid[..., 0])
    torch.add(corner, y, alpha=2 / (height - 1), out=grid[..., 1])
    stack = image if planes == list(range(depth)) else image[:, planes]
    stack = stack.reshape(1, -1, height, width)
    sampled = F.grid_sample(stack, grid[None], padding_mode="border", align_corners=True)
    out.copy_(sampled.view(out.shape))
    found = [label.new_zeros((len(planes), *slice_shape)) for label in labels]
    # Slice by slice: selecting from bytes along a second axis takes four times as long.
    for number in range(unlabelled, len(planes) - unlabelled):
        for patch, label in zip(found, labels):
            nearby = label[planes[number]].flatten().index_select(0, index)
            patch[number] = nearby.view(slice_shape)
    return found


def _resample_at_once(
    image: Tensor, labels: Sequence[Tensor], positions: Tensor, out: Tensor
) -> list[Tensor]:
    grid = torch.stack(
        [position * (2 / (n - 1)) - 1 for position, n in zip(positions, image.shape[1:])][::-1], -1
    )
    sampled = F.grid_sample(image[None], grid[None], padding_mode="border", align_corners=True)
    out.copy_(sampled[0])
    return [nearest(label, positions) for label in labels]


def _resample_planes(image: Tensor, positions: Tensor, out: Tensor) -> None:
    """Trilinear as two bilinear samplings of the region seen as one tall 2-D image.

    On a CPU, torch's 2-D sampling is vectorised and its 3-D sampling is not, so this is 2-3 times
    faster. A row of the tall image is z * Y + y; as a float32 coordinate it is accurate to 1e-3
    voxels.
    """
    depth, height, width = image.shape[1:]
    rows = depth * height
    z, y, x = positions
    z = z.clamp(0, depth - 1)
    below = z.floor().clamp_(max=depth - 2)
    grid = torch.empty((*z.shape, 2))
    torch.mul(x.clamp(0, width - 1), 2 / (width - 1), out=grid[..., 0])
    torch.add(y.clamp(0, height - 1), below, alpha=height, out=grid[..., 1])
    grid[..., 1] *= 2 / (rows - 1)
    grid -= 1
    tall = image.reshape(1, -1, rows, width)
    flat = grid.view(1, -1, z.shape[-1], 2)
    first = F.grid_sample(tall, flat, padding_mode="border", align_corners=True)
    grid[..., 1] += 2 * height / (rows - 1)
    second = F.grid_sample(tall, flat, padding_mode="border", align_corners=True)
    torch.lerp(first.view(out.shape), second.view(out.shape), z.sub_(below), out=out)


def _resample_axes(
    image: Tensor,
    labels: Sequence[Tensor],
    deformation: Deformation,
    centre: np.ndarray,
    out: Tensor,
) -> list[Tensor]:
    """Interpolate linearly axis by axis: the same result for a zoom, at a fraction of the work."""
    lower, weights = [], []
    labels = list(labels)
    for axis, length in enumerate(out.shape[1:]):
        steps = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
        position = float(centre[axis]) + float(deformation.matrix[axis, axis]) * steps
        position = position.clamp_(0, image.shape[axis + 1] - 1)
        below = position.floor().clamp_(max=image.shape[axis + 1] - 2)
        lower.append(below.long().to(image.device))
        weights.append((position - below).float().to(image.device))
        nearby = position.round().long()
        labels = [label.index_select(axis, nearby.to(label.device)) for label in labels]
    # Along x, multiply by a two-tap matrix: gathering single numbers would be slower.
    taps = image.new_zeros((image.shape[3], out.shape[3]))
    columns = torch.arange(out.shape[3], device=image.device)
    taps[lower[2], columns] = 1 - weights[2]
    taps[lower[2] + 1, columns] = weights[2]
    for first in range(0, out.shape[1], _PLANES):
        planes = slice(first, first + _PLANES)
        slab = _between(image, 1, lower[0][planes], weights[0][planes].view(-1, 1, 1))
        slab = _between(slab, 2, lower[1], weights[1].view(-1, 1))
        out[:, planes] = slab @ taps
    return labels


def _between(image: Tensor, axis: int, lower: Tensor, weight: Tensor) -> Tensor:
    first = image.index_select(axis, lower)
    return first.lerp_(image.index_select(axis, lower + 1), weight)
