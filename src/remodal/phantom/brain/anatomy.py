"""A simulated patient without a tumour: shares of each voxel that belong to each tissue."""

from dataclasses import dataclass

import numpy as np

from remodal.phantom.brain import deep, lobes
from remodal.phantom.brain.cortex import Axes, Folds, fissures
from remodal.phantom.brain.tissues import TISSUES
from remodal.phantom.canvas import Build
from remodal.phantom.shapes import Array, Point, Waves, smooth_step

#: Lowest and highest x, y and z of everything that `deep` describes, mm.
_DEEP = (-52, -60, -48), (52, 62, 40)


@dataclass(frozen=True)
class Head:
    """What is drawn at random for a patient before anything is painted.

    Attributes:
        build: from the scanner's to standard coordinates.
        sulci: deep folds and shallow ones of the cerebrum.
        folia: folds of the cerebellum.
        thickness: of the cortex, mm.
        pia: half the width of a sulcus, mm; wide ones mean that the brain has shrunk.
        ventricles: width of the ventricles, 1 in a middle-aged patient.
        gliosis: how far bright matter reaches around the ventricles, mm.
    """

    build: Build
    sulci: tuple[Folds, Folds]
    folia: Folds
    thickness: float
    pia: float
    ventricles: float
    gliosis: float


@dataclass(frozen=True)
class Brain:
    """A painted patient on a grid.

    Attributes:
        axes: x, y and z of the grid (1-D, scanner mm).
        shares: (tissue, z, y, x) in the order of `TISSUES`; they add up to 1 inside.
        surface: signed distance to the surface that skull-stripping leaves, mm; negative inside.
        cerebrum: the same to the surface of the cerebrum.
        standard: standard coordinates x, y, z of each voxel.
    """

    axes: Axes
    shares: Array
    surface: Array
    cerebrum: Array
    standard: list[Array]


def draw_head(middle: tuple[float, float, float], rng: np.random.Generator) -> Head:
    """Draw a patient whose brain lies about a point of the scanner (mm)."""
    size = rng.normal(0.98, 0.02)
    scale = tuple(float(np.clip(size * rng.normal(1, 0.025), 0.91, 1.05)) for _ in range(3))
    centre = tuple(float(place + rng.normal(0, 1)) for place in middle)
    warp = tuple(Waves.drawn(rng, 60, 140) for _ in range(3))
    age = rng.uniform(0, 1)
    return Head(
        build=Build(centre, scale, warp, rng.uniform(1.0, 1.8)),
        sulci=(Folds.drawn(rng, (24, 38), 20, 5), Folds.drawn(rng, (15, 24), 8, 3)),
        folia=Folds.drawn(rng, (10, 15), 9, 2),
        thickness=rng.uniform(2.6, 3.2),
        pia=0.35 + 0.6 * age + rng.uniform(0, 0.2),
        ventricles=float(np.clip(0.7 + 0.7 * age + rng.normal(0, 0.15), 0.5, 1.7)),
        gliosis=float(max(0.0, 5 * age - 2 + rng.normal(0, 0.8))),
    )


def paint_brain(head: Head, axes: Axes) -> Brain:
    """Paint a patient on the grid of three axes; later tissues cover earlier ones."""
    x, y, z = standard = head.build.standard(*axes)
    cerebrum, cerebellum = lobes.cerebrum(x, y, z), lobes.cerebellum(x, y, z)
    stem = lobes.brain_stem(x, y, z)
    surface = lobes.whole_brain(cerebrum, cerebellum, stem)
    shares = np.zeros((len(TISSUES), *surface.shape), np.float32)
    shares[TISSUES.index("fluid")] = surface < 0
    edge = edge_of(axes)
    folded = _below_pia(head, axes, standard, cerebrum)
    _paint(shares, "grey", head.pia - folded, edge)
    _paint(shares, "white", head.pia + head.thickness - folded, edge)
    leaves = np.minimum(-cerebellum, head.folia.distance(axes, -cerebellum))
    _paint(shares, "grey", 0.5 * head.pia - leaves, edge)
    _paint(shares, "white", 0.5 * head.pia + 1.9 - leaves, edge)
    _paint(shares, "white", stem, edge)
    box = _box(head, axes, *_DEEP)
    part = tuple(axis[side] for axis, side in zip(axes, box[::-1]))
    _paint_deep(shares[(slice(None), *box)], head, part, edge)
    return Brain(axes, shares * (surface < 0), surface, cerebrum, standard)


def edge_of(axes: Axes) -> float:
    """Width of a painted edge in mm: about a voxel of the grid, so that it has partial volume."""
    return float(np.mean([axis[1] - axis[0] for axis in axes]))


def covered(distance: Array, edge: float) -> Array:
    """Share of each voxel inside a shape, from its signed distance."""
    return np.clip(0.5 - distance / np.float32(edge), 0, 1, dtype=np.float32)


def _paint(shares: Array, tissue: str, distance: Array, edge: float) -> None:
    """Let a tissue take its share of each voxel from those that are there."""
    share = covered(distance, edge)
    shares *= 1 - share
    shares[TISSUES.index(tissue)] += share


def _below_pia(head: Head, axes: Axes, standard: list[Array], cerebrum: Array) -> Array:
    """How deep each voxel lies below the pia of the cerebrum, mm; negative outside."""
    folds = [sulci.distance(axes, -cerebrum) for sulci in head.sulci]
    bend = 1.5 * head.build.warp[0].on(*axes)
    return np.minimum.reduce([-cerebrum, *folds, fissures(*standard, bend)])


def _box(head: Head, axes: Axes, lowest: Point, highest: Point) -> tuple[slice, ...]:
    """Index box (z, y, x) of what lies between two points in standard coordinates."""
    ends = head.build.scanner(np.array([lowest, highest]))
    reach = 6 * head.build.warp_size
    return tuple(
        slice(*np.searchsorted(axis, (low - reach, high + reach)).tolist())
        for axis, low, high in zip(axes, *ends)
    )[::-1]


def _paint_deep(shares: Array, head: Head, axes: Axes, edge: float) -> None:
    """Paint what `deep` describes into a part of the patient."""
    x, y, z = head.build.standard(*axes)
    side = np.abs(x)
    ventricles = deep.ventricles(side, y, z, head.ventricles)
    caps = head.gliosis * (0.6 + 0.5 * head.folia.depths.on(*axes))
    bright = np.maximum(ventricles - caps, 4 - side + smooth_step(z, 0, 20))
    for tissue, distance in (
        ("white", ventricles - 2.0),
        ("gliosis", bright),
        ("nuclei", deep.nuclei(side, y, z)),
        ("pallidum", deep.pallidum(side, y, z)),
        ("fluid", ventricles),
        ("vessel", np.maximum(deep.plexus(side, y, z), ventricles)),
        ("vessel", deep.vessels(side, y, z)),
    ):
        _paint(shares, tissue, distance, edge)
