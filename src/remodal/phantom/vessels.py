"""Blood vessels: the great ones, and trees that grow into the liver.

The trees are grown by the greedy rule of Cuntz et al. (PLoS Comput Biol 2010): each new end joins
the tree where the added length plus a share of the path to the root is least. The radius of each
piece follows from the number of ends that it feeds, by Murray's law.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from remodal.phantom.canvas import Canvas
from remodal.phantom.organs import Liver
from remodal.phantom.phases import Tissue

Polyline = list[tuple[float, float, float]] | np.ndarray

_STEP = 9.0
_MURRAY = 1 / 2.7


@dataclass(frozen=True)
class Tree:
    """A vessel tree: `points` (N, 3) in standard mm, the `parent` of each (-1 at the root)."""

    points: np.ndarray
    parent: np.ndarray

    def loads(self) -> np.ndarray:
        """Number of ends that each point feeds."""
        children = np.bincount(self.parent[self.parent >= 0], minlength=len(self.parent))
        loads = (children == 0).astype(float)
        for point in range(len(self.parent) - 1, 0, -1):
            if self.parent[point] >= 0:
                loads[self.parent[point]] += loads[point]
        return loads


def grow(trunk: np.ndarray, ends: np.ndarray, way_weight: float = 0.35) -> Tree:
    """Grow a tree from a trunk to all `ends`.

    Args:
        trunk: polyline (N, 3) that the tree starts with; its first point is the root.
        ends: points (M, 3) to be reached; those nearest to the root are joined first.
        way_weight: weight of the path to the root relative to the added length.
    """
    points, parent, way = [trunk[0]], [-1], [0.0]

    def add(target: np.ndarray, start: int) -> int:
        """Add the straight line from a point of the tree to `target`, in short pieces."""
        pieces = max(1, round(float(np.linalg.norm(target - points[start]) / _STEP)))
        origin, last = points[start], start
        for piece in range(1, pieces + 1):
            point = origin + (target - origin) * piece / pieces
            way.append(way[last] + float(np.linalg.norm(point - points[last])))
            points.append(point)
            parent.append(last)
            last = len(points) - 1
        return last

    last = 0
    for corner in trunk[1:]:
        last = add(corner, last)
    order = np.argsort(np.linalg.norm(ends - trunk[0], axis=1), kind="stable")
    for end in ends[order]:
        gap = np.linalg.norm(np.asarray(points) - end, axis=1)
        add(end, int(np.argmin(gap + way_weight * np.asarray(way))))
    return Tree(np.asarray(points), np.asarray(parent))


def _ends_in_liver(
    canvas: Canvas, liver: Liver, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Standard coordinates of points in the liver, away from its surface."""
    inner = np.argwhere(liver.distance < -9)
    chosen = inner[rng.integers(0, len(inner), count)]
    chosen = tuple((chosen + [axis.start for axis in liver.box]).T)
    return np.stack([axis[chosen] for axis in canvas.standard], axis=1).astype(float)


def _draw_tree(canvas: Canvas, tree: Tree, end_radius: float, tissue: Tissue) -> None:
    radii = end_radius * tree.loads() ** _MURRAY
    for point, parent in enumerate(tree.parent):
        if parent >= 0:
            # A branch starts at about its own width, not at that of the vessel it leaves.
            width = np.array([min(radii[parent], 1.3 * radii[point]), radii[point]])
            canvas.tube(tree.points[[parent, point]], width, tissue)


def draw_liver_vessels(
    canvas: Canvas, tissues: dict[str, Tissue], liver: Liver, rng: np.random.Generator
) -> None:
    """Paint the hepatic veins, the portal vein and the hepatic artery with their branches."""

    def jitter(path: list) -> np.ndarray:
        return np.asarray(path, float) + rng.normal(0, 3.5, (len(path), 3))

    mouth = [-18, 14, -20]
    for way in (
        [mouth, (-50, 14, -38), (-88, 18, -75)],
        [mouth, (-32, -15, -42), (-52, -45, -80)],
        [mouth, (-4, -18, -40), (22, -48, -58)],
    ):
        trunk = jitter(way)
        ends = _ends_in_liver(canvas, liver, 60, rng)
        # Each vein drains what lies nearest to it.
        near = np.argsort(np.linalg.norm(ends - trunk[-1], axis=1), kind="stable")[:16]
        _draw_tree(canvas, grow(trunk, ends[near], 0.25), 1.55, tissues["hepatic_vein"])
    hilum = jitter([(-4, -2, -126), (-16, -8, -106), (-28, -8, -88)])
    right = np.concatenate([hilum, jitter([(-58, 4, -86)])])
    portal = grow(right, _ends_in_liver(canvas, liver, 60, rng))
    _draw_tree(canvas, portal, 1.45, tissues["portal_vein"])
    left = np.concatenate([hilum[2:], jitter([(-6, -30, -76), (14, -44, -68)])])
    ends = _ends_in_liver(canvas, liver, 80, rng)
    ends = ends[ends[:, 0] > -25][:14]
    _draw_tree(canvas, grow(left, ends), 1.5, tissues["portal_vein"])
    artery = np.concatenate(
        [jitter([(8, 4, -104), (-8, -16, -108)]), hilum[1:] + np.array([4, -6, 0])]
    )
    ends = _ends_in_liver(canvas, liver, 10, rng)
    _draw_tree(canvas, grow(artery, ends), 0.85, tissues["hepatic_artery"])


def draw_great_vessels(
    canvas: Canvas, tissues: dict[str, Tissue], rng: np.random.Generator
) -> None:
    """Paint the aorta, the vena cava, and what branches from or joins them or the portal vein."""
    tube = tubes(canvas, tissues, rng)
    draw_trunks(tube)
    tube([(14, 2, -102), (40, 8, -92), (84, 26, -84)], 2.4, "aorta")
    draw_mesenteric_artery(tube)
    tube([(-4, -2, -126), (-4, -16, -170), (-4, -22, -330)], 5.2, "portal_vein")
    tube([(-4, -2, -122), (30, 4, -104), (84, 30, -88)], 4.2, "portal_vein")
    draw_renal_vessels(tube)
    draw_mesentery(tube, rng)


class Tube(Protocol):
    """Paints a vessel."""

    def __call__(self, path: Polyline, radius: float, name: str, carve: bool = False) -> None:
        """Paint along a path of standard coordinates, with a radius in mm, a named tissue."""


def tubes(canvas: Canvas, tissues: dict[str, Tissue], rng: np.random.Generator) -> Tube:
    """A function that paints a patient's vessels, which are all somewhat wide or narrow."""
    size = rng.uniform(0.85, 1.15)

    def tube(path: Polyline, radius: float, name: str, carve: bool = False) -> None:
        points = np.array(path, float)
        points[1:-1] += rng.normal(0, 2, points[1:-1].shape)
        canvas.tube(points, np.full(len(points), radius * size), tissues[name], carve)

    return tube


def draw_trunks(tube: Tube) -> None:
    """Paint the aorta, the vena cava and the coeliac trunk."""
    tube([(16, 26, 140), (15, 22, 0), (13, 21, -110), (8, 22, -330)], 10.5, "aorta", True)
    tube([(-14, 2, 60), (-18, 14, 5), (-21, 18, -60), (-22, 20, -330)], 11.5, "cava", True)
    tube([(13, 14, -98), (14, 2, -102)], 3.6, "aorta")


def draw_mesenteric_artery(tube: Tube, carve: bool = False) -> None:
    """Paint the superior mesenteric artery."""
    tube([(13, 12, -112), (9, -8, -128), (6, -16, -200), (6, -22, -330)], 3.4, "aorta", carve)


def draw_renal_vessels(tube: Tube) -> None:
    """Paint the arteries and veins of both kidneys."""
    for side, height in ((-1, -150), (1, -136)):
        root = (12 if side > 0 else 4, 22, -130)
        tube([root, (side * 30, 30, height + 6), (side * 50, 38, height)], 2.6, "aorta")
        mouth = (-16, 16, height + 12)
        tube([mouth, (side * 32, 24, height + 4), (side * 52, 34, height)], 4.5, "renal_vein")


def draw_mesentery(tube: Tube, rng: np.random.Generator) -> None:
    """Paint the small vessels of the bowel."""
    for _ in range(24):
        start = rng.uniform((-50, -50, -300), (70, -5, -150))
        way = start + np.cumsum(rng.normal(0, 9, (4, 3)), axis=0)
        tube(way, rng.uniform(1.2, 2.2), "portal_vein" if rng.random() < 0.6 else "aorta")
