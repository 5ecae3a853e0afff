"""Distances between the surfaces of two masks, and what is derived from them.

Two formulas share the name ASSD; here each has its own name:

- `assd`: the mean over both surfaces' voxels together (Heimann 2009; MedPy since 0.5.2; MONAI with
  `symmetric=True`);
- `masd`: the mean of the two directed means (MedPy before 0.5, so nnU-Net v1).

`asd`, one direction only, is what the dual-task-consistency repository reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan

import numpy as np
import scipy

#: A query of the k-d tree costs about as much as this many voxels of a distance transform
#: (measured: 10 for surfaces that nearly touch, 50 and more for distant ones, which are rare).
_VOXELS_PER_QUERY = 16
#: Voxels whose distances are computed together after a distance transform.
_AT_A_TIME = 1_000_000


def surface(mask: np.ndarray) -> np.ndarray:
    """Surface voxels of a boolean mask: what one 6-neighbour erosion removes.

    Voxels on the array's border are surface, as in MedPy (connectivity 1), so that cropping an
    array to its mask changes nothing.
    """
    interior = mask.copy()
    for axis in range(mask.ndim):
        along, eroded = np.moveaxis(mask, axis, 0), np.moveaxis(interior, axis, 0)
        eroded[1:] &= along[:-1]
        eroded[:-1] &= along[1:]
        eroded[:1] = False
        eroded[-1:] = False
    return mask & ~interior


@dataclass(frozen=True)
class SurfaceDistances:
    """For each surface voxel of one mask, the distance to the other's surface.

    Both arrays are float64 of shape (surface voxels,), in the unit of the spacing. If either mask
    is empty, both arrays are empty and every metric is undefined (NaN).
    """

    from_prediction: np.ndarray
    from_truth: np.ndarray

    @cached_property
    def pooled(self) -> np.ndarray:
        """Both directions together."""
        return np.concatenate([self.from_prediction, self.from_truth])

    @property
    def defined(self) -> bool:
        """Whether both masks have a surface."""
        return self.from_prediction.size > 0 and self.from_truth.size > 0

    def scaled(self, factor: float) -> "SurfaceDistances":
        """The same distances in another unit."""
        return SurfaceDistances(self.from_prediction * factor, self.from_truth * factor)


def surface_distances(
    prediction_surface: np.ndarray, truth_surface: np.ndarray, spacing: Sequence[float]
) -> SurfaceDistances:
    """Euclidean distances between voxel centres of two surfaces.

    Args:
        prediction_surface: boolean (z, y, x), as from `surface`.
        truth_surface: the same shape.
        spacing: voxel size (z, y, x) in mm; (1, 1, 1) for distances in voxels.
    """
    if not prediction_surface.any() or not truth_surface.any():
        return SurfaceDistances(np.empty(0), np.empty(0))
    return SurfaceDistances(
        from_prediction=_directed(prediction_surface, truth_surface, spacing),
        from_truth=_directed(truth_surface, prediction_surface, spacing),
    )


def _directed(source: np.ndarray, target: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance from each source voxel, in array order, to the nearest target voxel.

    Voxels on both surfaces are at distance 0 and are not searched. The others cost one query each
    of a k-d tree, or one distance transform of the whole array if that is cheaper.
    """
    voxels = np.flatnonzero(source)
    apart = ~target.ravel()[voxels]
    distances = np.zeros(voxels.size)
    if source.size < _VOXELS_PER_QUERY * np.count_nonzero(apart):
        distances[apart] = _by_transform(voxels[apart], target, spacing)
    else:
        # An unbalanced tree is built in half the time and searched no slower on voxel grids.
        tree = scipy.spatial.cKDTree(
            _positions(np.flatnonzero(target), target.shape, spacing),
            balanced_tree=False,
            compact_nodes=False,
        )
        distances[apart] = tree.query(_positions(voxels[apart], source.shape, spacing))[0]
    return distances


def _by_transform(voxels: np.ndarray, target: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance from voxels, given as flat indices, to the nearest target voxel.

    The transform is asked for places, not distances: these are computed for the voxels only, some
    at a time, since those of the whole array take several times as much memory as its masks.
    """
    nearest = scipy.ndimage.distance_transform_edt(
        ~target, sampling=spacing, return_distances=False, return_indices=True
    )
    nearest = nearest.reshape(target.ndim, -1)
    sampling = np.asarray(spacing, dtype=float)[:, None]
    distances = np.empty(voxels.size)
    for start in range(0, voxels.size, _AT_A_TIME):
        part = voxels[start : start + _AT_A_TIME]
        steps = (nearest[:, part] - np.unravel_index(part, target.shape)) * sampling
        distances[start : start + _AT_A_TIME] = np.sqrt(np.square(steps).sum(axis=0))
    return distances


def _positions(voxels: np.ndarray, shape: tuple[int, ...], spacing: Sequence[float]) -> np.ndarray:
    """Positions (n, axes) of flat indices, in the unit of the spacing."""
    return np.stack(np.unravel_index(voxels, shape), axis=1) * np.asarray(spacing, dtype=float)


def asd(distances: SurfaceDistances) -> float:
    """Mean distance from the predicted surface to the true one: one direction only."""
    return float(distances.from_prediction.mean()) if distances.defined else nan


def assd(distances: SurfaceDistances) -> float:
    """Mean distance over both surfaces pooled."""
    return float(distances.pooled.mean()) if distances.defined else nan


def masd(distances: SurfaceDistances) -> float:
    """Mean of the two directed mean distances."""
    if not distances.defined:
        return nan
    return float(distances.from_prediction.mean() + distances.from_truth.mean()) / 2


def hd95(distances: SurfaceDistances) -> float:
    """95th percentile of the pooled distances, linearly interpolated, as MedPy's `hd95`."""
    return float(np.percentile(distances.pooled, 95)) if distances.defined else nan


def rmsd(distances: SurfaceDistances) -> float:
    """Root of the mean squared pooled distance."""
    return float(np.sqrt(np.mean(distances.pooled**2))) if distances.defined else nan
