"""Whether a training gives the same weights whatever instructions the processor has, and its price.

A few steps of MAML at the demo's size, from one seed and on one batch, with the instructions of
PyTorch's own loops (`ATEN_CPU_CAPABILITY`) and of oneDNN, its library of convolutions
(`ONEDNN_MAX_CPU_ISA`), held to a level: a lower level does on this machine what a processor
without the higher ones does. Weights are compared bit by bit with the first row's. Two threads wait
for each other at full speed, which counts as CPU time, most of all on a busy machine. What all of
this means is in docs/same-results.md.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time

LEVELS: dict[str, dict[str, str]] = {
    "all that this processor has": {},
    "the same again": {},
    "loops AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "loops AVX2, oneDNN AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "loops SSE, oneDNN AVX2": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "loops SSE, oneDNN SSE4.1": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "two threads": {"OMP_NUM_THREADS": "2"},
}
STEPS = 5


def train() -> None:
    """Train in this process; print the weights' hash and the CPU seconds per step."""
    import torch

    from remodal.methods import build_method
    from remodal.objectives.batch import Batch, Step
    from remodal.settings.composition import compose

    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.manual_seed(0)
    settings = compose({"study": "liver", "preset": "demo"})
    method = build_method("maml", settings.data.modalities, 1, settings.network)
    label = torch.zeros(2, *settings.recipe.patch.most, dtype=torch.int64)
    label[:, 8:14, 10:30, 10:30] = 1
    images = {
        name: torch.randn(label[:, None].shape) + label[:, None] for name in method.modalities
    }
    batch = Batch(images, {"venous": label}, torch.ones(2, dtype=torch.bool))
    parameters = list(method.network.parameters())
    optimiser = torch.optim.Adam(parameters, lr=settings.recipe.learning_rate, amsgrad=True)
    for step in range(STEPS + 1):
        if step == 1:  # the first one also prepares kernels
            start = time.process_time()
        optimiser.zero_grad()
        method.objective(batch, Step(0, step, 1, STEPS + 1))["loss"].backward()
        optimiser.step()
    seconds = (time.process_time() - start) / STEPS
    content = b"".join(p.detach().contiguous().numpy().tobytes() for p in parameters)
    print(hashlib.sha256(content).hexdigest(), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", action="store_true", help="one training, in this process")
    if parser.parse_args().train:
        train()
        return
    print("| instructions | CPU s per step | ratio | weights |\n| --- | ---: | ---: | --- |")
    first: tuple[str, float] | None = None
    for name, limits in LEVELS.items():
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | limits
        command = [sys.executable, __file__, "--train"]
        weights, seconds = subprocess.check_output(command, env=environment, text=True).split()
        first = first or (weights, float(seconds))
        equal = "equal" if weights == first[0] else "others"
        print(f"| {name} | {float(seconds):.2f} | {float(seconds) / first[1]:.2f} | {equal} |")


if __name__ == "__main__":
    main()
