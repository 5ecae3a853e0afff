"""The trunk of a simulated patient: what lies around the abdominal organs.

Coordinates are the standard patient's (canvas.Build): mm, x to the left, y to the back, z to the
head, origin in the middle of the trunk at the height of the liver's top.
"""

from dataclasses import dataclass

import numpy as np

from remodal.phantom.canvas import Box, Canvas
from remodal.phantom.phases import Tissue
from remodal.phantom.shapes import Waves, capsule, ellipsoid, oval, smooth_max, smooth_step

Array = np.ndarray

WALL = 14.0
"""Thickness of the chest and abdominal wall between cavity and subcutaneous fat, mm."""

_SPINE_Y = 50.0
_VERTEBRA = 30.0
_T12 = -95.0


@dataclass(frozen=True)
class Trunk:
    """What differs between patients' trunks.

    Attributes:
        fat: thickness of the subcutaneous fat at the flanks, standard mm.
        dome: height of the left half of the diaphragm below the right, mm.
        breath: how far down the lungs reach beside the liver, mm.
    """

    fat: float
    dome: float
    breath: float


def cavity(x: Array, y: Array, z: Array) -> np.ndarray:
    """Distance to the inside of the chest and abdominal wall."""
    narrowing = 1 - np.float32(0.16) * smooth_step(z, -70, 90)
    return oval(x, y + 10, 140 * narrowing, 92 * (0.4 + 0.6 * narrowing))


def diaphragm(x: Array, y: Array, trunk: Trunk) -> np.ndarray:
    """Height of the diaphragm's two domes at each x, y."""
    right = 4 - 34 * ((x + 68) / 72) ** 2 - 34 * ((y + 5) / 88) ** 2
    left = -trunk.dome - 34 * ((x - 66) / 68) ** 2 - 34 * ((y + 8) / 88) ** 2
    return np.maximum(smooth_max(right, left, 30), -110)


def abdomen(x: Array, y: Array, z: Array, wall: Array, trunk: Trunk) -> np.ndarray:
    """Distance to the abdominal cavity: below the diaphragm and away from the lungs' margins."""
    recess = trunk.breath * smooth_step(z, -95, -30) - 1.5
    roof = (z - diaphragm(x, y, trunk)) * np.float32(0.8)
    return smooth_max(wall + recess, roof, 14)


def draw_trunk(
    canvas: Canvas, tissues: dict[str, Tissue], trunk: Trunk, rng: np.random.Generator
) -> np.ndarray:
    """Paint table, skin, fat, wall, lungs and the fat of the abdomen.

    Returns:
        Distance to the cavity that organs are fitted into (float32, on the canvas' grid).
    """
    _draw_table(canvas, trunk.fat, rng)
    texture = canvas.waves(Waves.drawn(rng, 8, 26), (slice(None),) * 3)
    inside, belly = np.empty_like(texture), np.empty_like(texture)
    for slab in canvas.slabs():
        inside[slab] = _draw_wall(canvas, slab, tissues, trunk.fat, texture[slab])
    _draw_back(canvas, tissues["muscle"], texture)
    for slab in canvas.slabs():
        belly[slab] = _draw_cavity(canvas, slab, tissues, trunk, inside[slab], texture[slab])
    _draw_heart(canvas, tissues, inside, belly)
    return inside


def _draw_wall(
    canvas: Canvas, slab: Box, tissues: dict[str, Tissue], fat: float, texture: Array
) -> Array:
    """Paint skin, fat and muscles of a slab; the distance to the cavity inside of them."""
    x, y, z = canvas.at(slab)
    body = oval(x, y + 3, 154 + fat, 109 + np.float32(0.7) * fat)
    canvas.paint(slab, body, tissues["skin"])
    canvas.paint(slab, body + 2, tissues["fat"])
    inside = cavity(x, y, z)
    muscle = tissues["muscle"]
    streaks = 10 * np.minimum(texture, 1)
    layer = inside - WALL + 2 * np.maximum(texture - 0.8, 0)
    canvas.paint(slab, layer, (muscle.arterial + streaks, muscle.venous + streaks))
    # A thin layer of fat between the muscles gives the wall its stripes.
    stripe = np.abs(inside - 0.55 * WALL) - 0.9 * np.maximum(texture, 0)
    canvas.paint(slab, stripe, tissues["fat"])
    return inside


def _draw_cavity(
    canvas: Canvas,
    slab: Box,
    tissues: dict[str, Tissue],
    trunk: Trunk,
    inside: Array,
    texture: Array,
) -> Array:
    """Paint lungs, diaphragm and fat of a slab; the distance to the abdominal cavity."""
    x, y, z = canvas.at(slab)
    lung = tissues["lung"]
    vessels = 240 * np.maximum(texture - 1.1, 0) - 10 * texture
    canvas.paint(slab, inside, (lung.arterial + vessels, lung.venous + vessels))
    belly = abdomen(x, y, z, inside, trunk)
    canvas.paint(slab, np.maximum(belly - 3, inside), tissues["muscle"])
    fat = tissues["visceral_fat"]
    strands = 9 * texture
    canvas.paint(slab, belly, (fat.arterial + strands, fat.venous + strands))
    return belly


def _draw_table(canvas: Canvas, fat: float, rng: np.random.Generator) -> None:
    """Paint a thin curved table top under the patient, not bent with the patient."""
    below = canvas.build.centre[1] + canvas.build.scale[1] * (107 + 0.7 * fat) + rng.uniform(3, 10)
    x = canvas.x - canvas.build.centre[0]
    sag = below - (x / 260) ** 2 * 45
    y = canvas.y[:, None]
    for offset, hu in ((0.0, 40.0), (22.0, -20.0)):
        share = canvas.coverage(np.abs(y - sag[None] - offset) - 1.5)
        for image in (canvas.arterial, canvas.venous):
            image += share[None] * (hu - image)


def _draw_back(canvas: Canvas, muscle: Tissue, texture: np.ndarray) -> None:
    streaks = 14 * np.clip(texture, -1.5, 1)
    for side in (-1, 1):
        box = canvas.box((-70, 55, -400), (70, 115, 120))
        x, y, _ = canvas.at(box)
        erector = oval(x - side * 33, y - 85, 31, 20)
        hu = muscle.arterial + streaks[box], muscle.venous + streaks[box]
        canvas.paint(box, erector, hu)


def draw_psoas(canvas: Canvas, tissues: dict[str, Tissue]) -> None:
    """Paint the psoas muscles beside the lumbar spine and the crura of the diaphragm."""
    muscle = tissues["muscle"]
    for side in (-1, 1):
        box = canvas.box((-70, 30, -400), (70, 85, -100))
        x, y, z = canvas.at(box)
        size = 6 + 16 * smooth_step(-z, 105, 230)
        distance = oval(x - side * (25 + 0.65 * size), y - 58, size, 1.1 * size)
        canvas.paint(box, smooth_max(distance, z + 105, 6), muscle, carve=True)
        box = canvas.box((-30, 10, -170), (40, 50, -10))
        x, y, z = canvas.at(box)
        crus = oval(x - 2 - side * 15, y - 27, 3.5, 11)
        canvas.paint(box, np.maximum(crus, np.abs(z + 85) - 65), muscle, carve=True)


def _draw_heart(
    canvas: Canvas, tissues: dict[str, Tissue], inside: np.ndarray, belly: np.ndarray
) -> None:
    box = canvas.box((-60, -110, -40), (110, 40, 130))
    x, y, z = canvas.at(box)
    room = np.maximum(inside[box] + 5, 2 - belly[box])
    heart = smooth_max(ellipsoid(x, y, z, (28, -38, 48), (62, 50, 62)), room, 8)
    canvas.paint(box, heart - 4, tissues["visceral_fat"])
    canvas.paint(box, heart, tissues["myocardium"])
    left = ellipsoid(x, y, z, (48, -35, 52), (28, 24, 40))
    right = ellipsoid(x, y, z, (-2, -48, 52), (24, 26, 44))
    canvas.paint(box, smooth_max(left, heart + 7, 6), tissues["aorta"])
    canvas.paint(box, smooth_max(right, heart + 4, 6), tissues["cava"])


def draw_bones(
    canvas: Canvas, tissues: dict[str, Tissue], inside: np.ndarray, rng: np.random.Generator
) -> None:
    """Paint the spine and the ribs.

    Args:
        canvas: the patient.
        tissues: HU.
        inside: distance to the cavity.
        rng: draws the texture of the marrow.
    """
    _draw_spine(canvas, tissues, Waves.drawn(rng, 7, 20))
    _draw_ribs(canvas, tissues, inside)


def _draw_spine(canvas: Canvas, tissues: dict[str, Tissue], texture: Waves) -> None:
    box = canvas.box((-48, 28, -450), (48, 112, 150))
    x, y, z = canvas.at(box)
    # One vertebra is described and then repeated: `level` runs from -15 to 15 mm within each.
    level = z - _T12 - _VERTEBRA * np.rint((z - _T12) / _VERTEBRA)
    waist = 1.5 * (1 - (level / 15) ** 2)
    body = oval(x, y - _SPINE_Y, 21.5 - waist, 16.5 - waist)
    disc = np.maximum(body + 1, 11.5 - np.abs(level))
    ring = np.sqrt(x * x + (y - 76) ** 2)
    arch = smooth_max(np.abs(ring - 11.5) - 3.2, np.abs(level + 2) - 10, 4)
    spinous = np.maximum(np.maximum(np.abs(x) - 3.2, np.abs(y - 97) - 12), np.abs(level + 4) - 9)
    side = np.abs(x)
    transverse = capsule(side, y, level, (13, 72, 4), (40, 80, 5), 5.5, 4.0)
    pedicle = capsule(side, y, level, (12, 58, 5), (12, 72, 5), 4.5, 4.5)
    bone = np.minimum.reduce([body, arch, spinous, transverse, pedicle])
    grain = 28 * canvas.waves(texture, box)
    marrow = tissues["marrow"]
    canvas.paint(box, bone, tissues["bone"])
    canvas.paint(box, bone + 2.2, (marrow.arterial + grain, marrow.venous + grain))
    canvas.paint(box, disc, tissues["disc"])
    canvas.paint(box, ring - 8.5, tissues["canal"])


def _draw_ribs(canvas: Canvas, tissues: dict[str, Tissue], inside: np.ndarray) -> None:
    """Paint all ribs at once, unrolled: around the trunk by angle, down it by number of the rib."""
    x, y, z = canvas.standard
    where = np.abs(inside - 0.5 * WALL) < 9 + canvas.edge
    x, y, z, depth = x[where], y[where], z[where], inside[where] - 0.5 * WALL
    angle = np.abs(np.arctan2(x, y + 10))
    fall = -40 * np.minimum(angle, 2.1) + 60 * np.maximum(angle - 2.1, 0)
    number = (z - _T12 - fall) / _VERTEBRA
    rib = np.rint(number)
    height = (number - rib) * _VERTEBRA * np.float32(0.85)
    gauge = np.sqrt(height * height + (1.5 * depth) ** 2) - 5.5
    end = np.interp(rib, [-1, 0, 1, 2, 3], [0.0, 0.9, 1.5, 2.1, 2.35])
    beyond = (angle - end) * 100
    distance = np.maximum(gauge, beyond).astype(np.float32)
    distance[rib < 0] = 99
    cartilage = np.maximum(gauge + 0.5, np.maximum(-beyond, (angle - 2.95) * 100))
    cartilage[rib < 2] = 99
    canvas.paint(where, cartilage.astype(np.float32), tissues["cartilage"])
    canvas.paint(where, distance, tissues["bone"])
    canvas.paint(where, distance + 2.2, tissues["marrow"])
