"""Surface distances of one 120 x 512 x 512 case: remodal beside MedPy and MONAI, in one run.

Run `python benchmarks/surface_distances.py` (about 4 minutes, MedPy's); `--small` for a try.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from remodal.metrics import surface
from remodal.metrics.pair import MaskPair

SPACING = (1.5, 0.7, 0.7)
FULL, SMALL = (120, 512, 512), (40, 160, 160)
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


def ours(prediction: np.ndarray, truth: np.ndarray, metric: str) -> dict[str, float]:
    """One metric in mm, as the evaluate stage computes it."""
    pair = MaskPair(prediction, truth, SPACING)
    return {metric: getattr(surface, metric)(pair.mm_distances)}


def everything(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """All surface metrics, in voxels and in mm."""
    pair = MaskPair(prediction, truth, SPACING)
    units = {"voxel": pair.voxel_distances, "mm": pair.mm_distances}
    return {
        f"{name}_{unit}": getattr(surface, name)(distances)
        for unit, distances in units.items()
        for name in ("assd", "masd", "asd", "hd95", "rmsd")
    }


def medpy(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    from medpy.metric import binary

    return {"assd": binary.assd(prediction, truth, voxelspacing=SPACING)}


def monai(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    import torch
    from monai.metrics import compute_average_surface_distance

    torch.set_num_threads(1)
    masks = [torch.from_numpy(mask)[None, None] for mask in (prediction, truth)]
    found = compute_average_surface_distance(
        *masks, include_background=True, symmetric=True, spacing=SPACING
    )
    return {"assd": float(found)}


def timed(
    function: Callable[..., dict[str, float]], *arguments, runs: int
) -> tuple[float, dict[str, float]]:
    """Fastest of several runs, and the result."""
    seconds = []
    for _ in range(runs):
        start = perf_counter()
        result = function(*arguments)
        seconds.append(perf_counter() - start)
    return min(seconds), result


def run(shape: tuple[int, int, int]) -> dict:
    """Time everybody on the same masks, and check that the values agree."""
    prediction, truth = masks(shape)
    monai(*masks((8, 32, 32)))  # its first call imports and builds
    medpy(*masks((8, 32, 32)))
    our_seconds, value = timed(ours, prediction, truth, "assd", runs=5)
    all_seconds, values = timed(everything, prediction, truth, runs=5)
    result = {
        "shape": shape,
        "spacing": SPACING,
        "voxels": {"prediction": int(prediction.sum()), "truth": int(truth.sum())},
        "remodal ASSD": {"seconds": our_seconds, "value": value["assd"]},
        "remodal, ten metrics": {"seconds": all_seconds, "values": values},
    }
    for name, peer, runs in (("MONAI", monai, 3), ("MedPy", medpy, 1)):
        seconds, of_peer = timed(peer, prediction, truth, runs=runs)
        apart = abs(of_peer["assd"] - value["assd"])
        if apart > TOLERANCE:
            raise SystemExit(f"{name} gives {of_peer['assd']}, remodal {value['assd']}")
        result[name] = {
            "seconds": seconds,
            "value": of_peer["assd"],
            "difference": apart,
            "times as long as remodal's ASSD": seconds / our_seconds,
            "times as long as remodal's ten metrics": seconds / all_seconds,
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a small case, seconds")
    parser.add_argument("--output", type=Path, help="also write the figures to this JSON file")
    arguments = parser.parse_args()
    text = json.dumps(run(SMALL if arguments.small else FULL), indent=2)
    print(text)
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
