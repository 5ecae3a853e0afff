"""What lies around a pancreas: duodenum, jejunum, and the vessels behind and below it."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from remodal.phantom.canvas import Canvas
from remodal.phantom.pancreas.gland import Gland
from remodal.phantom.phases import Tissue
from remodal.phantom.shapes import Waves, capsule, smooth_min
from remodal.phantom.vessels import (
    Tube,
    draw_mesenteric_artery,
    draw_mesentery,
    draw_renal_vessels,
    draw_trunks,
    tubes,
)

Tissues = dict[str, Tissue]
Rng = np.random.Generator

_WALL = 2.4
#: Where the portal vein begins, behind the neck.
_CONFLUENCE = (-4.0, -2.0, -124.0)
#: The duodenum from the bulb to the jejunum, relative to the head's middle.
_DUODENUM = np.array(
    [(12, -28, 18), (-12, -22, 22), (-24, -2, 12), (-24, 8, -16), (-14, 12, -36), (20, 12, -44),
     (52, 10, -34), (62, -2, -14)], float
)  # fmt: skip


def draw_duodenum(canvas: Canvas, tissues: Tissues, gland: Gland, rng: Rng) -> None:
    """Paint the duodenum around the head; it takes its room from the pancreas.

    Parts of it are collapsed, where its wall looks like the pancreas; others hold fluid and gas.
    """
    path = gland.head + _DUODENUM + rng.normal(0, 2.5, _DUODENUM.shape)
    # The third part crosses between the aorta and the mesenteric artery, in front of the spine.
    path[5:7, 1] = np.minimum(path[5:7, 1], (2, 4))
    radii = rng.uniform(7.5, 12.5, len(path))
    for (start, end), (first, last) in zip(pairwise(path), pairwise(radii)):
        _draw_gut(canvas, tissues, [start, end], (first, last), rng.uniform(-1.5, 1.5), rng)


def draw_loops(canvas: Canvas, tissues: Tissues, count: int, gland: Gland, rng: Rng) -> None:
    """Paint loops of jejunum in front of and below the body and tail, most of them collapsed."""
    body = gland.course[len(gland.course) // 2 :]
    for _ in range(count):
        near = body[int(rng.integers(len(body)))]
        start = near + rng.uniform((-18, -34, -44), (18, -8, -16))
        middle = start + rng.normal(0, (16, 8, 8))
        end = middle + rng.normal(0, (16, 8, 12))
        radius = rng.uniform(6.5, 11)
        _draw_gut(canvas, tissues, [start, middle, end], (radius, radius), rng.normal(-1, 1), rng)


def _draw_gut(
    canvas: Canvas,
    tissues: Tissues,
    path: Sequence[np.ndarray],
    radii: tuple[float, float],
    filling: float,
    rng: Rng,
) -> None:
    """Paint a stretch of bowel.

    Args:
        canvas: the patient.
        tissues: HU.
        path: points of its middle line, standard mm.
        radii: at its ends, mm.
        filling: collapsed below 0, the fuller the higher.
        rng: draws folds and contents.
    """
    reach = max(radii) + 6
    points = np.array(path)
    box = canvas.box(points.min(axis=0) - reach, points.max(axis=0) + reach)
    x, y, z = canvas.at(box)
    if x.size == 0:
        return
    folds = canvas.waves(Waves.drawn(rng, 7, 14), box)
    loop = None
    widths = np.linspace(*radii, len(points))
    for (start, end), (first, last) in zip(pairwise(points), pairwise(widths)):
        piece = capsule(x, y, z, tuple(start), tuple(end), first, last)
        loop = piece if loop is None else smooth_min(loop, piece, 3)
    # Bowel makes room for the liver.
    loop = loop + 1.3 * folds + 14 * canvas.liver[box]
    wall, content = tissues["gut_wall"], tissues["gut_content"]
    feathers = 6 * folds
    canvas.paint(box, loop, (wall.arterial + feathers, wall.venous + feathers), carve=True)
    narrow = np.float32(_WALL + max(0.0, 0.55 * min(radii) - 2.5 * filling))
    lumen = loop + narrow - 1.2 * folds
    canvas.paint(box, lumen, content)
    if filling > 0.8:
        bubble = np.maximum(lumen + 1, y - min(point[1] for point in points) + 2)
        canvas.paint(box, bubble, Tissue(-850, -850))


def draw_vessels(canvas: Canvas, tissues: Tissues, gland: Gland, rng: Rng) -> None:
    """Paint the great vessels, and those that touch the pancreas where this gland has them."""
    tube = tubes(canvas, tissues, rng)
    draw_trunks(tube)
    draw_mesenteric_artery(tube, carve=True)
    draw_renal_vessels(tube)
    _draw_portal_system(tube, gland, rng)
    _draw_splenic_artery(tube, gland, rng)
    draw_mesentery(tube, rng)


def _draw_portal_system(tube: Tube, gland: Gland, rng: Rng) -> None:
    """Paint the superior mesenteric and the splenic vein up to where they join."""
    below = [(-4, -12, -146), (-4, -17, -172), (-4, -22, -330)]
    tube([_CONFLUENCE, *below], 5.4, "portal_vein", True)
    behind = gland.back[::3] + np.array((0, 0.8 * float(np.median(gland.half)) + 3.5, 2.0))
    hilum = behind[-1] + np.array((8, 8, rng.uniform(-2, 8)))
    tube([_CONFLUENCE, *behind[1:], hilum], 4.2, "portal_vein", True)
    inferior_mesenteric = np.array([(-4, 8, -4), (4, 2, -50), (26, 6, -150)])
    body = gland.course[len(gland.course) * 5 // 8]
    tube(body + inferior_mesenteric, 2.2, "portal_vein")


def _draw_splenic_artery(tube: Tube, gland: Gland, rng: Rng) -> None:
    """Paint the splenic artery, which winds along the upper edge of the gland."""
    edge = gland.back[3::2] + np.array((0, 3.0, 1.35 * float(np.median(gland.half))))
    edge = edge + rng.normal(0, (1, 2.5, 4), edge.shape)
    tube(np.array([(14, 2, -102), *edge, edge[-1] + np.array((6, 6, 0))]), 2.5, "aorta", True)
