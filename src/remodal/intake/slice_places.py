"""Where parallel slices lie that are no even stack with right angles, and their regular grid.

The slices of a tilted gantry are shifted against one another, and the distance between slices may
change along a series. Such slices are resampled onto a regular grid: the pixels of the slices, at
the finest of their distances. What was drawn on the slices is first brought onto `straight`, a grid
on which they lie as if they were even and not shifted, and then goes the way of the image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from remodal.geometry.volume import Geometry

_EXACT = 1e-3  # of a pixel or a step: closer counts as coinciding


@dataclass(frozen=True)
class SlicePlaces:
    """Parallel slices of one size.

    Attributes:
        first: grid of the first slice alone, whose thickness is the step of the regular grid.
        heights: of the slices above the first one along their normal (mm), rising.
        shifts: of the slices against the first one along rows and columns (mm).
        anchor: the slice that a plane of the regular grid coincides with.
    """

    first: Geometry
    heights: tuple[float, ...]
    shifts: tuple[tuple[float, float], ...]
    anchor: int = 0

    @property
    def count(self) -> int:
        """Number of slices."""
        return len(self.heights)

    @cached_property
    def straight(self) -> Geometry:
        """The slices as if they were even and not shifted."""
        x, y, _ = self.first.spacing
        step = self.heights[-1] / (self.count - 1)
        shape = (self.count, *self.first.shape[1:])
        return Geometry(shape, (x, y, step), self.first.origin, self.first.direction)

    @cached_property
    def regular(self) -> Geometry:
        """The regular grid: it covers all pixels, and the first and last slice to half a step."""
        lowest, highest = self._pixels
        step = self.first.spacing[2]
        below = int(np.floor(self.heights[self.anchor] / step + 0.5 - _EXACT))
        above = int(np.floor((self.heights[-1] - self.heights[self.anchor]) / step + 0.5 - _EXACT))
        x, y = lowest
        z = self.heights[self.anchor] / step - below
        columns, rows = np.array(self.first.shape[:0:-1]) + highest - lowest
        return Geometry(
            shape=(below + above + 1, int(rows), int(columns)),
            spacing=self.first.spacing,
            origin=tuple((self.first.affine @ [x, y, z, 1])[:3].tolist()),
            direction=self.first.direction,
        )

    @property
    def _pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest shift in whole pixels (columns, rows)."""
        pixels = np.array(self.shifts) / self.first.spacing[:2]
        lowest = np.floor(pixels.min(axis=0) + _EXACT).astype(int)
        return lowest, np.ceil(pixels.max(axis=0) - _EXACT).astype(int)

    @property
    def planes(self) -> np.ndarray:
        """Where the planes of the regular grid lie among the slices: 1.5 is between 1 and 2."""
        first = np.linalg.inv(self.first.affine) @ [*self.regular.origin, 1]
        heights = (first[2] + np.arange(self.regular.shape[0])) * self.first.spacing[2]
        indices = np.interp(heights, self.heights, np.arange(self.count))
        nearest = np.rint(indices)
        return np.where(np.abs(indices - nearest) < 10 * _EXACT, nearest, indices)

    @property
    def offsets(self) -> np.ndarray:
        """Where the first pixel of each plane's slices lies in the plane (columns, rows)."""
        pixels = np.array(self.shifts) / self.first.spacing[:2] - self._pixels[0]
        at = [np.interp(self.planes, np.arange(self.count), pixels[:, axis]) for axis in (0, 1)]
        offsets = np.stack(at, axis=1)
        nearest = np.rint(offsets)
        return np.where(np.abs(offsets - nearest) < 2 * _EXACT, nearest, offsets)

    def straightened(self, points: np.ndarray) -> np.ndarray:
        """Points on the slices (n, 3; LPS mm), as they lie on `straight`."""
        axes = np.reshape(self.first.direction, (3, 3))
        local = (points - np.array(self.first.origin)) @ axes
        index = _extended(local[:, 2], self.heights, np.arange(self.count))
        for axis in (0, 1):
            shifts = [shift[axis] for shift in self.shifts]
            local[:, axis] -= _extended(local[:, 2], self.heights, shifts)
        local[:, 2] = index * self.straight.spacing[2]
        return local @ axes.T + np.array(self.first.origin)

    def as_json(self) -> dict[str, Any]:
        """For a record; `of_json` reads it."""
        return {
            "shape": list(self.first.shape[1:]),
            "spacing": list(self.first.spacing),
            "origin": list(self.first.origin),
            "direction": list(self.first.direction),
            "heights": list(self.heights),
            "shifts": [list(shift) for shift in self.shifts],
            "anchor": self.anchor,
        }

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> "SlicePlaces":
        """The places that a record holds."""
        first = Geometry(
            shape=(1, *said["shape"]),
            spacing=tuple(said["spacing"]),
            origin=tuple(said["origin"]),
            direction=tuple(said["direction"]),
        )
        shifts = tuple((x, y) for x, y in said["shifts"])
        return cls(first, tuple(said["heights"]), shifts, said["anchor"])


def _extended(at: np.ndarray, known: Sequence[float], values: Sequence[float]) -> np.ndarray:
    """Linear interpolation that goes on beyond the first and last known place."""
    known, values = np.array(known, float), np.array(values, float)
    segment = np.clip(np.searchsorted(known, at) - 1, 0, len(known) - 2)
    part = (at - known[segment]) / (known[segment + 1] - known[segment])
    return values[segment] + part * (values[segment + 1] - values[segment])
