"""Surface distances of one 120 x 512 x 512 case, beside MedPy and MONAI.

A tumour of 64 mm and two small ones; the prediction is a little off, misses one and invents
another. Everybody gets the same boolean masks, 1.5 x 0.7 x 0.7 mm voxels and one thread, and is
asked for the mean symmetric surface distance (ASSD) in mm; remodal also for all ten metrics that it
has, in voxels and in mm. The values must agree to 1e-6. Fastest of several runs (MedPy: one).

Bars: at least 100 times MedPy's speed and 5 times MONAI's.
"""

import argparse
import warnings
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from medpy.metric import binary
from monai.metrics import compute_average_surface_distance

from remodal.metrics import surface
from remodal.metrics.pair import MaskPair

SPACING = (1.5, 0.7, 0.7)
FULL, SMALL, TINY = (120, 512, 512), (40, 160, 160), (12, 48, 48)
TOLERANCE = 1e-6


def lesion(
    shape: tuple[int, int, int], centre: tuple[float, float, float], radius: float, seed: int
) -> np.ndarray:
    """A lobulated lesion: a ball of `radius` mm, its surface moved by smooth waves.

    `centre` is a fraction of the field of view in z, y, x.
    """
    rng = np.random.default_rng(seed)
    axes = [
        (np.arange(size) - place * size) * step for size, place, step in zip(shape, centre, SPACING)
    ]
    mask = np.zeros(shape, dtype=bool)
    box = tuple(
        slice(np.searchsorted(axis, -1.5 * radius), np.searchsorted(axis, 1.5 * radius))
        for axis in axes
    )
    offsets = np.meshgrid(*(axis[part] for axis, part in zip(axes, box)), indexing="ij")
    distance = np.sqrt(sum(offset**2 for offset in offsets))
    waves = sum(
        np.sin(sum(k * offset for k, offset in zip(rng.normal(size=3) * 3 / radius, offsets)))
        for _ in range(4)
    )
    mask[box] = distance < radius * (1 + 0.06 * waves)
    return mask


def masks(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Truth with three lesions; a prediction that is a little off, misses one and invents one."""
    scale = shape[1] / 512
    truth = (
        lesion(shape, (0.50, 0.43, 0.39), 32 * scale, 1)
        | lesion(shape, (0.35, 0.60, 0.30), 14 * scale, 2)
        | lesion(shape, (0.65, 0.35, 0.52), 7 * scale, 3)
    )
    prediction = (
        lesion(shape, (0.50, 0.433, 0.393), 31 * scale, 4)
        | lesion(shape, (0.35, 0.602, 0.30), 13 * scale, 5)
        | lesion(shape, (0.72, 0.64, 0.62), 5 * scale, 6)
    )
    return prediction, truth


def ours(prediction: np.ndarray, truth: np.ndarray) -> float:
    """ASSD in mm, as the evaluate stage computes it."""
    return surface.assd(MaskPair(prediction, truth, SPACING).mm_distances)


def ours_all(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Compute all ten surface metrics; return the ASSD in mm."""
    pair = MaskPair(prediction, truth, SPACING)
    metrics = (surface.masd, surface.asd, surface.hd95, surface.rmsd, surface.assd)
    return [
        metric(found) for found in (pair.voxel_distances, pair.mm_distances) for metric in metrics
    ][-1]


def medpy(prediction: np.ndarray, truth: np.ndarray) -> float:
    return binary.assd(prediction, truth, voxelspacing=SPACING)


def monai(prediction: np.ndarray, truth: np.ndarray) -> float:
    masks = [torch.from_numpy(mask)[None, None] for mask in (prediction, truth)]
    found = compute_average_surface_distance(
        *masks, include_background=True, symmetric=True, spacing=SPACING
    )
    return float(found)


def timed(
    function: Callable[[np.ndarray, np.ndarray], float],
    prediction: np.ndarray,
    truth: np.ndarray,
    runs: int,
) -> tuple[float, float]:
    """Seconds of the fastest run, and the value."""
    seconds = []
    for _ in range(runs):
        start = perf_counter()
        value = function(prediction, truth)
        seconds.append(perf_counter() - start)
    return min(seconds), value


def main() -> None:
    """Time all programs on the same masks, check the values, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="40 x 160 x 160, for a try")
    prediction, truth = masks(SMALL if parser.parse_args().small else FULL)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # MONAI's, of its own deprecations
    monai(*masks(TINY))  # the first call imports more

    rows = [
        (name, *timed(function, prediction, truth, runs))
        for name, function, runs in (
            ("remodal, ASSD", ours, 5),
            ("remodal, all ten metrics", ours_all, 5),
            ("MONAI, ASSD", monai, 3),
            ("MedPy, ASSD", medpy, 1),
        )
    ]
    (_, assd_seconds, value), (_, all_seconds, _) = rows[:2]
    print("| | seconds | ASSD [mm] | times remodal's ASSD | times remodal's ten |")
    print("| --- | --- | --- | --- | --- |")
    for name, seconds, found in rows:
        if abs(found - value) > TOLERANCE:
            raise SystemExit(f"{name}: {found}, but remodal {value}")
        print(
            f"| {name} | {seconds:.3f} | {found:.7f} "
            f"| {seconds / assd_seconds:.1f} | {seconds / all_seconds:.1f} |"
        )


if __name__ == "__main__":
    main()
