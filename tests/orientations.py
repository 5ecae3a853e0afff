"""One patient's volume as scanners and programs store it: other axis orders, flips, oblique."""

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
import pytest

from remodal.geometry.volume import Geometry, Volume


@dataclass(frozen=True)
class Orientation:
    """How an array in LPS order is stored, while every voxel stays where it is in the patient.

    Attributes:
        axes: for each stored array axis, the LPS array axis (0 is z) that it runs along.
        backwards: for each stored array axis, whether it runs in the opposite direction.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    backwards: tuple[bool, bool, bool] = (False, False, False)

    @property
    def code(self) -> str:
        """Where the stored x, y and z axes point to, as ITK names it: LPS is as it was."""
        letters = {0: "SI", 1: "PA", 2: "LR"}
        pairs = zip(reversed(self.axes), reversed(self.backwards))
        return "".join(letters[axis][turned] for axis, turned in pairs)

    def store(self, volume: Volume) -> Volume:
        """The same volume in this orientation."""
        flipped = [n for n, turned in enumerate(self.backwards) if turned]
        array = np.flip(np.transpose(volume.array, self.axes), flipped)
        return Volume(np.ascontiguousarray(array), self.of(volume.geometry))

    def of(self, grid: Geometry) -> Geometry:
        """The same voxels' grid in this orientation."""
        shape = tuple(grid.shape[axis] for axis in self.axes)
        steps = [grid.affine[:3, 2 - axis] for axis in self.axes]
        origin = np.array(grid.origin)
        for n, turned in enumerate(self.backwards):
            if turned:
                origin, steps[n] = origin + (shape[n] - 1) * steps[n], -steps[n]
        spacing = tuple(grid.spacing_zyx[axis] for axis in self.axes)[::-1]
        direction = np.stack(steps[::-1], axis=1) / spacing
        return Geometry(shape, spacing, tuple(origin), tuple(direction.ravel()))

    def undo(self, array: np.ndarray) -> np.ndarray:
        """An array of this orientation, (..., 3 stored axes), back in LPS order."""
        array = np.flip(array, [n - 3 for n, turned in enumerate(self.backwards) if turned])
        leading = range(array.ndim - 3)
        return np.transpose(array, (*leading, *(len(leading) + np.argsort(self.axes))))


#: All 48, half of them left-handed; LPS first.
ORIENTATIONS = [
    Orientation(axes, backwards)
    for axes in permutations(range(3))
    for backwards in product((False, True), repeat=3)
]
LPS = ORIENTATIONS[0]
BY_CODE = {orientation.code: orientation for orientation in ORIENTATIONS}


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """Rotation by angles in degrees about x, then y, then z, (3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians((x, y, z))), np.sin(np.radians((x, y, z)))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def tilted(grid: Geometry, turn: np.ndarray) -> Geometry:
    """The grid rotated about its centre: an oblique acquisition of the same region."""
    middle = grid.affine @ [*((length - 1) / 2 for length in grid.shape[::-1]), 1]
    origin = turn @ (grid.origin - middle[:3]) + middle[:3]
    direction = turn @ np.reshape(grid.direction, (3, 3))
    return Geometry(grid.shape, grid.spacing, tuple(origin), tuple(direction.ravel()))


def each_orientation(quick_every: int = 1) -> pytest.MarkDecorator:
    """All 48 as `orientation`; in the default run RAS, LAS and one of so many."""
    return pytest.mark.parametrize(
        "orientation",
        [
            pytest.param(
                one,
                id=one.code,
                marks=()
                if n % quick_every == 0 or one.code in ("RAS", "LAS")
                else pytest.mark.slow,
            )
            for n, one in enumerate(ORIENTATIONS)
        ],
    )
