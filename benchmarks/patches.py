"""Random patches on one core, beside batchgeneratorsv2.

Both apply the legacy nnU-Net recipe (rotation, zoom, elastic deformation, gamma and mirroring with
the same probabilities and strengths) to 128^3 patches of two modalities with a label; images are
interpolated linearly, labels by the nearest voxel. Ours starts from the float16 files that
preprocessing writes and ends with a batch ready for the network; the peer's time is that of its
transforms alone, on a float32 region that already lies in memory. Bar: at least 3 times the peer's
patches per second. Half of the patches are deformed (1 - 0.8^3): they are read by one trilinear
sampling of all modalities, which is what limits ours.
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

from remodal.settings import AugmentationSettings
from remodal.settings.sampling import PatchSettings
from remodal.training.augmentation import around_one
from remodal.training.cases import Stored, WantedLabels, load_cases
from remodal.training.patches import TRAINING, PatchSampler, Pool

RECIPE = AugmentationSettings()
MODALITIES = ["arterial", "venous"]
TRUTH = "venous"


def write_case(folder: Path, edge: int) -> Stored:
    """Write a smooth random case with a ball as foreground, as preprocessing stores it."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.standard_normal((1, 2, 24, 24, 24)).astype(np.float32))
    image = torch.nn.functional.interpolate(coarse, (edge,) * 3, mode="trilinear")[0]
    image += 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    z, y, x = np.ogrid[:edge, :edge, :edge]
    ball = (z - edge // 2) ** 2 + (y - edge // 2) ** 2 + (x - edge // 2) ** 2 < (edge // 5) ** 2
    np.save(folder / "case.npy", image.numpy().astype(np.float16))
    np.save(folder / f"case.label-{TRUTH}.npy", ball.astype(np.uint8))
    voxels = np.argwhere(ball)[:: max(1, int(ball.sum()) // 10_000)]
    return Stored(MODALITIES, [TRUTH], {(TRUTH, 1): voxels})


def our_patch(folder: Path, edge: int, patch: int) -> Callable[[int], object]:
    stored, device = write_case(folder, edge), torch.device("cpu")
    cases = load_cases(folder, {"case": stored}, MODALITIES, WantedLabels([TRUTH]), "disk", device)
    sampler = PatchSampler(
        [Pool(cases, samples=2)],
        MODALITIES,
        [TRUTH],
        patch=PatchSettings.model_validate((patch,) * 3),
        foreground=0.33,
        device=device,
        purpose=TRAINING,
        seed=0,
        augmentation=RECIPE,
    )
    return lambda number: sampler.batch(0, number // 2, [number % 2])


def peer_patch(folder: Path, edge: int, patch: int) -> Callable[[int], object]:
    """Patches of batchgeneratorsv2, whose elastic strength is the largest displacement.

    That is about four of our standard deviations.
    """
    rng = np.random.default_rng(0)
    source = math.ceil(patch * 1.5)
    image = torch.from_numpy(np.load(folder / "case.npy")[:, :source, :source, :source]).float()
    mask = np.load(folder / f"case.label-{TRUTH}.npy")
    label = torch.from_numpy(mask[:source, :source, :source])[None]
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
    # Gamma may change the region in place: that spares the peer a copy, and its time is the same.
    return lambda _: transforms(image=image, segmentation=label)


def seconds(make: Callable[[int], object], patches: int) -> list[float]:
    """CPU seconds of each patch, so that other work on the machine counts little."""
    taken = []
    for number in range(-2, patches):
        start = time.process_time()
        make(abs(number))
        taken.append(time.process_time() - start)
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
    mean = {system: statistics.mean(rounds) for system, rounds in taken.items()}
    print("| system | CPU s per patch | patches per second |\n| --- | ---: | ---: |")
    for system, value in mean.items():
        print(f"| {system} | {value:.3f} | {1 / value:.1f} |")
    ratio = mean["batchgeneratorsv2"] / mean["remodal"]
    print(f"\n{ratio:.1f} times the peer's patches per second (bar: at least 3).")


if __name__ == "__main__":
    main()
