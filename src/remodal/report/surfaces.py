"""The surface of a mask as a mesh in patient coordinates, and how far it is from another's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

#: The most steps along the longest side of a mesh's grid; a finer one would not be seen.
_STEPS = 128
#: Smoothing of a mask's edge, in sides of a voxel: voxels are not shown as stairs.
_SMOOTHING = 1.3


@dataclass(frozen=True)
class Mesh:
    """A triangulated surface.

    Attributes:
        vertices: (n, 3) positions (z, y, x) in mm: upwards, backwards, to the patient's left.
        faces: (m, 3) indices of their corners, counter-clockwise as seen from outside.
    """

    vertices: np.ndarray
    faces: np.ndarray


#: The surface of a mask without a voxel.
NOTHING = Mesh(np.empty((0, 3)), np.empty((0, 3), dtype=int))


def surface_mesh(mask: np.ndarray, spacing: Sequence[float]) -> Mesh:
    """The surface of a mask by marching cubes (Lewiner 2012), half-way between in and out.

    Thick slices are bridged by interpolating the signed distance to the mask's edge; the stairs of
    voxels are smoothed away, which moves a surface by less than one of them.

    Args:
        mask: boolean (z, y, x) in canonical orientation.
        spacing: voxel size (z, y, x) in mm.
    """
    from skimage.measure import marching_cubes

    if not mask.any():
        return NOTHING
    box = tuple(slice(p.min(), p.max() + 1) for p in np.nonzero(mask))
    # Two voxels of nothing around it, so that the surface is closed and smoothing has room.
    inside = np.pad(mask[box], 2)
    size = np.asarray(spacing, dtype=float)
    distance = ndimage.distance_transform_edt(~inside, sampling=size)
    distance -= ndimage.distance_transform_edt(inside, sampling=size)
    step = max(size.min(), (np.array(inside.shape) * size).max() / _STEPS)
    counts = np.maximum(np.ceil((np.array(inside.shape) - 1) * size / step).astype(int), 1) + 1
    positions = [np.linspace(0, n - 1, count) for n, count in zip(inside.shape, counts)]
    fine = ndimage.map_coordinates(
        distance, np.meshgrid(*positions, indexing="ij"), order=1, mode="nearest"
    )
    smooth = ndimage.gaussian_filter(fine, _SMOOTHING * max(size.min() / step, 1))
    # What is as thin as the smoothing would vanish.
    field = smooth if smooth.min() < 0 else fine
    steps = [(n - 1) * length / (count - 1) for n, length, count in zip(inside.shape, size, counts)]
    vertices, faces, _, _ = marching_cubes(field, 0.0, spacing=steps, gradient_direction="ascent")
    origin = (np.array([side.start for side in box]) - 2) * size
    return Mesh(vertices + origin, faces)


def distances_to(mesh: Mesh, other: Mesh) -> np.ndarray:
    """Distance in mm of each vertex (n,) to another surface; infinite if that is of nothing.

    It is the distance to the nearest vertex, whose triangles are as small as the grid.
    """
    if not len(other.vertices):
        return np.full(len(mesh.vertices), np.inf)
    return cKDTree(other.vertices).query(mesh.vertices)[0]
