"""The outer surfaces of cerebrum, cerebellum and brain stem, as signed distances.

They are functions of standard coordinates x, y, z (arrays in mm); negative inside.
"""

import numpy as np

from remodal.phantom.shapes import Array, capsule, ellipsoid, smooth_min, smooth_step

_HALF_WIDTH, _HALF_LENGTH, _ABOVE = 67.0, 86.0, 76.0
_BELOW_FRONT, _BELOW_BACK = 32.0, 22.0
#: Between the lobes, the skull-stripped image keeps what is narrower than this, mm.
_FILLED = 16.0


def cerebrum(x: Array, y: Array, z: Array) -> Array:
    """Both hemispheres without the fissure between them: an egg, flat below, and temporal lobes."""
    width = _HALF_WIDTH * (1 - 0.16 * smooth_step(-y, -20, 90))
    below = _BELOW_FRONT + (_BELOW_BACK - _BELOW_FRONT) * smooth_step(y, -20, 30)
    height = np.where(z > 0, np.float32(_ABOVE), below)
    gauge = (np.abs(x / width) ** 2.3 + np.abs(y / _HALF_LENGTH) ** 2.2 + (z / height) ** 2) ** 0.46
    gauge = np.maximum(gauge, 1e-3)
    egg = np.sqrt(x * x + y * y + z * z) * (1 - 1 / gauge)
    lobe = ellipsoid(np.abs(x), y, z, (45, -4, -21), (20, 40, 21))
    return smooth_min(egg, lobe, 6.0)


def cerebellum(x: Array, y: Array, z: Array) -> Array:
    """Two hemispheres and the vermis between them."""
    halves = ellipsoid(np.abs(x), y, z, (23, 46, -37), (31, 27, 21))
    vermis = ellipsoid(x, y, z, (0, 44, -31), (13, 22, 19))
    return smooth_min(halves, vermis, 4.0)


def brain_stem(x: Array, y: Array, z: Array) -> Array:
    """Midbrain, pons and medulla."""
    tube = capsule(x, y, z, (0, 5, -8), (0, 24, -66), 12.0, 7.5)
    pons = ellipsoid(x, y, z, (0, 7, -34), (17, 12, 14))
    return smooth_min(tube, pons, 5.0)


def whole_brain(cerebrum: Array, cerebellum: Array, stem: Array) -> Array:
    """What skull-stripping leaves: the lobes and the fluid in the clefts between them."""
    return smooth_min(smooth_min(cerebrum, cerebellum, _FILLED), stem, _FILLED) - 1.0
