"""Liver lesions of five types, and what can be mistaken for them.

The types are those of the MPCT-FLLs data set (SAM + URIM paper). Each looks as radiology describes
it against the liver in the late arterial and in the portal venous phase. A lesion may be invisible
in one phase, but is visible in at least one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from remodal.phantom.canvas import Box, Canvas
from remodal.phantom.phases import Tissue
from remodal.phantom.shapes import Waves, smooth_step, turned_ellipsoid

Tissues = dict[str, Tissue]
Pair = tuple[np.ndarray, np.ndarray]
Rng = np.random.Generator


@dataclass(frozen=True)
class Lesion:
    """One lesion: where it is and how large.

    Attributes:
        kind: one of the five types (intake.datasets.phantom).
        centre: scanner coordinates x, y, z, mm.
        radii: half axes, mm.
        rotation: 3 x 3, its rows are the axes.
    """

    kind: str
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    rotation: np.ndarray

    @property
    def radius(self) -> float:
        """Mean half axis in mm."""
        return float(np.mean(self.radii))


def draw_diameters(number: tuple[int, int], diameter: tuple[float, float], rng: Rng) -> list[float]:
    """Diameters of a patient's lesions, mm: any between two limits, small ones more often.

    Args:
        number: fewest and most lesions.
        diameter: least and greatest, mm; uniform in the logarithm.
        rng: draws them.
    """
    count = int(rng.integers(number[0], number[1] + 1))
    least, most = np.log(diameter)
    return [float(drawn) for drawn in np.exp(rng.uniform(least, most, count))]


def place_lesions(
    kind: str,
    diameters: list[float],
    distance: np.ndarray,
    axes: tuple[np.ndarray, np.ndarray, np.ndarray],
    z_range: tuple[float, float],
    rng: Rng,
) -> list[Lesion]:
    """Find room in the liver for lesions, largest first.

    A lesion that fits nowhere is made smaller; one that still does not fit without overlapping
    another is left out. The first always finds a place.

    Args:
        kind: type of all the lesions.
        diameters: wanted mean diameters in mm.
        distance: distance to the liver's surface on a grid (z, y, x), negative inside, mm.
        axes: voxel centres of that grid along x, y, z, scanner mm.
        z_range: lowest and highest slice of the annotated series, mm.
        rng: draws place and shape.
    """
    x, y, z = axes
    placed: list[Lesion] = []
    inside = np.argwhere(distance < 0)
    depth = -distance[tuple(inside.T)]
    points = np.stack([x[inside[:, 2]], y[inside[:, 1]], z[inside[:, 0]]], axis=1)
    for diameter in sorted(diameters, reverse=True):
        for shrink in (1.0, 0.8, 0.65, 0.5):
            radius = shrink * diameter / 2
            # Up to about a third of a lesion may bulge out of the liver, where it is cut off.
            fits = depth > 0.45 * radius
            fits &= points[:, 2] > z_range[0] + 0.6 * radius
            fits &= points[:, 2] < z_range[1] - 0.6 * radius
            for other in placed:
                gap = np.linalg.norm(points - other.centre, axis=1)
                fits &= gap > 1.15 * (radius + other.radius) + 3
            where = np.flatnonzero(fits)
            if len(where):
                placed.append(_shaped(kind, points[where[rng.integers(len(where))]], radius, rng))
                break
    if diameters and not placed:
        middle = np.clip(points[:, 2], *z_range) == points[:, 2]
        deepest = np.argmax(np.where(middle, depth, depth - depth.max()))
        placed.append(_shaped(kind, points[deepest], 0.5 * min(diameters), rng))
    return placed


def _shaped(kind: str, centre: np.ndarray, radius: float, rng: Rng) -> Lesion:
    stretch = rng.uniform(0.85, 1.18, 3)
    stretch /= stretch.mean()
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    radii = tuple(float(radius * s) for s in stretch)
    return Lesion(kind, tuple(float(c) for c in centre), radii, axes.T)


# How far a lesion's outline strays from an ellipsoid, as a share of its radius.
_LOBULATION = {"HCC": 0.07, "metastasis": 0.10, "cyst": 0.03, "FNH": 0.08, "haemangioma": 0.09}


def lesion_distance(canvas: Canvas, lesion: Lesion, rng: Rng) -> tuple[Box, np.ndarray]:
    """The box around a lesion, and the distance to its lobulated surface within the box, mm."""
    reach = 1.35 * max(lesion.radii)
    centre = np.asarray(lesion.centre)
    box = canvas.box_mm(centre - reach, centre + reach)
    x, y, z = canvas.x[box[2]], canvas.y[box[1]], canvas.z[box[0]]
    grid = x[None, None, :], y[None, :, None], z[:, None, None]
    distance = turned_ellipsoid(*grid, lesion.centre, lesion.radii, lesion.rotation)
    bumps = canvas.waves(Waves.drawn(rng, 0.9 * lesion.radius, 2 * lesion.radius), box)
    return box, distance + _LOBULATION[lesion.kind] * lesion.radius * bumps


def paint_lesion(
    canvas: Canvas,
    lesion: Lesion,
    tissues: Tissues,
    room: np.ndarray,
    rng: Rng,
    texture: Pair | None = None,
) -> dict[str, float]:
    """Paint one lesion in both phases and add it to the ground truth.

    Args:
        canvas: the patient.
        lesion: where it is, and of which type.
        tissues: HU of the patient's liver and blood.
        room: share of each voxel that is liver (z, y, x): a lesion ends at the liver's surface.
        rng: draws its enhancement.
        texture: what is added to the lesion's HU in each phase, such as a real scan's noise.

    Returns:
        Mean HU of the lesion minus that of the liver, by phase.
    """
    box, distance = lesion_distance(canvas, lesion, rng)
    values = _APPEARANCE[lesion.kind](canvas, box, distance, lesion.radius, tissues, rng)
    share = np.minimum(canvas.coverage(distance), room[box])
    liver = tissues["liver"]
    contrast = {}
    for number, (name, image, value, plain) in enumerate(
        (
            ("arterial", canvas.arterial, values[0], liver.arterial),
            ("venous", canvas.venous, values[1], liver.venous),
        )
    ):
        contrast[name] = round(float(np.average(value, weights=share + 1e-6) - plain), 1)
        if texture is not None:
            value = value + texture[number][box]
        image[box] += share * (value - image[box])
    canvas.tumour[box] = np.maximum(canvas.tumour[box], share)
    return contrast


def _hcc(
    canvas: Canvas, box: Box, distance: np.ndarray, radius: float, tissues: Tissues, rng: Rng
) -> Pair:
    """Hepatocellular carcinoma: a bright mosaic, then washed out, often with a capsule.

    One in eight hardly takes up contrast in the arterial phase; of the others, three in ten do not
    wash out in the venous phase.
    """
    liver = tissues["liver"]
    mosaic = canvas.waves(Waves.drawn(rng, 0.5 * radius + 3, radius + 6), box)
    hypovascular = rng.random() < 0.125
    washes_out = hypovascular or rng.random() < 0.7
    uptake = rng.uniform(-4, 6) if hypovascular else rng.uniform(36, 66)
    # A lesion that takes up no contrast is visible only by its washout.
    strongest = -54 if hypovascular else -46
    washout = rng.uniform(strongest, strongest + 18) if washes_out else rng.uniform(-5, 5)
    arterial = liver.arterial + uptake + 9 * mosaic
    venous = liver.venous + washout + 4 * mosaic
    if radius > 18 and rng.random() < 0.5:
        necrosis = smooth_step(mosaic, 0.9, 1.5)
        arterial = arterial + necrosis * (38 - arterial)
        venous = venous + necrosis * (42 - venous)
    if rng.random() < 0.6:
        width = min(max(1.3, canvas.edge / 2), 0.15 * radius)
        capsule = np.exp(-(((distance + width) / width) ** 2))
        venous = venous + capsule * (liver.venous + rng.uniform(14, 28) - venous)
    return arterial, venous


def _fnh(
    canvas: Canvas, box: Box, distance: np.ndarray, radius: float, tissues: Tissues, rng: Rng
) -> Pair:
    """Focal nodular hyperplasia: bright except for a central scar, then like the liver.

    Two in five stay a little brighter than the liver in the venous phase.
    """
    liver = tissues["liver"]
    spokes = np.abs(canvas.waves(Waves.drawn(rng, 0.9 * radius, 1.6 * radius), box))
    core = smooth_step(-distance / radius, 0.35, 0.85)
    scar = core * smooth_step(-spokes, -0.45, -0.15)
    arterial = liver.arterial + rng.uniform(42, 72) - scar * rng.uniform(35, 60)
    remains = rng.uniform(12, 24) if rng.random() < 0.4 else rng.uniform(-4, 6)
    venous = liver.venous + remains - scar * rng.uniform(-8, 16)
    return arterial, venous


def _metastasis(
    canvas: Canvas, box: Box, distance: np.ndarray, radius: float, tissues: Tissues, rng: Rng
) -> Pair:
    """Hypovascular metastasis: dark in the venous phase, darkest in the middle.

    In the arterial phase, one in three looks like the liver; the others are darker, some with a
    bright rim.
    """
    liver = tissues["liver"]
    middle = smooth_step(-distance / radius, 0.0, 0.8)
    mottle = canvas.waves(Waves.drawn(rng, 0.4 * radius + 3, radius + 6), box)
    venous = liver.venous - rng.uniform(30, 48) - middle * rng.uniform(4, 26) + 4 * mottle
    if rng.random() < 0.33:
        return liver.arterial + rng.uniform(-5, 4) + 3 * mottle, venous
    arterial = liver.arterial - rng.uniform(14, 24) - middle * rng.uniform(2, 12) + 3 * mottle
    if rng.random() < 0.4:
        rim = np.exp(-(((distance + 2) / max(2.0, canvas.edge / 2)) ** 2))
        arterial = arterial + rim * rng.uniform(18, 34)
    return arterial, venous


def _cyst(
    canvas: Canvas, box: Box, distance: np.ndarray, radius: float, tissues: Tissues, rng: Rng
) -> Pair:
    """Simple cyst: water in both phases."""
    water = np.full(distance.shape, rng.uniform(0, 16), np.float32)
    return water, water


def _haemangioma(
    canvas: Canvas, box: Box, distance: np.ndarray, radius: float, tissues: Tissues, rng: Rng
) -> Pair:
    """Haemangioma: nodules at the rim as bright as blood, which then grow towards the middle."""
    liver, blood = tissues["liver"], tissues["aorta"]
    depth = -distance / radius
    nodules = canvas.waves(Waves.drawn(rng, 0.7 * radius, 1.3 * radius), box)
    rim = smooth_step(-depth, -0.42, -0.12) * smooth_step(nodules, 0.1, 0.7)
    plain = min(liver.arterial - rng.uniform(24, 36), 48.0)
    arterial = plain + rim * (0.6 * blood.arterial - plain)
    filled = rng.uniform(0.5, 1.15)
    front = smooth_step(-depth - 0.15 * nodules, -filled, -filled + 0.3)
    bright = max(liver.venous + rng.uniform(26, 42), 0.95 * blood.venous)
    venous = plain + 8 + front * (bright - plain - 8)
    return arterial, venous


_APPEARANCE: dict[str, Callable[..., Pair]] = {
    "HCC": _hcc,
    "metastasis": _metastasis,
    "cyst": _cyst,
    "FNH": _fnh,
    "haemangioma": _haemangioma,
}


def paint_perfusion_differences(
    canvas: Canvas,
    distance: np.ndarray,
    box: Box,
    rng: Rng,
) -> None:
    """Paint what looks like a lesion but is not one.

    A transient hepatic attenuation difference is a wedge at the surface that is brighter in the
    arterial phase only; focal fat is a faint, shapeless dark patch in both phases. Neither is
    annotated.

    Args:
        canvas: the patient.
        distance: distance to the liver's surface in `box`, mm.
        box: the liver's box.
        rng: draws whether there are any, and where.
    """
    x, y, z = canvas.x[box[2]], canvas.y[box[1]], canvas.z[box[0]]
    shell = np.argwhere((distance < -2) & (distance > -2 - 2 * canvas.edge))
    if len(shell) == 0:
        return
    grid = x[None, None, :], y[None, :, None], z[:, None, None]
    for chance, phases, change in ((0.45, (0,), (12, 24)), (0.3, (0, 1), (-22, -12))):
        if rng.random() >= chance:
            continue
        k, j, i = shell[rng.integers(len(shell))]
        inward = np.array([x.mean(), y.mean(), z.mean()]) - (x[i], y[j], z[k])
        inward /= np.linalg.norm(inward)
        offset = [axis - at for axis, at in zip(grid, (x[i], y[j], z[k]))]
        along = sum(o * d for o, d in zip(offset, inward))
        across = np.sqrt(np.maximum(sum(o * o for o in offset) - along * along, 0))
        length, width = rng.uniform(22, 48), rng.uniform(9, 22)
        wobble = 3 * canvas.waves(Waves.drawn(rng, 15, 40), box)
        cone = across - width * (1 - along / length) + wobble
        patch = smooth_step(-np.maximum(cone, distance), -3, 5) * (along < length)
        amount = rng.uniform(*change)
        for number in phases:
            (canvas.arterial, canvas.venous)[number][box] += amount * patch
