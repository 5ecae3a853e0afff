"""What lies deep in the brain: ventricles, nuclei, choroid plexus and the large vessels.

They are signed distances in standard coordinates (arrays in mm), negative inside; `side` is |x|, so
that the left is the mirror image of the right.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from remodal.phantom.shapes import Array, Point, capsule, ellipsoid, smooth_min

Tube = Sequence[tuple[Point, float]]

_BODY: Tube = (
    ((7, -44, 4), 3.0),
    ((8, -32, 12), 4.6),
    ((9, -12, 21), 4.6),
    ((14, 6, 21), 5.0),
    ((24, 25, 12), 7.0),
    ((23, 50, 5), 2.6),
)
_TEMPORAL_HORN: Tube = (((25, 24, 8), 5.0), ((33, 8, -10), 2.4), ((32, -9, -19), 2.2))
_PLEXUS: Tube = (((11, 0, 20), 1.0), ((23, 23, 12), 2.6), ((26, 20, 4), 1.6))
_CAUDATE: Tube = (((12, -33, 6), 6.5), ((13, -22, 14), 5.0), ((18, 4, 20), 2.5))
#: Middle cerebral, anterior cerebral and basilar arteries, and the internal cerebral veins.
_ARTERIES: Sequence[Tube] = (
    (((6, -16, -14), 1.9), ((28, -22, -11), 1.7), ((40, -14, -3), 1.5), ((48, 6, 9), 1.1)),
    (((3, -20, -12), 1.5), ((1, -48, 2), 1.3), ((1, -46, 24), 1.1), ((1, -10, 32), 0.9)),
    (((0, -6, -24), 1.8), ((0, -4, -44), 1.7)),
    (((3, -6, 12), 1.1), ((1, 22, 10), 1.8), ((0, 34, 16), 2.2)),
)


def tube(x: Array, y: Array, z: Array, course: Tube) -> Array:
    """A bent tube, its radii in mm beside the places it runs through."""
    parts = [
        capsule(x, y, z, start, end, first, last)
        for (start, first), (end, last) in pairwise(course)
    ]
    return np.minimum.reduce(parts)


def ventricles(side: Array, y: Array, z: Array, size: float) -> Array:
    """Lateral, third and fourth ventricles; `size` is their width, 1 in a middle-aged patient."""
    lateral = smooth_min(tube(side, y, z, _BODY), tube(side, y, z, _TEMPORAL_HORN), 2.0)
    wider = 3.0 * (size - 1)
    third = ellipsoid(side, y, z, (0, -4, 0), (2.2 * size, 12, 9))
    fourth = ellipsoid(side, y, z, (0, 27, -33), (5, 4.5 * size**0.5, 8))
    # The septum keeps the lateral ventricles apart.
    return np.minimum.reduce([np.maximum(lateral - wider, 0.8 - side), third, fourth])


def plexus(side: Array, y: Array, z: Array) -> Array:
    """Choroid plexus in the lateral ventricles."""
    return tube(side, y, z, _PLEXUS)


def nuclei(side: Array, y: Array, z: Array) -> Array:
    """Caudate nucleus, putamen and thalamus."""
    putamen = ellipsoid(side, y, z, (26.5, -18, 2), (5.5, 15, 9.5))
    thalamus = ellipsoid(side, y, z, (11, 2, 8), (9, 14, 8.5))
    return np.minimum.reduce([tube(side, y, z, _CAUDATE), putamen, thalamus])


def pallidum(side: Array, y: Array, z: Array) -> Array:
    """Globus pallidus, dark in T2 by its iron."""
    return ellipsoid(side, y, z, (19.5, -12, -1), (4.2, 8, 6))


def vessels(side: Array, y: Array, z: Array) -> Array:
    """The large arteries and veins."""
    return np.minimum.reduce([tube(side, y, z, course) for course in _ARTERIES])
