"""How a patient lies on the table, and the voxel order in which an image of them is stored.

Patients are painted and scanned with axes along the body. A patient who lies askew is turned
afterwards, together with the slices: the same voxels on an oblique grid.
"""

from dataclasses import dataclass, replace

import numpy as np

from remodal.geometry.volume import Geometry, Volume, from_sitk, to_sitk

#: Largest turn about x, y and z in degrees: nodding, leaning to one side, rolling.
_TILT = (12.0, 8.0, 20.0)


@dataclass(frozen=True)
class Placement:
    """The turn from the body's axes to the scanner's, about the scanner's origin: (3, 3)."""

    turn: np.ndarray

    def points(self, places: np.ndarray) -> np.ndarray:
        """Points or vectors (..., 3) in the body's axes, turned into the scanner's; LPS mm."""
        return np.asarray(places) @ self.turn.T

    def grid(self, geometry: Geometry) -> Geometry:
        """A grid along the body's axes, in the scanner's coordinates."""
        direction = self.turn @ np.reshape(geometry.direction, (3, 3))
        origin = self.points(geometry.origin)
        return replace(
            geometry, origin=tuple(origin.tolist()), direction=tuple(direction.ravel().tolist())
        )

    def stored(self, volume: Volume, axes: str) -> Volume:
        """An image along the body's axes as it is stored, its axes pointing along ITK's `axes`."""
        import SimpleITK as sitk

        ordered = from_sitk(sitk.DICOMOrient(to_sitk(volume), axes))
        return Volume(ordered.array, self.grid(ordered.geometry))


def draw_placement(askew: bool, rng: np.random.Generator) -> Placement:
    """Place a patient straight on the table, or somewhat askew."""
    from scipy.spatial.transform import Rotation

    if not askew:
        return Placement(np.eye(3))
    angles = rng.uniform(0.4, 1, 3) * rng.choice([-1, 1], 3) * _TILT
    return Placement(Rotation.from_euler("xyz", angles, degrees=True).as_matrix())
