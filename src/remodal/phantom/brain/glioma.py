"""A glioma: where it lies, how it grows, and which part of each voxel is which of its regions.

High-grade gliomas have a necrotic core in an enhancing rim of uneven thickness, and much oedema.
Low-grade ones are solid; they do not enhance, or only in patches, and have little oedema. Oedema
spreads in white matter and spares the cortex.
"""

from dataclasses import dataclass

import numpy as np

from remodal.phantom.brain import lobes
from remodal.phantom.brain.anatomy import Brain, covered, edge_of
from remodal.phantom.brain.cortex import joined
from remodal.phantom.brain.tissues import GROWTH, TISSUES
from remodal.phantom.shapes import Array, Point, Waves, smooth_step, turned_ellipsoid

#: Where a centre may lie in the standard brain: lowest and highest x, y and z in mm.
_ROOM = ((14, 50), (-62, 60), (-18, 50))
#: How deep below the surface of the cerebrum, mm.
_LEAST_DEPTH, _MOST_DEPTH = 12.0, 34.0


@dataclass(frozen=True)
class Glioma:
    """What is drawn at random for a tumour.

    Attributes:
        centre: in standard coordinates, mm.
        radii: of its core, before it is made lumpy, mm.
        rotation: rows are the axes of these radii.
        lumps: make its outline uneven, coarsely and finely.
        rim: mean thickness of the enhancing rim in mm; 0: nothing enhances.
        rim_field: how that thickness varies, and where septa run through the core.
        patchy: whether only patches of a solid core enhance.
        reach: how far oedema reaches beyond the core, mm.
        reach_field: how that varies.
        push: by how much tissue at its edge is pushed away, mm.
    """

    centre: Point
    radii: Point
    rotation: Array
    lumps: tuple[Waves, Waves]
    rim: float
    rim_field: Waves
    patchy: bool
    reach: float
    reach_field: Waves
    push: float

    @property
    def radius(self) -> float:
        """Radius of a sphere of the same volume, mm."""
        return float(np.prod(self.radii) ** (1 / 3))


def draw_glioma(
    grade: str, diameter: tuple[float, float], enhancing: float, rng: np.random.Generator
) -> Glioma:
    """Draw a tumour.

    Args:
        grade: `HGG` or `LGG`.
        diameter: of the core, least and most in mm.
        enhancing: chance that a low-grade one enhances in patches.
        rng: draws.
    """
    high = grade == "HGG"
    radius = float(np.exp(rng.uniform(*np.log(diameter)))) / 2
    stretch = np.exp(rng.normal(0, 0.16, 3))
    radii = radius * stretch / np.prod(stretch) ** (1 / 3)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    patchy = not high and bool(rng.random() < enhancing)
    rim = radius * rng.uniform(0.2, 0.5) if high else 0.0
    return Glioma(
        centre=_draw_centre(rng),
        radii=tuple(radii.tolist()),
        rotation=rotation,
        lumps=(
            Waves.drawn(rng, 1.4 * radius, 2.4 * radius),
            Waves.drawn(rng, 0.5 * radius, radius),
        ),
        rim=float(np.clip(rim, 2.0, 9.0)) if high else 0.0,
        rim_field=Waves.drawn(rng, 0.7 * radius, 1.6 * radius),
        patchy=patchy,
        reach=float(rng.uniform(9, 28) if high else rng.uniform(3, 13)),
        reach_field=Waves.drawn(rng, 25, 70),
        push=radius * rng.uniform(0.1, 0.4) * (1 if high else 0.6),
    )


def _draw_centre(rng: np.random.Generator) -> Point:
    """A place in the white matter of a hemisphere."""
    while True:
        side, y, z = (rng.uniform(*limits) for limits in _ROOM)
        depth = -float(lobes.cerebrum(*(np.float64(value) for value in (side, y, z))))
        if _LEAST_DEPTH <= depth <= _MOST_DEPTH:
            return float(side * rng.choice([-1, 1])), float(y), float(z)


def lump_distance(tumour: Glioma, brain: Brain) -> Array:
    """Signed distance to the tumour's outline, wherever the brain ends: (z, y, x), mm."""
    distance = turned_ellipsoid(*brain.standard, tumour.centre, tumour.radii, tumour.rotation)
    coarse, fine = (lumps.on(*brain.axes) for lumps in tumour.lumps)
    return distance + tumour.radius * (0.13 * coarse + 0.05 * fine)


def grow(tumour: Glioma, brain: Brain) -> Array:
    """Shares of each voxel that belong to the tumour, in the order of `GROWTH`: (4, z, y, x)."""
    edge = edge_of(brain.axes)
    # It stays in its brain, and crosses to the other hemisphere only where the two are one.
    x, y, z = brain.standard
    across = np.minimum(1 - np.sign(tumour.centre[0]) * x, joined(y, z))
    outside = np.maximum(brain.cerebrum + 2.5, across)
    lump = lump_distance(tumour, brain)
    core = np.maximum(lump, outside)
    within = covered(core, edge)
    field = tumour.rim_field.on(*brain.axes)
    enhancing = _enhancing(tumour, core, field, edge)
    white = brain.shares[TISSUES.index("white")] + brain.shares[TISSUES.index("gliosis")]
    deep = brain.shares[TISSUES.index("nuclei")] + brain.shares[TISSUES.index("pallidum")]
    reach = tumour.reach * (0.55 + 0.45 * tumour.reach_field.on(*brain.axes))
    # It always has a seam of oedema, of a millimetre or two.
    swollen = covered(np.maximum(lump - np.maximum(reach, 1.5), outside), edge)
    swollen *= np.maximum(smooth_step(white + 0.6 * deep, 0.2, 0.7), covered(lump - 1.5, edge))
    shares = np.zeros((len(GROWTH), *core.shape), np.float32)
    shares[GROWTH.index("oedema")] = swollen * (1 - within)
    shares[GROWTH.index("enhancing")] = within * enhancing
    rest = "necrosis" if tumour.rim else "solid"
    shares[GROWTH.index(rest)] = within * (1 - enhancing)
    return shares


def _enhancing(tumour: Glioma, core: Array, field: Array, edge: float) -> Array:
    """Which share of each voxel of the core enhances."""
    if tumour.patchy:
        return smooth_step(field, 1.2, 1.5)
    if not tumour.rim:
        return np.zeros_like(core)
    thickness = np.maximum(tumour.rim * (1 + 0.45 * field), 0.8)
    rim = np.clip(0.5 + (core + thickness) / np.float32(edge), 0, 1)
    septa = smooth_step(-np.abs(field + 0.4), -0.22, -0.1) * smooth_step(-core, 0, 2)
    return np.maximum(rim, septa)
