"""The pancreas: a bent, lobulated gland from the duodenum to the hilum of the spleen.

Coordinates are the standard patient's (see phantom.trunk): mm, x to the left, y to the back.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from remodal.phantom.canvas import Canvas
from remodal.phantom.phases import Tissue
from remodal.phantom.shapes import Array, Waves, capsule

Rng = np.random.Generator

# Uncinate process, head, neck (in front of the portal vein), body (over the aorta), tail.
_COURSE = np.array(
    [(-16, -3, -150), (-30, -9, -136), (-20, -19, -120), (-2, -25, -112), (20, -22, -106),
     (46, -6, -99), (66, 12, -93), (82, 23, -89)], float
)  # fmt: skip
#: Half thickness of the gland there, before it is scaled to its volume, mm.
_HALF = np.array([8, 13.5, 10.5, 7.0, 8.0, 8.5, 8.5, 6.5])
#: The gland is higher than thick: its height is described in units of this.
_HEIGHT = 1.45
_PIECES = 29
#: Numbers of the middle line's points in the head and at the neck.
_HEAD, _NECK = 4, 12
#: How far behind the gland there is no stomach, mm.
_BEHIND = 50.0
#: Usual radii of the ducts, mm.
_DUCT, _BILE_DUCT = 1.1, 3.2


@dataclass(frozen=True)
class Gland:
    """What differs between pancreases.

    Attributes:
        course: points of the middle line from the uncinate process to the tail (N, 3), mm.
        half: half of the thickness at each, mm.
        lobules: height of the lobules on the surface, mm.
        fat: share of fat among the lobules.
    """

    course: Array
    half: Array
    lobules: float
    fat: float

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Distance to the surface without its lobules, at standard coordinates."""
        return _joined(self.course, self.half, x, y, z, behind=0)

    def bed(self, x: Array, y: Array, z: Array) -> Array:
        """Distance to the gland and what lies behind it: where the stomach is not."""
        return _joined(self.course[::4], self.half[::4], x, y, z, behind=_BEHIND)

    @property
    def back(self) -> Array:
        """The part of the middle line behind which the splenic vein runs: neck to tail (M, 3)."""
        return self.course[_NECK:]

    @property
    def head(self) -> Array:
        """The middle of the head (3,)."""
        return self.course[_HEAD]


def draw_gland(
    volume: tuple[float, float], fat: float, scale: tuple[float, float, float], rng: Rng
) -> Gland:
    """Draw a pancreas.

    Its tail rises to the spleen, lies level or sinks; its body bends more or less far forward over
    the spine; the head lies high or low. Small glands are thin, and fatty ones lobulated.

    Args:
        volume: least and greatest volume in ml, from which it is drawn evenly.
        fat: greatest share of fat.
        scale: patient mm per standard mm along x, y and z.
        rng: draws it.
    """
    from scipy.interpolate import CubicSpline

    course = _COURSE.copy()
    along = np.linspace(0, 1, len(course))
    course[:, 2] += rng.normal(0, 5)  # the whole gland
    course[:3, 2] -= rng.uniform(-6, 10)  # the head
    course[:, 2] += np.clip((along - 0.45) / 0.55, 0, 1) * rng.uniform(-34, 16)  # the tail
    bulge = np.exp(-(((along - 0.6) / 0.2) ** 2))
    course[:, 2] += bulge * rng.uniform(-9, 13)
    course[:, 1] -= bulge * rng.uniform(-7, 9)
    course[-1] = course[-2] + (course[-1] - course[-2]) * rng.uniform(0.4, 1.25)  # its length
    course += rng.normal(0, (1.6, 1.2, 1.8), course.shape)
    half = _HALF * np.exp(rng.normal(0, 0.10, len(_HALF)))
    half[-3:] *= rng.uniform(0.75, 1.3)  # a bulbous or a thin tail
    fine = np.linspace(0, 1, _PIECES)
    course, half = CubicSpline(along, course)(fine), np.interp(fine, along, half)
    wanted = float(rng.uniform(*volume))
    half = half * np.sqrt(wanted / _volume(course, half, scale))
    infiltrated = fat * rng.beta(1.2, 1.8)
    return Gland(course, half, rng.uniform(0.6, 1.2) + 2.0 * infiltrated, infiltrated)


def _joined(course: Array, half: Array, x: Array, y: Array, z: Array, behind: float) -> Array:
    """Distance to a tube, stretched to the back by some mm."""
    flat = course / (1, 1, _HEIGHT)
    height = z / np.float32(_HEIGHT)
    surface = None
    for (start, end), (first, last) in zip(pairwise(flat), pairwise(half)):
        middle = (start[1] + end[1]) / 2
        level = y - np.clip(y - np.float32(middle), 0, behind) if behind else y
        piece = capsule(x, level, height, tuple(start), tuple(end), float(first), float(last))
        surface = piece if surface is None else np.minimum(surface, piece)
    return surface


def _volume(course: Array, half: Array, scale: tuple[float, float, float]) -> float:
    """Volume of the tube around a course in ml, about, in a patient of a scale."""
    steps = np.diff(course, axis=0)
    # Where the course runs up or down, its section is round rather than high.
    level = np.hypot(steps[:, 0], steps[:, 1]) / np.linalg.norm(steps, axis=1)
    height = 1 + (_HEIGHT - 1) * level
    middle = (half[1:] + half[:-1]) / 2
    tube = (np.pi * middle**2 * height * np.linalg.norm(steps, axis=1)).sum()
    ends = 2 / 3 * np.pi * _HEIGHT * (half[0] ** 3 + half[-1] ** 3)
    return float((tube + ends) * np.prod(scale) / 1000)


def paint_gland(canvas: Canvas, tissues: dict[str, Tissue], gland: Gland, rng: Rng) -> None:
    """Paint a pancreas with its ducts and fat, and record its share of each voxel."""
    reach = gland.half.max() * _HEIGHT + 8
    box = canvas.box(gland.course.min(axis=0) - reach, gland.course.max(axis=0) + reach)
    distance = gland.distance(*canvas.at(box))
    lobules = canvas.waves(Waves.drawn(rng, 7, 15), box)
    distance = distance + np.float32(gland.lobules) * lobules
    # Fat grows into the clefts between the lobules.
    cleft = canvas.waves(Waves.drawn(rng, 5, 12, 32), box)
    fatty = np.clip(cleft - np.float32(1.9 - 2.4 * gland.fat), 0, 1) * np.float32(0.8)
    grain = 3.0 * canvas.waves(Waves.drawn(rng, 5, 14), box)
    tissue, fat = tissues["pancreas"], tissues["visceral_fat"]
    hu = tuple(
        own + grain + fatty * (surrounding - own)
        for own, surrounding in ((tissue.arterial, fat.arterial), (tissue.venous, fat.venous))
    )
    canvas.pancreas[box] = canvas.paint(box, distance, hu)
    _paint_ducts(canvas, tissues, gland, rng)


def _paint_ducts(canvas: Canvas, tissues: dict[str, Tissue], gland: Gland, rng: Rng) -> None:
    """Paint the pancreatic duct, which thin slices show, and the bile duct in the head."""
    duct = gland.course[3:-2]
    radii = np.full(len(duct), _DUCT * rng.uniform(0.5, 1.4))
    canvas.tube(duct, radii, Tissue(40.0, 40.0))
    way = gland.head + np.array([(-6, 6, -12), (-2, 7, 6), (2, 8, 26)])
    radii = np.full(len(way), _BILE_DUCT * rng.uniform(0.6, 1.3))
    canvas.tube(way, radii, tissues["bile"])
