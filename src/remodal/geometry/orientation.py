"""Axis permutations and flips that bring a volume into the canonical orientation, and back."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from remodal.geometry.volume import Geometry, Vector


@dataclass(frozen=True)
class Orientation:
    """How array axes lie in the patient.

    As far as the voxel grid allows, the axes (z, y, x) of a canonical array run from feet to head,
    front to back and right to left: along increasing LPS coordinates. Canonical axis k is the
    source's axis `axes[k]`, reversed if `flips[k]`. Nothing is interpolated: an oblique grid stays
    oblique.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, geometry: Geometry) -> "Orientation":
        """The orientation whose axes are closest to the patient's."""
        # Rows and columns in the order z, y, x: entry (k, a) is patient axis k along array axis a.
        cosines = np.reshape(geometry.direction, (3, 3))[::-1, ::-1]
        axes = max(
            permutations(range(3)),
            key=lambda order: sum(abs(cosines[k, order[k]]) for k in range(3)),
        )
        return cls(axes, tuple(bool(cosines[k, axes[k]] < 0) for k in range(3)))

    def spacing(self, geometry: Geometry) -> Vector:
        """Spacing of the canonical axes (z, y, x) in mm."""
        return tuple(float(geometry.spacing_zyx[axis]) for axis in self.axes)

    def shape(self, geometry: Geometry) -> tuple[int, int, int]:
        """Voxels along the canonical axes (z, y, x)."""
        return tuple(geometry.shape[axis] for axis in self.axes)

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Canonical view of an array (z, y, x)."""
        return array.transpose(self.axes)[self._reversal]

    def undo(self, array: np.ndarray) -> np.ndarray:
        """The source's view of a canonical array."""
        return array[self._reversal].transpose(np.argsort(self.axes))

    @property
    def _reversal(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else None) for flip in self.flips)
