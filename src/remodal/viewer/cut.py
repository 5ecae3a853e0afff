"""Which voxels of a case a page holds: all, or a box around what was drawn, or every second one."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from remodal.geometry.volume import Geometry, Volume


@dataclass(frozen=True)
class Cut:
    """A box of a grid, and the step from voxel to voxel along each axis.

    `start` and `stop` are voxel indices, all in the order of array axes (z, y, x). Nothing is
    interpolated: each voxel of the page is one of the source.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]
    step: tuple[int, ...] = (1, 1, 1)

    def is_whole(self, grid: Geometry) -> bool:
        """Whether this is all of a grid."""
        return self == Cut((0, 0, 0), grid.shape)

    def of(self, volume: Volume) -> Volume:
        """What is left of a volume, in its place in the patient."""
        box = tuple(map(slice, self.start, self.stop, self.step))
        array = np.ascontiguousarray(volume.array[box])
        grid = volume.geometry
        origin = grid.affine @ [*self.start[::-1], 1]
        spacing = tuple(s * step for s, step in zip(grid.spacing, self.step[::-1], strict=True))
        place = replace(grid, shape=array.shape, spacing=spacing, origin=tuple(origin[:3].tolist()))
        return Volume(array, place)


def cut_of(
    grid: Geometry, masks: Iterable[np.ndarray] | None = None, margin: float = 0, finest: float = 0
) -> Cut:
    """The cut of a grid.

    Args:
        grid: of the case's images.
        masks: arrays (z, y, x) on that grid, of which the voxels above zero are to be inside; None,
            or all of them empty: the box is the whole grid.
        margin: around them, in mm.
        finest: smallest distance of voxels in mm: along each axis as many voxels are skipped as
            leave them no further apart. 0: none is skipped.
    """
    start, stop = (0, 0, 0), grid.shape
    spans = _spans(masks or ())
    if spans is not None:
        around = [round(margin / spacing) for spacing in grid.spacing_zyx]
        start = tuple(max(first - more, 0) for (first, _), more in zip(spans, around))
        stop = tuple(
            min(last + more, length) for (_, last), more, length in zip(spans, around, grid.shape)
        )
    # A little more than the spacing is the spacing: headers round it.
    step = tuple(max(1, int(finest / spacing + 1e-3)) for spacing in grid.spacing_zyx)
    return Cut(start, stop, step)


def _spans(masks: Iterable[np.ndarray]) -> list[tuple[int, int]] | None:
    """First voxel, and the one after the last, along each axis; None if all masks are empty."""
    found = []
    for mask in masks:
        seen = [np.flatnonzero(mask.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
        if all(map(len, seen)):
            found.append([(int(one[0]), int(one[-1]) + 1) for one in seen])
    if not found:
        return None
    return [(min(a for a, _ in axis), max(b for _, b in axis)) for axis in zip(*found)]
