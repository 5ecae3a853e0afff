"""A simulated patient without a tumour: shares of each voxel that belong to each tissue."""

from dataclasses import dataclass

import numpy as np

from remodal.phantom.brain import deep, lobes
from remodal.phantom.brain.cortex import Axes, Folds, fissures
from remodal.phantom.brain.tissues import TISSUES
from remodal.phantom.canvas import Build
from remodal.phantom.shapes import Array, Waves, smooth_step


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
    size = rng.normal(1, 0.025)
    scale = tuple(float(np.clip(size * rng.normal(1, 0.025), 0.92, 1.07)) for _ in range(3))
    centre = tuple(float(place + rng.normal(0, 1)) for place in middle)
    warp = tuple(Waves.drawn(rng, 60, 140) for _ in range(3))
    age = rng.uniform(0, 1)
    return Head(
        build=Build(centre, scale, warp, rng.uniform(1.2, 2.2)),
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
    edge = float(np.mean([axis[1] - axis[0] for axis in axes]))
    cerebrum, cerebellum = lobes.cerebrum(x, y, z), lobes.cerebellum(x, y, z)
    stem = lobes.brain_stem(x, y, z)
    surface = lobes.whole_brain(cerebrum, cerebellum, stem)
    shares = np.zeros((len(TISSUES), *surface.shape), np.float32)
    shares[TISSUES.index("fluid")] = surface < 0

    def paint(tissue: str, distance: Array) -> None:
        _cover(shares, tissue, np.clip(0.5 - distance / np.float32(edge), 0, 1))

    folded = _below_pia(head, axes, standard, cerebrum)
    paint("grey", head.pia - folded)
    paint("white", head.pia + head.thickness - folded)
    leaves = np.minimum(-cerebellum, head.folia.distance(axes, -cerebellum))
    paint("grey", 0.5 * head.pia - leaves)
    paint("white", 0.5 * head.pia + 1.9 - leaves)
    paint("white", stem)
    _paint_deep(paint, head, axes, standard)
    return Brain(axes, shares * (surface < 0), surface, cerebrum, standard)


def _cover(shares: Array, tissue: str, share: Array) -> None:
    """Let a tissue take a share (z, y, x) of each voxel from those that are there."""
    shares *= 1 - share
    shares[TISSUES.index(tissue)] += share


def _below_pia(head: Head, axes: Axes, standard: list[Array], cerebrum: Array) -> Array:
    """How deep each voxel lies below the pia of the cerebrum, mm; negative outside."""
    folds = [sulci.distance(axes, -cerebrum) for sulci in head.sulci]
    bend = 1.5 * head.build.warp[0].on(*axes)
    return np.minimum.reduce([-cerebrum, *folds, fissures(*standard, bend)])


def _paint_deep(paint, head: Head, axes: Axes, standard: list[Array]) -> None:
    x, y, z = standard
    side = np.abs(x)
    ventricles = deep.ventricles(side, y, z, head.ventricles)
    caps = head.gliosis * (0.6 + 0.5 * head.folia.depths.on(*axes))
    paint("white", ventricles - 2.0)
    paint("gliosis", np.maximum(ventricles - caps, 4 - side + smooth_step(z, 0, 20)))
    paint("nuclei", deep.nuclei(side, y, z))
    paint("pallidum", deep.pallidum(side, y, z))
    paint("fluid", ventricles)
    paint("vessel", np.maximum(deep.plexus(side, y, z), ventricles))
    paint("vessel", deep.vessels(side, y, z))
