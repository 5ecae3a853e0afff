"""Patches a second on one core: our sampler and augmentation beside batchgeneratorsv2's transforms.

Both apply the legacy nnU-Net recipe (rotation, zoom, elastic deformation, gamma, mirroring with the
same probabilities and strengths) to 128^3 patches of two modalities with a label, image linear and
label nearest. Ours starts from float16 files and ends with a batch ready for the network; the peer
starts from a float32 region that already lies in memory. Run: python benchmarks/patches.py
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform

from remodal.config import AugmentationSettings
from remodal.records import Record
from remodal.training.augmentation import around_one
from remodal.training.cases import load_cases
from remodal.training.patches import TRAINING, PatchSampler

RECIPE = AugmentationSettings()


def write_case(folder: Path, edge: int) -> Record:
    """A smooth random case with a ball as foreground, as preprocessing stores it."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.standard_normal((1, 2, 24, 24, 24)).astype(np.float32))
    image = torch.nn.functional.interpolate(coarse, (edge,) * 3, mode="trilinear")[0]
    image += 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    z, y, x = np.ogrid[:edge, :edge, :edge]
    ball = (z - edge // 2) ** 2 + (y - edge // 2) ** 2 + (x - edge // 2) ** 2 < (edge // 5) ** 2
    np.save(folder / "case.npy", image.numpy().astype(np.float16))
    np.save(folder / "case.label.npy", ball.astype(np.uint8))
    voxels = np.argwhere(ball)[:: max(1, int(ball.sum()) // 10_000)]
    return Record(case="case", stage="preprocess", details={"foreground": {"1": voxels.tolist()}})


def our_patch(folder: Path, edge: int, patch: int) -> Callable[[int], object]:
    record = write_case(folder, edge)
    cases = load_cases(folder, {"case": record}, [0, 1], "disk", torch.device("cpu"))
    sampler = PatchSampler(
        cases,
        ["arterial", "venous"],
        patch=(patch,) * 3,
        batch=2,
        foreground=0.33,
        device=torch.device("cpu"),
        purpose=TRAINING,
        seed=0,
        augmentation=RECIPE,
    )
    return lambda number: sampler.batch(0, number // 2, [number % 2])


def peer_patch(folder: Path, edge: int, patch: int) -> Callable[[int], object]:
    """batchgeneratorsv2 with the same recipe, on a region already in memory.

    Its elastic strength is the largest displacement: four of our standard deviations.
    """
    rng = np.random.default_rng(0)
    source = math.ceil(patch * 1.5)
    image = torch.from_numpy(np.load(folder / "case.npy")[:, :source, :source, :source]).float()
    label = torch.from_numpy(np.load(folder / "case.label.npy")[:source, :source, :source])[None]
    limit = math.radians(RECIPE.rotation_degrees)

    def strongest(*_, deformation_scale: float, **__) -> float:
        sigma = deformation_scale * patch
        alpha = rng.uniform(*RECIPE.elastic_alpha)
        return 4 * alpha / math.sqrt(3) / (2 * math.sqrt(math.pi) * sigma) ** 1.5

    spatial = SpatialTransform(
        (patch,) * 3,
        0,
        random_crop=False,
        p_elastic_deform=RECIPE.elastic_probability,
        elastic_deform_scale=tuple(sigma / patch for sigma in RECIPE.elastic_sigma),
        elastic_deform_magnitude=strongest,
        p_synchronize_def_scale_across_axes=1,
        p_rotation=RECIPE.rotation_probability,
        rotation=(-limit, limit),
        p_scaling=RECIPE.scale_probability,
        scaling=lambda *_, **__: around_one(rng, RECIPE.scale),
        p_synchronize_scaling_across_axes=1,
        mode_seg="nearest",
    )
    gamma = GammaTransform(lambda *_, **__: around_one(rng, RECIPE.gamma), 0, False, 1, 1)
    transforms = ComposeTransforms(
        [spatial, RandomTransform(gamma, RECIPE.gamma_probability), MirrorTransform((0, 1, 2))]
    )
    np.random.seed(0)
    torch.manual_seed(0)
    return lambda _: transforms(image=image.clone(), segmentation=label)


def seconds(make: Callable[[int], object], patches: int) -> list[float]:
    taken = []
    for number in range(-2, patches):
        start = time.perf_counter()
        make(abs(number))
        taken.append(time.perf_counter() - start)
    return taken[2:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=200, help="patches made by each")
    parser.add_argument("--patch", type=int, default=128, help="edge of a patch in voxels")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each, alternating")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder, edge = Path(name), 2 * arguments.patch
        makers = {
            "remodal": our_patch(folder, edge, arguments.patch),
            "batchgeneratorsv2": peer_patch(folder, edge, arguments.patch),
        }
        taken = {system: [] for system in makers}
        for _ in range(arguments.rounds):
            for system, make in makers.items():
                taken[system].append(statistics.mean(seconds(make, arguments.patches)))
    mean = {system: min(rounds) for system, rounds in taken.items()}
    print("| system | s per patch | patches per second |\n| --- | ---: | ---: |")
    for system, value in mean.items():
        print(f"| {system} | {value:.3f} | {1 / value:.1f} |")
    print(f"\nratio {mean['batchgeneratorsv2'] / mean['remodal']:.1f} (bar: at least 3)")


if __name__ == "__main__":
    main()
