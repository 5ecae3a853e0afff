"""The patient before the scanner: a grid on which tissues are painted for both phases at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from remodal.phantom.phases import AIR, Tissue
from remodal.phantom.shapes import Waves, capsule

Box = tuple[slice, slice, slice]
Index = Box | np.ndarray
Value = float | np.ndarray

# Largest distance by which the warp moves a point, in standard deviations of a wave field.
_WARP_REACH = 3.0
# Slices of a slab.
_SLAB = 16


@dataclass(frozen=True)
class Build:
    """Where and how large the patient is: the map from scanner to standard coordinates.

    Organs are described once, for a standard patient (mm, LPS; x = 0 at the spine, z = 0 at the top
    of the liver). A patient is that standard, scaled along each axis and bent by a smooth warp.

    Attributes:
        centre: scanner coordinates of the standard origin, mm.
        scale: patient mm per standard mm along x, y and z.
        warp: one random field for each axis.
        warp_size: its standard deviation in standard mm.
    """

    centre: tuple[float, float, float]
    scale: tuple[float, float, float]
    warp: tuple[Waves, Waves, Waves]
    warp_size: float

    def standard(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
        """Standard coordinates of the grid of three axes (1-D, scanner mm), each (z, y, x)."""
        axes = [x[None, None, :], y[None, :, None], z[:, None, None]]
        coordinates = []
        for axis, centre, scale, waves in zip(axes, self.centre, self.scale, self.warp):
            bent = waves.on(x, y, z)
            bent *= np.float32(self.warp_size)
            bent += ((axis - centre) / scale).astype(np.float32)
            coordinates.append(bent)
        return coordinates

    def scanner(self, points: np.ndarray) -> np.ndarray:
        """Scanner coordinates (N, 3) of points in standard coordinates: `standard` inverted."""
        points = np.atleast_2d(points)
        found = np.asarray(self.centre) + points * self.scale
        for _ in range(3):
            bent = np.stack([waves.at(found) for waves in self.warp], axis=1) * self.warp_size
            found = np.asarray(self.centre) + (points - bent) * self.scale
        return found


@dataclass
class Canvas:
    """Both phases of one patient on one grid, and the ground truth as shares of each voxel.

    Attributes:
        x, y, z: voxel centres in scanner coordinates, mm, ascending, evenly spaced.
        arterial, venous: HU, float32 (z, y, x).
        liver, tumour: covered share of each voxel, float32 (z, y, x).
        standard: standard coordinates of each voxel, or empty for a real CT.
        build: what `standard` was made from, or None for a real CT.
        pancreas: covered share of each voxel like `liver`, where it is recorded.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    arterial: np.ndarray
    venous: np.ndarray
    liver: np.ndarray
    tumour: np.ndarray
    standard: list[np.ndarray] = field(default_factory=list)
    build: Build | None = None
    pancreas: np.ndarray | None = None

    @classmethod
    def blank(cls, x: np.ndarray, y: np.ndarray, z: np.ndarray, build: Build) -> "Canvas":
        """A canvas of nothing but air, for a patient of the given build."""
        shape = len(z), len(y), len(x)
        arterial = np.full(shape, AIR, np.float32)
        empty = np.zeros(shape, np.float32)
        standard = build.standard(x, y, z)
        return cls(x, y, z, arterial, arterial.copy(), empty, empty.copy(), standard, build)

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """Voxel size in the order of array axes, mm."""
        return tuple(float(axis[1] - axis[0]) for axis in (self.z, self.y, self.x))

    @property
    def edge(self) -> float:
        """Width of a painted edge in mm: about a voxel, so that edges have partial volume."""
        return float(np.mean(self.spacing_zyx))

    def box(self, lower: tuple[float, float, float], upper: tuple[float, float, float]) -> Box:
        """Index box that holds everything between two corners in standard coordinates (x, y, z)."""
        reach = _WARP_REACH * self.build.warp_size
        corners = [
            [centre + scale * (low - reach), centre + scale * (high + reach)]
            for low, high, centre, scale in zip(lower, upper, self.build.centre, self.build.scale)
        ]
        return self.box_mm([low for low, _ in corners], [high for _, high in corners])

    def box_mm(self, lower: Sequence[float], upper: Sequence[float]) -> Box:
        """Index box between two corners in scanner coordinates (x, y, z)."""
        slices = []
        for axis, low, high in zip((self.x, self.y, self.z), lower, upper):
            margin = axis[1] - axis[0]
            slices.append(
                slice(*(int(i) for i in np.searchsorted(axis, (low - margin, high + margin))))
            )
        return tuple(slices[::-1])

    def at(self, where: Index) -> list[np.ndarray]:
        """Standard coordinates x, y, z of a part of the grid."""
        return [axis[where] for axis in self.standard]

    def slabs(self) -> Iterator[Box]:
        """The grid in boxes of a few slices, for shapes that fill it.

        What is computed of a slab is small, where a dozen arrays of the whole grid would not be.
        """
        for first in range(0, len(self.z), _SLAB):
            yield slice(first, first + _SLAB), slice(None), slice(None)

    def waves(self, field: Waves, box: Box) -> np.ndarray:
        """A random field on a box of the grid."""
        return field.on(self.x[box[2]], self.y[box[1]], self.z[box[0]])

    def coverage(self, distance: np.ndarray) -> np.ndarray:
        """Share of each voxel inside a shape, from its signed distance."""
        return np.clip(0.5 - distance / np.float32(self.edge), 0, 1, dtype=np.float32)

    def paint(
        self,
        where: Index,
        distance: np.ndarray,
        tissue: Tissue | tuple[Value, Value],
        carve: bool = False,
    ) -> np.ndarray:
        """Cover a part of the grid with a tissue inside a shape.

        Args:
            where: box or boolean mask of the part.
            distance: signed distance of the part's voxels to the shape, mm.
            tissue: HU in both phases, numbers or arrays of the part's shape.
            carve: whether what is painted takes room from the liver and the pancreas.

        Returns:
            The covered share of each voxel of the part.
        """
        share = self.coverage(distance)
        if not share.any():
            return share
        values = (tissue.arterial, tissue.venous) if isinstance(tissue, Tissue) else tissue
        for image, value in zip((self.arterial, self.venous), values):
            part = image[where]
            image[where] = part + share * (value - part)
        if carve:
            self.liver[where] *= 1 - share
        if carve and self.pancreas is not None:
            self.pancreas[where] *= 1 - share
        return share

    def tube(
        self,
        points: np.ndarray,
        radii: np.ndarray,
        tissue: Tissue,
        carve: bool = False,
    ) -> None:
        """Paint a bent tube through `points` (N, 3), standard coordinates, with its radii (N,)."""
        places = self.build.scanner(points)
        for i, (start, end, first, last) in enumerate(
            zip(points[:-1], points[1:], radii[:-1], radii[1:])
        ):
            # The warp stretches a tube's width only a little: half as much again is enough.
            reach = 1.5 * max(first, last) * max(self.build.scale)
            ends = places[i : i + 2]
            box = self.box_mm(ends.min(axis=0) - reach, ends.max(axis=0) + reach)
            distance = capsule(*self.at(box), start, end, first, last)
            self.paint(box, distance, tissue, carve)
