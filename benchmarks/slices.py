"""2.5-D patches on one core, beside a plain MONAI data loader.

A patch is a slice of 320 x 320 of two phases, each with its two neighbours, and the label of the
slice in the middle. Both apply the same changes to every patch, alike for the phases, the three
slices and the label: a shift of up to 10 %, a rotation of up to 15 degrees and a zoom of 0.9 to
1.1; images are interpolated linearly, labels by the nearest voxel, and zero comes from outside.
Both read the float16 files that preprocessing writes and end with batches of eight, ready for the
network. The peer is what one writes with MONAI: a data set that cuts the three slices out of the
mapped file, `RandAffined` with six channels, and torch's DataLoader without workers. Bar: at least
3 times its slices per second, each making ten batches in a row. What limits ours: a quarter of the
time is one bilinear sampling of six slices by torch, the same in both; the rest is small passes.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from monai.transforms import RandAffined
from patches import MODALITIES, TRUTH
from torch.utils.data import DataLoader, Dataset

from remodal.settings import AugmentationSettings
from remodal.settings.sampling import PatchSettings
from remodal.training.cases import Stored, WantedLabels, load_cases
from remodal.training.patches import TRAINING, PatchSampler, Pool

RECIPE = AugmentationSettings(
    in_slice=True,
    rotation_degrees=15,
    rotation_probability=1,
    scale=(0.9, 1.1),
    scale_probability=1,
    translation=0.1,
    translation_probability=1,
    elastic_probability=0,
    mirror_probability=0,
    gamma_probability=0,
)
SLICES, BATCH = 60, 8


def write_case(folder: Path, edge: int) -> Stored:
    """Write two smooth random phases with a ball as foreground, as preprocessing stores them."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.standard_normal((1, 2, 12, 24, 24)).astype(np.float32))
    image = torch.nn.functional.interpolate(coarse, (SLICES, edge, edge), mode="trilinear")[0]
    image += 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    z, y, x = np.ogrid[:SLICES, :edge, :edge]
    middle = edge // 2
    ball = (z - SLICES // 2) ** 2 + (y - middle) ** 2 + (x - middle) ** 2 < (SLICES // 3) ** 2
    np.save(folder / "case.npy", image.numpy().astype(np.float16))
    np.save(folder / f"case.label-{TRUTH}.npy", ball.astype(np.uint8))
    return Stored(MODALITIES, [TRUTH], {(TRUTH, 1): np.argwhere(ball)})


def our_batches(folder: Path, stored: Stored, edge: int) -> Callable[[], object]:
    device = torch.device("cpu")
    cases = load_cases(folder, {"case": stored}, MODALITIES, WantedLabels([TRUTH]), "disk", device)
    sampler = PatchSampler(
        [Pool(cases, samples=BATCH)],
        MODALITIES,
        [TRUTH],
        patch=PatchSettings.model_validate((1, edge, edge)),
        foreground=0.5,
        device=device,
        purpose=TRAINING,
        seed=0,
        context=(1, 0, 0),
        augmentation=RECIPE,
    )
    numbers = iter(range(10**9))
    return lambda: sampler.batch(0, next(numbers))


class Slices(Dataset):
    """Each slice of a case with its neighbours; zero beyond the first and the last."""

    def __init__(self, folder: Path) -> None:
        self.image = np.load(folder / "case.npy", mmap_mode="r")
        self.label = np.load(folder / f"case.label-{TRUTH}.npy", mmap_mode="r")
        limit = math.radians(RECIPE.rotation_degrees)
        shift = RECIPE.translation * self.image.shape[-1]
        self.change = RandAffined(
            ["image", "label"],
            prob=1,
            rotate_range=limit,
            translate_range=(shift, shift),
            scale_range=((RECIPE.scale[0] - 1, RECIPE.scale[1] - 1),) * 2,
            mode=["bilinear", "nearest"],
            padding_mode="zeros",
        )

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, z: int) -> dict[str, torch.Tensor]:
        image = np.zeros((2, 3, *self.label.shape[1:]), np.float32)
        first, last = max(z - 1, 0), min(z + 2, len(self))
        image[:, first - z + 1 : last - z + 1] = self.image[:, first:last]
        slices = torch.from_numpy(image).flatten(0, 1)
        label = torch.from_numpy(self.label[z].astype(np.int64))[None]
        return self.change({"image": slices, "label": label})


def peer_batches(folder: Path) -> Callable[[], object]:
    torch.manual_seed(0)
    loader = DataLoader(Slices(folder), BATCH, shuffle=True, drop_last=True)

    def endless() -> Iterator[object]:
        while True:
            yield from loader

    batches = endless()
    return lambda: next(batches)


def seconds(make: Callable[[], object], batches: int = 10) -> float:
    """CPU seconds of a slice, so that other work on the machine counts little."""
    start = time.process_time()
    for _ in range(batches):
        make()
    return (time.process_time() - start) / (batches * BATCH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=20, help="turns of each, alternating")
    parser.add_argument("--edge", type=int, default=320, help="edge of a slice in voxels")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored = write_case(folder, arguments.edge)
        makers = {
            "remodal": our_batches(folder, stored, arguments.edge),
            "MONAI": peer_batches(folder),
        }
        taken: dict[str, list[float]] = {system: [] for system in makers}
        for _ in range(arguments.turns):
            for system, make in makers.items():
                taken[system].append(seconds(make))
    print("| system | CPU ms per slice, median (fastest turn) | slices per second |")
    print("| --- | ---: | ---: |")
    for system, turns in taken.items():
        median = statistics.median(turns)
        fastest = 1000 * min(turns)
        print(f"| {system} | {1000 * median:.1f} ({fastest:.1f}) | {1 / median:.0f} |")
    ratio = statistics.median(taken["MONAI"]) / statistics.median(taken["remodal"])
    fastest = min(taken["MONAI"]) / min(taken["remodal"])
    print(
        f"\n{ratio:.1f} times the peer's slices per second, of the fastest turns {fastest:.1f} "
        "times (bar: at least 3)."
    )


if __name__ == "__main__":
    main()
