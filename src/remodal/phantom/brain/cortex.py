"""Folded cortex: how deep a point lies below the pia, which follows the sulci.

A sulcus is a sheet where a random field is zero, down to some depth below the brain's surface. The
fissure between the hemispheres and the Sylvian fissures are sheets with a place of their own.
"""

from dataclasses import dataclass

import numpy as np

from remodal.phantom.shapes import Array, Waves, ellipsoid

Axes = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Folds:
    """Sulci of one kind.

    Attributes:
        field: zero on the sheets.
        depth: how far they reach below the surface, mm.
        spread: standard deviation of that depth, mm.
        depths: how it varies.
    """

    field: Waves
    depth: float
    spread: float
    depths: Waves

    @classmethod
    def drawn(
        cls,
        rng: np.random.Generator,
        wavelength: tuple[float, float],
        depth: float,
        spread: float,
    ) -> "Folds":
        """Folds whose sheets lie about half a wavelength (mm) apart."""
        return cls(Waves.drawn(rng, *wavelength, 40), depth, spread, Waves.drawn(rng, 30, 80))

    def distance(self, axes: Axes, below: Array) -> Array:
        """Distance to the nearest sheet in mm.

        Args:
            axes: x, y and z of the grid (1-D, mm), evenly spaced.
            below: how far each voxel (z, y, x) lies below the brain's surface, mm.
        """
        steps = [float(axis[1] - axis[0]) for axis in axes[::-1]]
        field = self.field.on(*axes)
        slope = sum(np.square(part) for part in np.gradient(field, *steps))
        # Near a saddle the field is flat: there it is no measure of a distance.
        flat = 0.06 * np.mean(slope)
        sheet = np.abs(field) / np.sqrt(slope + flat)
        return np.maximum(sheet, below - (self.depth + self.spread * self.depths.on(*axes)))


def joined(y: Array, z: Array) -> Array:
    """Signed distance to where the hemispheres are one: the corpus callosum and what is below."""
    return ellipsoid(np.zeros_like(y), y, z, (0, -13, -8), (1e3, 37, 34))


def fissures(x: Array, y: Array, z: Array, bend: Array) -> Array:
    """Distance to the fissures of the cerebrum, mm.

    Args:
        x: to the left, mm.
        y: to the back, mm.
        z: upwards, mm.
        bend: by how much the fissure between the hemispheres is off x = 0, mm.
    """
    middle = np.maximum(np.abs(x - bend), -joined(y, z))
    side = np.abs(x)
    slanted = 0.86 * np.abs(z - (0.6 * y + 7) + 0.1 * (side - 50) + 2 * bend)
    sylvian = np.maximum.reduce([slanted, 37 - side, y - 20, -38 - y])
    return np.minimum(middle, sylvian)
