"""What data cost a training step.

The training loop with real patches (drawn, cut, augmented and moved to the device) beside the same
loop with one fixed batch that already lies there; network, loss and optimiser are the pipeline's
own in both. On a GPU the step is the paper's (128^3 patches of two phases, nnU-Net at full width),
on a CPU the demo's. Bar: a ratio of at most 1.05 on a GPU, when there is one. The next batch is
made in a thread while the current one is used; on a CPU that thread takes its share of the same
cores, so CPU time is the fairer column there.
"""

import argparse
import statistics
import tempfile
from dataclasses import astuple
from pathlib import Path

import torch
from lightning_fabric import Fabric
from patches import write_case
from steps import FixedBatch, Taken, step_taken

from remodal.methods import build_method
from remodal.settings import Settings
from remodal.settings.composition import compose
from remodal.training.cases import WantedLabels, choose_place, load_cases
from remodal.training.devices import make_fabric, repeatable
from remodal.training.fitting import Fitting
from remodal.training.patches import TRAINING, PatchSampler, Pool


def step_seconds(
    settings: Settings, sampler: PatchSampler | FixedBatch, fabric: Fabric, folder: Path
) -> Taken:
    """Seconds per step of nnU-Net's training, which `sampler` feeds."""
    torch.manual_seed(0)
    method = build_method("nnunet", settings.data.modalities, 1, settings.network)
    method.network.to(fabric.device)

    def training(run: str, iterations: int) -> Fitting:
        return Fitting(
            method,
            fabric,
            settings.recipe.model_copy(update={"iterations": iterations}),
            settings.compute,
            sampler,
            None,
            seed=0,
            classes=list(settings.data.classes),
            folder=folder / run,
            report=folder,
        )

    count = settings.recipe.iterations
    return step_taken(training, fabric.device, warm_up=count, steps=count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    on_gpu = torch.cuda.is_available()
    parser.add_argument("--iterations", type=int, default=50 if on_gpu else 10)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each, alternating")
    parser.add_argument("--cache", default="auto", choices=["auto", "device", "host", "disk"])
    parser.add_argument("--threads", type=int, default=1, help="of torch, on a CPU")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = compose(
        {"study": "liver", "preset": "paper" if on_gpu else "demo"},
        overrides={
            "recipe": {"epochs": 1, "iterations": arguments.iterations},
            "compute": {"cache": arguments.cache},
        },
    )
    fabric = make_fabric(settings.recipe, settings.compute)
    patch = settings.recipe.patch
    with tempfile.TemporaryDirectory() as name, repeatable(fabric.device):
        folder = Path(name)
        usable = {"case": write_case(folder, 2 * max(patch.most))}
        labels = WantedLabels(settings.labels_of("nnunet"))
        place = choose_place(folder, usable, labels, settings.compute.cache, fabric.device)
        cases = load_cases(folder, usable, settings.data.modalities, labels, place, fabric.device)
        sampler = PatchSampler(
            [Pool(cases, settings.recipe.batch)],
            settings.data.modalities,
            labels.images,
            patch=patch,
            foreground=settings.recipe.foreground,
            device=fabric.device,
            purpose=TRAINING,
            seed=0,
            augmentation=settings.recipe.augmentation,
        )
        feeds = {"real patches": sampler, "one fixed batch": FixedBatch(sampler.batch(0, 0))}
        taken = {feed: [] for feed in feeds}
        for turn in range(arguments.rounds):
            for feed, source in feeds.items():
                runs = folder / f"{turn}-{feed}"
                taken[feed].append(step_seconds(settings, source, fabric, runs))
    median = {
        feed: Taken(*(statistics.median(column) for column in zip(*map(astuple, rounds))))
        for feed, rounds in taken.items()
    }
    print(f"nnU-Net on `{fabric.device}`, patches of {patch}, cases on {place}.\n")
    print("| fed with | s per step | CPU s per step |\n| --- | ---: | ---: |")
    for feed, value in median.items():
        print(f"| {feed} | {value.wall:.4f} | {value.cpu:.4f} |")
    real, fixed = median["real patches"], median["one fixed batch"]
    print(f"\nRatio {real.wall / fixed.wall:.3f}, of CPU time {real.cpu / fixed.cpu:.3f}.")


if __name__ == "__main__":
    main()
