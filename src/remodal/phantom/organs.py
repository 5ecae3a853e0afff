"""The abdominal organs of a simulated patient, in standard coordinates (see trunk)."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from remodal.phantom.canvas import Box, Canvas
from remodal.phantom.phases import Tissue
from remodal.phantom.shapes import (
    Waves,
    capsule,
    ellipsoid,
    oval,
    smooth_max,
    smooth_min,
    smooth_step,
    turned_ellipsoid,
)
from remodal.phantom.trunk import Trunk, abdomen

Tissues = dict[str, Tissue]
Array = np.ndarray
Surface = Callable[[Array, Array, Array], Array]
"""Distance to an organ's surface at standard coordinates x, y, z."""
Rng = np.random.Generator


@dataclass(frozen=True)
class LiverShape:
    """What differs between livers.

    Attributes:
        tip: lowest point of the right lobe, mm.
        reach: how far the left lobe reaches to the left of the midline, mm.
        thickness: how much thicker the left lobe is than usual, mm.
    """

    tip: float
    reach: float
    thickness: float


def draw_liver_shape(rng: Rng) -> LiverShape:
    """Draw the shape of a normal liver."""
    return LiverShape(rng.uniform(-172, -148), rng.uniform(45, 105), rng.uniform(-8, 10))


@dataclass(frozen=True)
class Liver:
    """A painted liver: the box around it, and the distance to its surface within the box, mm."""

    box: Box
    distance: Array


def liver_distance(
    x: Array, y: Array, z: Array, wall: Array, trunk: Trunk, shape: LiverShape
) -> np.ndarray:
    """Distance to the liver's surface.

    The liver fills the right half of the abdomen under the diaphragm. From right to left, its
    visceral surface rises and its rear surface comes forward, so that the left lobe is a wedge that
    ends at the front wall.
    """
    front = shape.reach - 75
    across = [-140, -95, -70, -50, -36, -22, 0, 30 + front / 2, 60 + front, 88 + front]
    depth = [95, 84, 66, 44, 20, 2, -12, -34, -62, -96]
    hind = np.interp(x, across, depth) + shape.thickness * smooth_step(x, -30, 20)
    across = [-140, -110, -75, -40, 0, 45 + front / 2, 88 + front]
    height = [shape.tip + 8, shape.tip, shape.tip + 18, -108, -90, -68, -50]
    # The front edge hangs lower than the back, which lies on the kidney.
    under = np.interp(x, across, height) + np.float32(0.28) * (y + 20)
    surface = abdomen(x, y, z, wall, trunk)
    surface = smooth_max(surface + 2, ((y - hind) * 0.8).astype(np.float32), 16)
    surface = smooth_max(surface, ((under - z) * 0.8).astype(np.float32), 18)
    caudate = ellipsoid(x, y, z, (-12, 4, -58), (15, 15, 26))
    surface = smooth_min(surface, caudate, 8)
    fissure = np.abs(x - 12 - 0.15 * (y + 60)) - 1.8 - 0.04 * np.maximum(-60 - z, 0)
    fissure = np.maximum(fissure, np.maximum(z + 62, y + 42))
    kidney = ellipsoid(x, y, z, (-62, 50, -150), (33, 31, 60))
    for hollow in (-fissure, -kidney):
        surface = smooth_max(surface, hollow, 6)
    return surface


def draw_liver(
    canvas: Canvas,
    tissues: Tissues,
    inside: Array,
    trunk: Trunk,
    shape: LiverShape,
    rng: Rng,
) -> Liver:
    """Paint the liver with uneven perfusion, and record its share of each voxel."""
    box = canvas.box((-142, -104, shape.tip - 16), (shape.reach + 25, 88, 12))
    distance = liver_distance(*canvas.at(box), inside[box], trunk, shape)
    uneven = 3.0 * canvas.waves(Waves.drawn(rng, 50, 140), box)
    grain = 2.5 * canvas.waves(Waves.drawn(rng, 9, 25), box)
    liver = tissues["liver"]
    hu = liver.arterial + uneven + grain, liver.venous + 0.6 * uneven + grain
    canvas.liver[box] = canvas.paint(box, distance, hu)
    return Liver(box, distance)


def draw_gallbladder(canvas: Canvas, tissues: Tissues, rng: Rng) -> None:
    """Paint the gallbladder under the liver; one patient in eight has none."""
    if rng.random() < 0.125:
        return
    size = rng.uniform(0.75, 1.2)
    box = canvas.box((-85, -100, -185), (-5, 20, -75))
    x, y, z = canvas.at(box)
    fundus = np.array([-48, -62, -142]) + rng.normal(0, 4, 3)
    distance = capsule(x, y, z, (-30, -18, -104), tuple(fundus), 6 * size, 15 * size)
    canvas.paint(box, distance - 1.5, tissues["gut_wall"], carve=True)
    canvas.paint(box, distance, tissues["bile"])


def draw_spleen(canvas: Canvas, tissues: Tissues, inside: Array, trunk: Trunk, rng: Rng) -> None:
    """Paint the spleen: a crescent under the left ribs, mottled in the arterial phase."""
    size = rng.uniform(0.85, 1.2)
    centre = (100, 32, -82 + rng.normal(0, 5))
    box = canvas.box((30, -50, -175), (142, 95, 0))
    x, y, z = canvas.at(box)
    spleen = ellipsoid(x, y, z, centre, (50, 62 * size, 56 * size))
    hollow = -ellipsoid(x, y, z, (48, 4, -88), (44, 48, 80))
    room = abdomen(x, y, z, inside[box], trunk) + 3
    spleen = smooth_max(smooth_max(spleen, hollow, 12), room, 6)
    tissue = tissues["spleen"]
    # Serpentine bands of early filling: the pulp's two circulations.
    bands = np.abs(canvas.waves(Waves.drawn(rng, 22, 40), box))
    mottle = rng.uniform(20, 45) * (bands - 0.8) * np.clip(spleen / -6, 0, 1)
    canvas.paint(box, spleen, (tissue.arterial + mottle, tissue.venous), carve=True)


def draw_kidneys(canvas: Canvas, tissues: Tissues, rng: Rng) -> None:
    """Paint both kidneys in their fat: cortex, pyramids and sinus (corticomedullary phase)."""
    for side, height in ((-1, -152), (1, -136)):
        centre = np.array([side * 62, 46, height]) + rng.normal(0, (3, 2, 7))
        radii = np.array([27, 25, 54]) * rng.uniform(0.9, 1.1)
        _draw_kidney(canvas, tissues, side, centre, radii, rng)


def _draw_kidney(
    canvas: Canvas, tissues: Tissues, side: int, centre: Array, radii: Array, rng: Rng
) -> None:
    lean = np.deg2rad(rng.uniform(8, 18)) * side
    rotation = np.array(
        [[np.cos(lean), 0, np.sin(lean)], [0, 1, 0], [-np.sin(lean), 0, np.cos(lean)]]
    )
    reach = 1.4 * radii.max()
    corner = np.array([45, 45, reach])
    box = canvas.box(centre - corner, centre + corner)
    x, y, z = canvas.at(box)
    kidney = turned_ellipsoid(x, y, z, centre, radii, rotation)
    hilum = centre - (side * 0.75 * radii[0], 0.5 * radii[1], 0)
    sinus = turned_ellipsoid(x, y, z, hilum, radii * (0.62, 0.5, 0.48), rotation)
    kidney = smooth_max(kidney, -(sinus - 1), 5)
    lobes = canvas.waves(Waves.drawn(rng, 16, 24), box)
    pyramids = np.maximum(kidney + 6.5, np.where(lobes > -0.5, 5 - sinus, 9.0))
    canvas.paint(box, kidney, tissues["renal_cortex"], carve=True)
    canvas.paint(box, pyramids, tissues["renal_medulla"])


def draw_stomach(
    canvas: Canvas,
    tissues: Tissues,
    inside: Array,
    trunk: Trunk,
    rng: Rng,
    behind: Surface | None = None,
) -> None:
    """Paint the stomach: wall, content, and gas that rises to the front.

    Args:
        canvas: the patient.
        tissues: HU.
        inside: distance to the cavity.
        trunk: the patient's.
        rng: draws filling and content.
        behind: distance to an organ that the stomach lies on and makes room for.
    """
    fill = rng.uniform(0.7, 1.0)
    box = canvas.box((-30, -105, -190), (125, 60, 0))
    x, y, z = canvas.at(box)
    fundus = ellipsoid(x, y, z, (66, 2, -52), (48 * fill, 50 * fill, 44))
    body = capsule(x, y, z, (72, -16, -66), (52, -56, -116), 36 * fill, 26 * fill)
    antrum = capsule(x, y, z, (52, -56, -116), (-8, -50, -120), 24 * fill, 13)
    room = abdomen(x, y, z, inside[box], trunk) + 4
    stomach = smooth_min(smooth_min(fundus, body, 14), antrum, 14)
    liver = 2 * canvas.liver[box]
    stomach = smooth_max(stomach, room, 6) + 12 * liver
    if behind is not None:
        stomach = smooth_max(stomach, 2 - behind(x, y, z), 8)
    level = rng.uniform(-66, -42)
    gas = smooth_max(stomach + 4, y - level, 2)
    mix = 10 * canvas.waves(Waves.drawn(rng, 8, 20), box)
    content = tissues["gut_content"]
    canvas.paint(box, stomach, tissues["gut_wall"])
    canvas.paint(box, stomach + 4, (content.arterial + mix, content.venous + mix))
    canvas.paint(box, gas, Tissue(-930, -930))


def draw_pancreas(canvas: Canvas, tissues: Tissues, rng: Rng) -> None:
    """Paint the pancreas, lobulated."""
    path = np.array(
        [(-34, -8, -132), (-24, -16, -116), (4, -22, -106), (36, -6, -96), (74, 22, -86)]
    )
    path = path + rng.normal(0, 3, path.shape)
    radii = np.array([14, 11, 8.5, 9, 8]) * rng.uniform(0.8, 1.1)
    box = canvas.box((-60, -50, -165), (95, 45, -65))
    x, y, z = canvas.at(box)
    parts = [
        capsule(x, y, z, start, end, first, last)
        for start, end, first, last in zip(path[:-1], path[1:], radii[:-1], radii[1:])
    ]
    lobules = 2.2 * canvas.waves(Waves.drawn(rng, 9, 15), box)
    canvas.paint(box, np.minimum.reduce(parts) + lobules, tissues["pancreas"])


def draw_oesophagus(canvas: Canvas, tissues: Tissues) -> None:
    """Paint the lower end of the oesophagus."""
    box = canvas.box((0, 5, -60), (30, 40, 130))
    x, y, z = canvas.at(box)
    gullet = np.maximum(oval(x - 8 - 0.1 * z, y - 14, 9, 7), -60 - z)
    canvas.paint(box, gullet, tissues["oesophagus"])


_COLON = [
    (-98, 20, -330), (-100, 14, -250), (-96, -14, -192), (-66, -62, -176), (-20, -78, -168),
    (40, -76, -158), (94, -56, -128), (116, -20, -92), (116, 8, -140), (112, 22, -200),
    (108, 24, -330),
]  # fmt: skip


def draw_bowel(canvas: Canvas, tissues: Tissues, rng: Rng) -> None:
    """Paint the colon (stool and gas) and loops of small bowel in the lower abdomen."""
    path = np.array(_COLON, float) + rng.normal(0, 5, (len(_COLON), 3))
    for start, end in pairwise(path):
        draw_loop(canvas, tissues, start, end, rng.uniform(13, 18), 7.0, rng)
    for _ in range(26):
        start = rng.uniform((-70, -68, -330), (80, 12, -150))
        end = start + rng.normal(0, (26, 12, 10))
        draw_loop(canvas, tissues, start, end, rng.uniform(8, 12), 0.6, rng)


def draw_duodenum(canvas: Canvas, tissues: Tissues, rng: Rng) -> None:
    """Paint the duodenum around the head of the pancreas."""
    duodenum = np.array([(-30, -34, -120), (-46, -8, -130), (-42, 2, -165), (10, 4, -172)])
    for start, end in pairwise(duodenum):
        draw_loop(canvas, tissues, start, end, 10.0, 0.3, rng)


def draw_loop(
    canvas: Canvas,
    tissues: Tissues,
    start: Array,
    end: Array,
    radius: float,
    gas: float,
    rng: Rng,
) -> None:
    """Paint a stretch of bowel, with gas where `gas` times a random field exceeds a threshold."""
    reach = radius + 6
    box = canvas.box(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
    x, y, z = canvas.at(box)
    if x.size == 0:
        return
    haustra = canvas.waves(Waves.drawn(rng, 18, 30), box)
    # Bowel makes room for the liver, which was painted before.
    taken = 14 * canvas.liver[box]
    loop = capsule(x, y, z, start, end, radius, radius) + 1.5 * haustra + taken
    content = tissues["gut_content"]
    texture = canvas.waves(Waves.drawn(rng, 6, 14), box)
    stool = content.arterial + 22 * texture, content.venous + 22 * texture
    canvas.paint(box, loop, tissues["gut_wall"])
    canvas.paint(box, loop + 2.5, stool)
    bubble = np.maximum(loop + 3, 6 - gas * (haustra + texture) - 0.15 * (start[1] - y))
    canvas.paint(box, bubble, Tissue(-850, -850))
