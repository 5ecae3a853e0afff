"""The scanner: which slices of a patient are taken, and what they look like."""

from dataclasses import dataclass

import numpy as np

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.datasets.phantom import PhantomOptions
from remodal.phantom.breathing import Displacement, linear_sample
from remodal.phantom.canvas import Canvas

# Finest painted voxel in mm: below the resolution of a soft reconstruction kernel.
_FINEST = 1.4
HU_RANGE = (-1024, 3071)
"""What 12 stored bits hold."""


@dataclass(frozen=True)
class Scan:
    """The grids of one examination: two series of one patient, at slightly different heights."""

    arterial: Geometry
    venous: Geometry


def plan_scan(
    settings: PhantomOptions,
    field_of_view: float,
    middle: tuple[float, float],
    z_range: tuple[float, float],
    rng: np.random.Generator,
) -> Scan:
    """Choose the slices of both series.

    Args:
        settings: matrix, slices and slice spacing.
        field_of_view: in-plane width in mm.
        middle: middle of the field of view, x and y in mm.
        z_range: lowest and highest point of the liver, mm; a series too short for the whole liver
            shows its middle.
        rng: draws the number of slices and the table positions.
    """
    fewest, most = settings.slices
    count = int(rng.integers(fewest, most + 1))
    step = settings.slice_spacing
    bottom, top = z_range
    highest = top + rng.uniform(10, 26)
    if (count - 1) * step < highest - bottom:
        highest = (top + bottom + (count - 1) * step) / 2
    lowest = round(highest - (count - 1) * step, 1)
    venous = axial_grid(settings.matrix, field_of_view, middle, lowest, count, step)
    count = int(np.clip(count + rng.integers(-2, 3), fewest, most))
    lowest = round(lowest + rng.uniform(-0.8, 0.8) * step, 1)
    arterial = axial_grid(settings.matrix, field_of_view, middle, lowest, count, step)
    return Scan(arterial, venous)


def axial_grid(
    matrix: int,
    field_of_view: float,
    middle: tuple[float, float],
    lowest: float,
    count: int,
    step: float,
) -> Geometry:
    """Grid of a series.

    Args:
        matrix: rows and columns.
        field_of_view: in-plane width in mm.
        middle: middle of the field of view, x and y in mm.
        lowest: height of the lowest slice in mm.
        count: slices.
        step: between them in mm.
    """
    # Rounded as a DICOM header writes them, so that header and truth agree exactly.
    pixel = round(field_of_view / matrix, 6)
    corner = [round(centre - pixel * (matrix - 1) / 2, 3) for centre in middle]
    return Geometry((count, matrix, matrix), (pixel, pixel, step), (*corner, lowest))


def axes_of(geometry: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxel centres along x, y, z in mm, for an axial grid."""
    return tuple(
        start + step * np.arange(length)
        for start, step, length in zip(geometry.origin, geometry.spacing, geometry.shape[::-1])
    )


def canvas_axes(scan: Scan, margin: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Axes (x, y, z) of a canvas that holds both series and `margin` mm above and below.

    It is twice as fine as the series, but no finer than the scanner resolves.
    """
    pixel, _, step = scan.venous.spacing
    matrix = scan.venous.shape[2]
    fine = max(pixel / 2, min(_FINEST, pixel * 2))
    count = int(np.ceil(matrix * pixel / fine))
    axes = []
    for start in scan.venous.origin[:2]:
        middle = start + pixel * (matrix - 1) / 2
        axes.append(middle + fine * (np.arange(count) - (count - 1) / 2))
    heights = [axes_of(geometry)[2] for geometry in (scan.arterial, scan.venous)]
    lowest = min(height[0] for height in heights) - margin
    highest = max(height[-1] for height in heights) + margin
    fine = max(step / 2, min(_FINEST, step))
    axes.append(np.arange(lowest, highest + fine, fine))
    return tuple(axes)


def acquire(
    image: np.ndarray,
    canvas: Canvas,
    geometry: Geometry,
    back: Displacement | None = None,
) -> np.ndarray:
    """Image of the painted patient on a series' grid, averaged over each voxel.

    Args:
        image: one of the canvas' arrays (z, y, x).
        canvas: the canvas, which says where the image lies.
        geometry: the series' grid (axial).
        back: where the tissue of each point of the series lies in the patient as painted
            (`Displacement.inverse`); None when nothing moved.

    Returns:
        float32 (z, y, x).
    """
    axes = [
        _subdivided(axis, step, fine)
        for axis, step, fine in zip(
            axes_of(geometry), geometry.spacing, (canvas.x, canvas.y, canvas.z)
        )
    ]
    result = np.empty(geometry.shape, np.float32)
    x, y, _ = (axis.ravel() for axis in axes)
    if back is None:
        across, through = (
            _averaging(axis, fine) for axis, fine in ((axes[0], canvas.x), (axes[1], canvas.y))
        )
        along = _averaging(axes[2], canvas.z)
        for k, weights in enumerate(along):
            used = np.flatnonzero(weights)
            plane = np.tensordot(weights[used], image[used], 1)
            result[k] = through @ plane @ across.T
        return result
    shape = [part for axis in (axes[1], axes[0]) for part in axis.shape]
    for k, heights in enumerate(axes[2]):
        total = 0.0
        for height in heights:
            moved = back.on(x, y, np.array([height]))[:, 0]
            index = [
                (place - axis[0]) / (axis[1] - axis[0])
                for place, axis in (
                    (height + moved[2], canvas.z),
                    (y[:, None] + moved[1], canvas.y),
                    (x[None, :] + moved[0], canvas.x),
                )
            ]
            total = total + linear_sample(image, *index).reshape(shape).mean(axis=(1, 3))
        result[k] = total / len(heights)
    return result


def _subdivided(axis: np.ndarray, step: float, fine: np.ndarray) -> np.ndarray:
    """Sample positions (voxel, sample) in each voxel of an axis, about one per painted voxel."""
    count = max(1, round(step / float(fine[1] - fine[0])))
    return axis[:, None] + step * ((np.arange(count) + 0.5) / count - 0.5)


def _averaging(samples: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Matrix (voxel, painted voxel) of linear interpolation, averaged over a voxel's samples."""
    place = np.clip((samples - fine[0]) / (fine[1] - fine[0]), 0, len(fine) - 1)
    weights = np.maximum(0, 1 - np.abs(place[:, :, None] - np.arange(len(fine))))
    return weights.mean(axis=1).astype(np.float32)


def correlated_noise(geometry: Geometry, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit variance with a CT's correlation.

    Neighbours are correlated in all three directions; in the plane, the correlation turns negative
    farther out, as after filtered back-projection.

    Returns:
        float32 (z, y, x).
    """
    along, through, across = (_noise_kernel(spacing) for spacing in geometry.spacing_zyx)
    along = np.abs(along) / np.linalg.norm(along)
    count, rows, columns = geometry.shape
    padded = rows + len(through) - 1, columns + len(across) - 1
    noise = np.zeros(geometry.shape, np.float32)
    # Work slice by slice, so that the data stay in the processor's cache.
    for k in range(count + len(along) - 1):
        plane = rng.standard_normal(padded, dtype=np.float32)
        plane = sum(weight * plane[j : j + rows] for j, weight in enumerate(through))
        plane = sum(weight * plane[:, i : i + columns] for i, weight in enumerate(across))
        for j, weight in enumerate(along):
            if 0 <= k - j < count:
                noise[k - j] += weight * plane
    return noise


def _noise_kernel(spacing: float) -> np.ndarray:
    width = float(np.clip(0.9 / spacing, 0.55, 1.6))
    reach = int(np.ceil(3 * width))
    place = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (place / width) ** 2) - 0.22 * np.exp(-0.5 * (place / (2 * width)) ** 2)
    return (kernel / np.linalg.norm(kernel)).astype(np.float32)


def noise_profile(geometry: Geometry, middle: tuple[float, float], radius: float) -> np.ndarray:
    """Relative noise in a slice (y, x): most in the body's middle, least at its rim, 1 halfway.

    Args:
        geometry: the series' grid.
        middle: of the body, x and y in mm.
        radius: of the body in mm.
    """
    x, y, _ = axes_of(geometry)
    distance = np.hypot(x[None, :] - middle[0], y[:, None] - middle[1]) / radius
    return (0.72 + 0.42 * np.exp(-1.6 * distance**2)).astype(np.float32)


def scanned(hu: np.ndarray, noise: np.ndarray, geometry: Geometry) -> Volume:
    """The series as stored: HU plus noise, in whole numbers within 12 bits (int16)."""
    return Volume(np.clip(np.rint(hu + noise), *HU_RANGE).astype(np.int16), geometry)
