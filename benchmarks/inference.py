"""Sliding-window inference with mirroring, beside its bare network passes and beside MONAI.

All three run the same network on the same windows with the same Gaussian weights: the bare passes
feed it as many batches of patches that are already there; MONAI's SlidingWindowInferer gets a
predictor that averages the eight mirrorings. Bars: at most 1.05 times the bare passes, not slower
than MONAI, the same labels.
On a GPU, when there is one, at the published size.
"""

import argparse
import time
from collections.abc import Callable
from itertools import product

import torch
from monai.inferers import SlidingWindowInferer
from torch import Tensor

from remodal.inference.sliding_window import (
    gaussian_weights,
    mirrorings,
    sliding_window,
    spread_starts,
)
from remodal.methods import build_method
from remodal.settings import NetworkSettings

STEP = 0.5
#: Volumes in whole half patches, so that MONAI's windows and nnU-Net's are the same.
SIZES = {
    "cpu": {
        "network": NetworkSettings(base_width=8, max_width=64, strides=[(2, 2, 2)] * 3),
        "patch": (32, 64, 64),
        "shape": (48, 96, 96),
        "batch": 2,
    },
    "cuda": {
        "network": NetworkSettings(),
        "patch": (128, 128, 128),
        "shape": (192, 320, 384),
        "batch": 4,
    },
}


def predictor_of(network: NetworkSettings, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Probabilities of an untrained two-modality nnU-Net; bf16 on a GPU."""
    torch.manual_seed(0)
    method = build_method("nnunet", ["arterial", "venous"], 1, network)
    method.network.to(device).eval()

    def predictor(patches: Tensor) -> Tensor:
        images = {"arterial": patches[:, :1], "venous": patches[:, 1:]}
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            return method.probabilities(images).float()

    return predictor


def mirrored(predictor: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A predictor of the mean over all mirrorings of a batch, computed one after another."""

    def mean(patches: Tensor) -> Tensor:
        total = 0
        for flip in mirrorings(True):
            axes = [axis + 1 for axis in flip]
            total = total + predictor(patches.flip(axes)).flip(axes)
        return total / 8

    return mean


def seconds(function: Callable[[], object], device: torch.device) -> float:
    """Time of one call; on a CPU its processor time, which other programs do not lengthen."""
    clock = time.process_time
    if device.type == "cuda":
        clock = time.perf_counter
        torch.cuda.synchronize()
    start = clock()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


class Timed:
    """A predictor that adds up the time it takes (on a CPU, where a call ends when it returns)."""

    def __init__(self, predictor: Callable[[Tensor], Tensor]) -> None:
        self.predictor, self.seconds = predictor, 0.0

    def __call__(self, patches: Tensor) -> Tensor:
        start = time.process_time()
        output = self.predictor(patches)
        self.seconds += time.process_time() - start
        return output


@torch.inference_mode()
def measure(device: torch.device, rounds: int) -> None:
    """Time the three systems in turn, compare their labels, and print the table."""
    size = SIZES[device.type]
    patch, batch, shape = size["patch"], size["batch"], size["shape"]
    predictor = predictor_of(size["network"], device)
    image = torch.randn((2, *shape), generator=torch.Generator().manual_seed(0)).to(device)
    windows = list(product(*(spread_starts(n, p, STEP) for n, p in zip(shape, patch))))
    patches = torch.randn((batch, 2, *patch), device=device)
    inferer = SlidingWindowInferer(patch, batch, overlap=1 - STEP, mode="gaussian")
    inferer.roi_weight_map = gaussian_weights(patch).to(device)

    def bare() -> None:
        for _ in range(len(windows) * 8 // batch):
            predictor(patches)

    def ours(passes: Callable[[Tensor], Tensor] = predictor) -> Tensor:
        return sliding_window(passes, image, patch, step=STEP, mirror=True, batch=batch)

    def monai() -> Tensor:
        return inferer(image[None], mirrored(predictor))[0]

    predictor(patches)  # the first call chooses algorithms
    if not torch.equal(ours().argmax(dim=0), monai().argmax(dim=0)):
        raise SystemExit("the labels differ from MONAI's")
    systems = {"bare network passes": bare, "remodal": ours, "MONAI": monai}
    taken = {name: [] for name in systems}
    for _ in range(rounds):
        for name, system in systems.items():
            taken[name].append(seconds(system, device))
    best = {name: min(times) for name, times in taken.items()}
    print("| system | s, fastest of the turns | remodal over it | bar |")
    print("| --- | ---: | ---: | ---: |")
    for name, bar in {"bare network passes": "1.05", "MONAI": "1.00"}.items():
        print(f"| {name} | {best[name]:.2f} | {best['remodal'] / best[name]:.3f} | {bar} |")
    print(f"| remodal | {best['remodal']:.2f} | | |")
    said = " x ".join(map(str, shape)), " x ".join(map(str, patch))
    print(
        f"\nTwo modalities of {said[0]}, patches of {said[1]}, {len(windows) * 8} passes, ", end=""
    )
    print(
        f"on {torch.cuda.get_device_name() if device.type == 'cuda' else 'one CPU thread'}. ",
        end="",
    )
    if device.type == "cpu":
        share = around_the_passes(ours, predictor)
        print(f"One whole run over the time inside its own passes: {share:.3f}. ", end="")
    print("Labels equal to MONAI's.")


def around_the_passes(
    system: Callable[[Callable], Tensor], predictor: Callable[[Tensor], Tensor]
) -> float:
    """One whole run over the time spent inside the network: a busy machine slows both alike."""
    timed = Timed(predictor)
    whole = seconds(lambda: system(timed), torch.device("cpu"))
    return whole / timed.seconds


def main() -> None:
    """Measure on a GPU if there is one, otherwise on one CPU thread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=SIZES, help="default: a GPU when there is one")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each, the fastest counts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chosen = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    measure(torch.device(chosen), arguments.rounds)


if __name__ == "__main__":
    main()
