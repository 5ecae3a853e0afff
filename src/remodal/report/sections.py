"""Axial and coronal sections of one case, with outlines that all its pictures share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from remodal.report.slices import Box, Panel, box_around, draw, grey_range, read_axial
from remodal.report.views import Source


@dataclass(frozen=True)
class Plane:
    """A direction in which a volume (z, y, x) is cut: the axis across it, by name."""

    name: str
    axis: int

    def of(self, volume: np.ndarray, index: int) -> np.ndarray:
        """One section, the patient's right on the left; of a coronal one, the head is up."""
        section = np.take(volume, index, self.axis)
        return section if self.axis == 0 else section[::-1]


PLANES = (Plane("Axial", 0), Plane("Coronal", 1))


class Sections:
    """The sections of a case in which several masks are seen best, cut to what they show.

    Args:
        source: where the files are.
        case: the case.
        images: its modalities that are shown.
        masks: on the case's grid, turned as `read_axial` turns it; the first decides where no
            section shows all of them.
    """

    def __init__(
        self, source: Source, case: str, images: Sequence[str], masks: Sequence[np.ndarray]
    ) -> None:
        self._case = case
        read = {name: read_axial(source.image(case, name)) for name in images}
        self._images: Mapping[str, np.ndarray] = {name: array for name, (array, _) in read.items()}
        self._spacing = next(spacing for _, spacing in read.values())
        self._cuts = {plane: self._cut(plane, masks) for plane in PLANES}

    def panel(
        self,
        plane: Plane,
        image: str,
        outlines: Sequence[np.ndarray],
        heading: str,
        description: str,
        note: str = "",
    ) -> Panel:
        """A section of an image with the outlines of masks, in the order of the colours."""
        index, box = self._cuts[plane]
        array = self._images[image]
        picture = draw(
            plane.of(array, index)[box],
            self._in_plane(plane),
            grey_range(array),
            outlines=[plane.of(mask, index)[box] for mask in outlines],
        )
        text = f"{plane.name.lower()} section of the {image} image of case {self._case}"
        return Panel(picture, heading, f"{text}: {description}", note)

    def _cut(self, plane: Plane, masks: Sequence[np.ndarray]) -> tuple[int, Box]:
        index = best_section(masks, plane.axis)
        seen = np.logical_or.reduce([plane.of(mask, index) for mask in masks])
        return index, box_around(seen, self._in_plane(plane))

    def _in_plane(self, plane: Plane) -> tuple[float, float]:
        rows, columns = (axis for axis in range(3) if axis != plane.axis)
        return self._spacing[rows], self._spacing[columns]


def best_section(masks: Sequence[np.ndarray], axis: int) -> int:
    """Index of the section that shows most of the mask of which it shows least.

    Where no section shows all masks, it is the one with most of the first.
    """
    others = tuple(other for other in range(3) if other != axis)
    areas = np.array([mask.sum(axis=others) for mask in masks if mask.any()])
    if not len(areas):
        return masks[0].shape[axis] // 2
    least = areas.min(axis=0)
    return int(np.argmax(least if least.any() else areas[0]))
