"""Level sets of labelled patches, beside the reference's way with SciPy and scikit-image.

The repositories of DTC and SASSNet compute two distance transforms and a boundary of every labelled
patch in every iteration, on the CPU. The patches here hold a bent organ of a pancreas's size, whole
or cut by the border. Values must be equal to the bit, also those of the tensor operations that an
accelerator runs. One thread, the fastest of several runs, CPU time. A step is one iteration of
DTC's training on a CPU, with 2 of 4 patches labelled; its network is 16 channels wide (96^3) or 8.
All but the level sets is measured once, so that the gain is not lost in its noise.
The shorter the step, as on a GPU, the more of it is the reference's; there it also waits for the
label to come to the CPU and for the level set to go back.

Bar: at least 4 times the reference's speed at 96^3.
"""

import argparse
from collections.abc import Callable
from functools import partial
from time import process_time
from unittest.mock import patch

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import find_boundaries
from torch import Tensor

from remodal.methods import build_method, dtc
from remodal.objectives.batch import UNLABELLED, Batch, Step
from remodal.objectives.distance_transform import by_lines
from remodal.objectives.level_set import level_sets
from remodal.settings import NetworkSettings, RecipeSettings
from remodal.training.minimising import make_minimisers

#: Name, patch, and width of the network.
SIZES = {"paper": ((96, 96, 96), 16), "small": ((32, 48, 48), 8)}
SGD = RecipeSettings(optimiser="sgd", learning_rate=0.01, momentum=0.9)


def organ(shape: tuple[int, int, int], middle: tuple[float, float, float]) -> Tensor:
    """A bent tube, 14 to 20 voxels thick and some 100 long at 96^3.

    `middle` is its place as a fraction of the patch in z, y, x.
    """
    scale = shape[-1] / 96
    axes = [torch.arange(n) - n * place for n, place in zip(shape, middle)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    along = x / (50 * scale)
    thickness = scale * (9 + 2 * torch.sin(5 * along)) * (1 - along**2).clamp(min=0).sqrt()
    bent_y, bent_z = y - 14 * scale * torch.cos(2 * along), z - 8 * scale * along
    return bent_y**2 + bent_z**2 < thickness**2


def reference(masks: Tensor, empty: str) -> Tensor:
    """As the repositories compute it: SciPy's distances and scikit-image's inner boundary."""
    levels = []
    for mask in masks.cpu().numpy():
        inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
        level = outside / outside.max() - inside / inside.max()
        level[find_boundaries(mask, mode="inner")] = 0
        levels.append(torch.from_numpy(level.astype(np.float32)))
    return torch.stack(levels)


def lines(masks: Tensor, empty: str) -> Tensor:
    """Ours by the tensor operations that an accelerator runs, here on the CPU."""
    with patch("remodal.objectives.level_set.squared_distance", by_lines):
        return level_sets(masks, empty)


def fastest(function: Callable[[], object], runs: int) -> float:
    """CPU seconds of the fastest of several runs."""
    seconds = []
    for _ in range(runs):
        start = process_time()
        function()
        seconds.append(process_time() - start)
    return min(seconds)


def rest_of_step(width: int, batch: Batch, levels: Tensor, runs: int) -> float:
    """CPU seconds of an iteration of DTC's training whose level sets are there already."""
    torch.manual_seed(0)
    network = NetworkSettings(base_width=width, max_width=16 * width, strides=[(2, 2, 2)] * 4)
    method = build_method("dtc", ["ct"], 1, network)
    minimiser = make_minimisers(method.optimisations(SGD))["loss"]

    def step() -> None:
        method.objective(batch, Step(0, 0, 1, 1))["loss"].backward()
        minimiser.step(None)

    with patch.object(dtc, "level_sets", lambda masks, empty: levels):
        step()
        return fastest(step, runs)


def main() -> None:
    """Time both ways alone and within a step, check the values, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    torch.set_num_threads(1)
    print("| patch | level sets of 2 | s | times ours | s, whole step | share of the step |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in parser.parse_args().sizes:
        shape, width = SIZES[name]
        masks = torch.stack([organ(shape, (0.5, 0.4, 0.5)), organ(shape, (0.2, 0.1, 0.8))])
        image = torch.randn(4, 1, *shape, generator=torch.Generator().manual_seed(0))
        label = torch.cat([masks.long(), torch.full_like(masks, UNLABELLED, dtype=torch.int64)])
        batch = Batch({"ct": image}, {"ct": label}, torch.tensor([True, True, False, False]))
        expected = reference(masks, "repo_zero")
        if not all(torch.equal(way(masks, "repo_zero"), expected) for way in (level_sets, lines)):
            raise SystemExit("other values than the reference's")
        ways = {"remodal": level_sets, "reference": reference}
        seconds = {
            title: fastest(partial(way, masks, "repo_zero"), 5) for title, way in ways.items()
        }
        times = seconds["reference"] / seconds["remodal"]
        if name == "paper" and times < 4:
            raise SystemExit(f"{times:.1f} times the reference's speed")
        rest = rest_of_step(width, batch, expected, runs=1 if name == "paper" else 5)
        for title, taken in seconds.items():
            print(
                f"| {' x '.join(map(str, shape))} | {title} | {taken:.3f} "
                f"| {taken / seconds['remodal']:.1f} | {rest + taken:.2f} "
                f"| {taken / (rest + taken):.1%} |"
            )


if __name__ == "__main__":
    main()
