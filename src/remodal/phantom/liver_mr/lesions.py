"""Liver lesions of the five types in portal venous T1 and in T2."""

from collections.abc import Callable

import numpy as np

from remodal.phantom.canvas import Box, Canvas
from remodal.phantom.lesions import Lesion, lesion_distance
from remodal.phantom.phases import Tissue
from remodal.phantom.shapes import Array, Waves, smooth_step

Rng = np.random.Generator
Pair = tuple[Array, Array]


def paint_lesion(
    canvas: Canvas, lesion: Lesion, tissues: dict[str, Tissue], room: Array, rng: Rng
) -> dict[str, float]:
    """Paint one lesion in T1 and T2 and add it to the ground truth.

    Args:
        canvas: the patient.
        lesion: where it is, and of which type.
        tissues: brightness of the patient's tissues.
        room: share of each voxel that is liver (z, y, x): a lesion ends at the liver's surface.
        rng: draws its appearance.

    Returns:
        Its mean brightness, relative to the liver's, by modality.
    """
    box, distance = lesion_distance(canvas, lesion, rng)
    values = _APPEARANCE[lesion.kind](canvas, box, distance, lesion.radius, rng)
    share = np.minimum(canvas.coverage(distance), room[box])
    liver = tissues["liver"]
    contrast = {}
    for name, image, value, plain in (
        ("t1", canvas.venous, values[0], liver.venous),
        ("t2", canvas.arterial, values[1], liver.arterial),
    ):
        contrast[name] = round(float(np.average(value, weights=share + 1e-6)), 2)
        image[box] += share * (plain * value - image[box])
    canvas.tumour[box] = np.maximum(canvas.tumour[box], share)
    return contrast


def _hcc(canvas: Canvas, box: Box, distance: Array, radius: float, rng: Rng) -> Pair:
    """Hepatocellular carcinoma: washed out in T1, often with a capsule; moderately bright in T2."""
    mosaic = canvas.waves(Waves.drawn(rng, 0.5 * radius + 3, radius + 6), box)
    t1 = rng.uniform(0.66, 0.86) + 0.05 * mosaic
    t2 = rng.uniform(1.3, 1.75) + 0.12 * mosaic
    if rng.random() < 0.6:
        capsule = np.exp(-(((distance + 1) / max(1.5, canvas.edge / 2)) ** 2))
        t1 = t1 + capsule * rng.uniform(0.3, 0.5)
    return t1, t2


def _fnh(canvas: Canvas, box: Box, distance: Array, radius: float, rng: Rng) -> Pair:
    """Focal nodular hyperplasia: like the liver, but for its scar, which is bright in T2."""
    spokes = np.abs(canvas.waves(Waves.drawn(rng, 0.9 * radius, 1.6 * radius), box))
    core = smooth_step(-distance / radius, 0.35, 0.85)
    scar = core * smooth_step(-spokes, -0.45, -0.15)
    t1 = rng.uniform(1.05, 1.2) - scar * rng.uniform(0.15, 0.35)
    return t1, rng.uniform(1.1, 1.35) + scar * rng.uniform(0.4, 1.0)


def _metastasis(canvas: Canvas, box: Box, distance: Array, radius: float, rng: Rng) -> Pair:
    """Hypovascular metastasis: dark in T1, bright in T2, both most in the middle."""
    middle = smooth_step(-distance / radius, 0.0, 0.8)
    mottle = canvas.waves(Waves.drawn(rng, 0.4 * radius + 3, radius + 6), box)
    t1 = rng.uniform(0.58, 0.74) - middle * rng.uniform(0.05, 0.25) + 0.04 * mottle
    t2 = rng.uniform(1.4, 1.9) + middle * rng.uniform(0.1, 0.9) + 0.1 * mottle
    return t1, t2


def _cyst(canvas: Canvas, box: Box, distance: Array, radius: float, rng: Rng) -> Pair:
    """Simple cyst: water, black in T1 and white in T2."""
    plain = np.ones(distance.shape, np.float32)
    return rng.uniform(0.18, 0.3) * plain, rng.uniform(4.2, 5.6) * plain


def _haemangioma(canvas: Canvas, box: Box, distance: Array, radius: float, rng: Rng) -> Pair:
    """Haemangioma: filled in from the rim in T1, evenly very bright in T2."""
    nodules = canvas.waves(Waves.drawn(rng, 0.7 * radius, 1.3 * radius), box)
    depth = -distance / radius
    filled = rng.uniform(0.4, 1.1)
    front = smooth_step(-depth - 0.15 * nodules, -filled, -filled + 0.3)
    t1 = 0.55 + front * (rng.uniform(1.25, 1.5) - 0.55)
    return t1, rng.uniform(2.7, 3.8) + 0.08 * nodules


_APPEARANCE: dict[str, Callable[..., Pair]] = {
    "HCC": _hcc,
    "metastasis": _metastasis,
    "cyst": _cyst,
    "FNH": _fnh,
    "haemangioma": _haemangioma,
}
