"""A volume is an array that knows where it lies in the patient."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Geometry:
    """Where a voxel grid lies in the patient, in DICOM's LPS coordinates.

    `shape` is (z, y, x), the order of arrays. `spacing` (mm), `origin` (mm) and the columns of
    `direction` are in the order x, y, z, as in SimpleITK and ITK.
    """

    shape: tuple[int, int, int]
    spacing: Vector
    origin: Vector = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    @property
    def spacing_zyx(self) -> Vector:
        """Spacing in the order of array axes (z, y, x), in mm."""
        return self.spacing[::-1]

    @cached_property
    def affine(self) -> np.ndarray:
        """4 x 4 matrix from voxel indices (x, y, z) to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(self.direction, (3, 3)) * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    def agrees_with(self, other: "Geometry", tolerance: float = 1e-3) -> bool:
        """Whether both grids are the same: equal shape, and corners within `tolerance` voxels."""
        if self.shape != other.shape:
            return False
        x, y, z = (length - 1 for length in self.shape[::-1])
        corners = np.array([[i, j, k, 1] for i in (0, x) for j in (0, y) for k in (0, z)], float).T
        gap = (self.affine @ corners - other.affine @ corners)[:3]
        return bool(np.abs(gap).max() <= tolerance * min(self.spacing))


@dataclass(frozen=True)
class Volume:
    """An image or a label: `array` of shape (z, y, x) on `geometry`."""

    array: np.ndarray
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            raise ValueError(f"array {self.array.shape} on a grid of {self.geometry.shape}")

    def with_array(self, array: np.ndarray) -> "Volume":
        """Another array on the same grid."""
        return replace(self, array=array)


def geometry_of(image) -> Geometry:
    """Geometry of a SimpleITK image (3-D)."""
    return Geometry(
        shape=image.GetSize()[::-1],
        spacing=image.GetSpacing(),
        origin=image.GetOrigin(),
        direction=image.GetDirection(),
    )


def from_sitk(image) -> Volume:
    """Volume of a SimpleITK image (3-D)."""
    import SimpleITK as sitk

    return Volume(sitk.GetArrayFromImage(image), geometry_of(image))


def to_sitk(volume: Volume):
    """SimpleITK image of a volume."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.geometry.spacing)
    image.SetOrigin(volume.geometry.origin)
    image.SetDirection(volume.geometry.direction)
    return image
