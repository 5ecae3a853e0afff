"""Shapes as signed distances, and smooth random fields.

Every shape is a function of coordinate arrays x, y, z (mm, LPS, any shapes that broadcast) that
returns the distance to its surface in mm, negative inside. Away from the surface the value is only
roughly a distance, which is enough to draw edges and to join shapes.
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Point = tuple[float, float, float]


def smooth_max(first: Array, second: Array, rounding: float) -> Array:
    """Intersection of two shapes whose common edge is rounded over about `rounding` mm."""
    overlap = np.maximum(rounding - np.abs(first - second), 0)
    return np.maximum(first, second) + overlap * overlap / (4 * rounding)


def smooth_min(first: Array, second: Array, rounding: float) -> Array:
    """Union of two shapes with a rounded seam."""
    return -smooth_max(-first, -second, rounding)


def ellipsoid(x: Array, y: Array, z: Array, centre: Point, radii: Point) -> Array:
    """Ellipsoid with axes along x, y and z."""
    return _from_gauge(
        (x - centre[0]) / radii[0],
        (y - centre[1]) / radii[1],
        (z - centre[2]) / radii[2],
        radii,
    )


def turned_ellipsoid(
    x: Array, y: Array, z: Array, centre: Point, radii: Point, rotation: Array
) -> Array:
    """Ellipsoid whose axes are the rows of `rotation` (3 x 3)."""
    x, y, z = x - centre[0], y - centre[1], z - centre[2]
    along = [row[0] * x + row[1] * y + row[2] * z for row in rotation]
    return _from_gauge(*(value / radius for value, radius in zip(along, radii)), radii)


def _from_gauge(u: Array, v: Array, w: Array, radii: Point) -> Array:
    # First-order distance k (k - 1) / |grad k|, with k = |(u, v, w)| (1 on the surface).
    gauge = np.sqrt(u * u + v * v + w * w)
    steepness = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2)
    return gauge * (gauge - 1) / np.maximum(steepness, 1e-6)


def capsule(
    x: Array, y: Array, z: Array, start: Point, end: Point, first: float, last: float
) -> Array:
    """Straight tube from `start` to `end` whose radius goes from `first` to `last`, round ends."""
    ax, ay, az = (e - s for s, e in zip(start, end))
    x, y, z = x - start[0], y - start[1], z - start[2]
    along = np.clip((x * ax + y * ay + z * az) / max(ax * ax + ay * ay + az * az, 1e-6), 0, 1)
    gap = np.sqrt((x - along * ax) ** 2 + (y - along * ay) ** 2 + (z - along * az) ** 2)
    return gap - (first + along * (last - first))


def oval(x: Array, y: Array, half_width: float | Array, half_depth: float | Array) -> Array:
    """Rounded rectangle |x/a|^2.5 + |y/b|^2.5 = 1 in the plane: a trunk's cross-section."""
    u, v = np.abs(x / half_width), np.abs(y / half_depth)
    gauge = np.maximum((u * u * np.sqrt(u) + v * v * np.sqrt(v)) ** np.float32(0.4), 1e-3)
    return np.sqrt(x * x + y * y) * (1 - 1 / gauge)


def smooth_step(value: Array, start: float, end: float) -> Array:
    """0 before `start`, 1 after `end`, and a smooth (cubic) step in between."""
    t = np.clip((value - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Waves:
    """Smooth random field of zero mean and unit variance: a sum of plane waves.

    It is a function of position, so a patient is the same on every grid. `vectors` (N, 3) holds
    the wave vectors in x, y, z and `offsets` (N,) the phases.
    """

    vectors: Array
    offsets: Array

    @classmethod
    def drawn(
        cls, rng: np.random.Generator, shortest: float, longest: float, count: int = 24
    ) -> "Waves":
        """Waves of all directions, with wavelengths between `shortest` and `longest` mm."""
        direction = rng.normal(size=(count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        wavelength = rng.uniform(shortest, longest, size=(count, 1))
        return cls(2 * np.pi * direction / wavelength, rng.uniform(0, 2 * np.pi, count))

    def on(self, x: Array, y: Array, z: Array) -> Array:
        """Field on the grid of three axes (1-D, mm); float32 of shape (z, y, x)."""
        # exp(i k.r) factorises over the axes, so that the sum over waves is one matrix product.
        along_x, along_y, along_z = (
            np.exp(1j * np.outer(np.ravel(axis), self.vectors[:, i]))
            for i, axis in enumerate((x, y, z))
        )
        planes = along_z[:, None, :] * (along_y * np.exp(1j * self.offsets))[None]
        planes = planes.reshape(-1, len(self.offsets))
        left = np.concatenate([planes.real, -planes.imag], axis=1).astype(np.float32)
        right = np.concatenate([along_x.real, along_x.imag], axis=1).astype(np.float32)
        field = left @ right.T
        field *= np.float32(np.sqrt(2 / len(self.offsets)))
        return field.reshape(len(along_z), len(along_y), len(along_x))

    def at(self, points: Array) -> Array:
        """Field at scattered points (N, 3), mm; float64 of shape (N,)."""
        waves = np.cos(points @ self.vectors.T + self.offsets)
        return waves.sum(axis=1) * np.sqrt(2 / len(self.offsets))
