"""Closed contours around the voxels of a slice, each one polygon, holes included."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage
from skimage.measure import find_contours


def contours_of(mask: np.ndarray) -> Iterator[np.ndarray]:
    """Polygons that hold the centres of exactly the pixels of a mask.

    They run halfway between a pixel of the mask and one beside it. Each part whose pixels share
    edges has one polygon. A hole is joined to the border around it by a channel of no width, the
    keyhole of PS3.3 C.8.8.6.3: whether a reader counts crossings or fills each contour, it stays
    empty.

    Args:
        mask: boolean (rows, columns).

    Yields:
        Vertices (n, 2) in pixels, column first, pixel centres at whole numbers; the first is not
        repeated at the end.
    """
    parts, _ = ndimage.label(mask)
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        part = np.pad(parts[box] == number, 1).astype(np.float32)
        first = np.array([box[1].start - 1, box[0].start - 1])
        rings = [_without_straight(ring[:-1, ::-1]) + first for ring in find_contours(part, 0.5)]
        rings.sort(key=_area, reverse=True)
        polygon = rings[0]
        for hole in rings[1:]:
            polygon = _joined(polygon, hole)
        yield polygon


def _area(ring: np.ndarray) -> float:
    """Area of a simple polygon."""
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _without_straight(ring: np.ndarray) -> np.ndarray:
    """A ring without the vertices at which it goes straight on."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return ring[turns]


def _joined(polygon: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A polygon and a hole in it as one, joined there and back where they are closest."""
    from scipy.spatial import cKDTree

    distances, nearest = cKDTree(polygon).query(hole)
    start = int(distances.argmin())
    at = int(nearest[start])
    around = np.roll(hole, -start, axis=0)
    return np.concatenate([polygon[: at + 1], around, around[:1], polygon[at:]])
