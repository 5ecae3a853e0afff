"""What data cost a training step: the training loop with real patches and with one fixed batch.

On a GPU the paper's step (128^3 patches of two phases, nnU-Net at full width), on a CPU the demo's.
The loop, network, loss and optimiser are the pipeline's own in both; with the fixed batch nothing
is sampled, augmented or moved. Run: python benchmarks/training_step.py
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import torch
from patches import write_case

from remodal.config import Settings, compose
from remodal.methods import build_method
from remodal.training.cases import choose_place, load_cases
from remodal.training.devices import make_fabric, repeatable
from remodal.training.fitting import Fitting
from remodal.training.patches import TRAINING, Batch, PatchSampler


class FixedBatch:
    """Stands in for the sampler: always the same tensors, already on the device."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def batch(self, epoch: int, iteration: int, samples: list[int] | None = None) -> Batch:
        return self._batch


def step_seconds(
    settings: Settings, method_name: str, sampler: PatchSampler | FixedBatch, fabric, folder: Path
) -> float:
    """Seconds of one step of the training loop, averaged over an epoch after a first one."""
    torch.manual_seed(0)
    method = build_method(
        settings.methods[method_name].type,
        settings.modalities_of(method_name),
        len(settings.data.classes),
        settings.network,
        settings.methods[method_name].options,
    )
    seconds = []
    for epochs in (1, 2):
        training = settings.training.model_copy(update={"epochs": epochs})
        fitting = Fitting(
            method,
            fabric,
            training,
            sampler,
            None,
            seed=0,
            classes=list(settings.data.classes),
            folder=folder / str(epochs),
            report=folder,
        )
        seconds.append(fitting.run().seconds)
    return seconds[1] / 2 / settings.training.iterations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--method", default="nnunet", help="a method of the liver study")
    parser.add_argument("--cache", default="auto", choices=["auto", "device", "host", "disk"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    on_gpu = torch.cuda.is_available()
    training = {"iterations": arguments.iterations, "cache": arguments.cache}
    settings = compose(
        {"study": "liver", "preset": "paper" if on_gpu else "demo"},
        overrides={"training": training},
    )
    fabric = make_fabric(settings.training)
    patch = settings.training.patch
    with tempfile.TemporaryDirectory() as name, repeatable(fabric.device):
        folder = Path(name)
        records = {"case": write_case(folder, 2 * max(patch))}
        place = choose_place(folder, ["case"], settings.training.cache, fabric.device)
        cases = load_cases(folder, records, [0, 1], place, fabric.device)
        sampler = PatchSampler(
            cases,
            settings.data.modalities,
            patch=patch,
            batch=settings.training.batch,
            foreground=settings.training.foreground,
            device=fabric.device,
            purpose=TRAINING,
            seed=0,
            augmentation=settings.training.augmentation,
        )
        feeds = {"real patches": sampler, "one fixed batch": FixedBatch(sampler.batch(0, 0))}
        taken = {feed: [] for feed in feeds}
        for turn in range(arguments.rounds):
            for feed, source in feeds.items():
                runs = folder / f"{turn}-{feed}"
                taken[feed].append(step_seconds(settings, arguments.method, source, fabric, runs))
    median = {feed: statistics.median(rounds) for feed, rounds in taken.items()}
    print(f"\n{arguments.method}, {fabric.device}, patch {patch}, cases on {place}\n")
    print("| fed with | s per step |\n| --- | ---: |")
    for feed, value in median.items():
        print(f"| {feed} | {value:.4f} |")
    ratio = median["real patches"] / median["one fixed batch"]
    print(f"\nratio {ratio:.3f} (bar: at most 1.05 on a GPU)")


if __name__ == "__main__":
    main()
