"""Steps of the pipeline's own training loop: what may feed it, and how long one takes."""

import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO

import torch

from remodal.objectives.batch import Batch
from remodal.training.fitting import Fitting


class FixedBatch:
    """Stands in for the sampler: always the same tensors, already on the device."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def batch(self, epoch: int, iteration: int, samples: list[int] | None = None) -> Batch:
        return self._batch


@dataclass(frozen=True)
class Taken:
    """Seconds of one step."""

    wall: float
    cpu: float


def step_taken(
    training: Callable[[str, int], Fitting], device: torch.device, warm_up: int, steps: int
) -> Taken:
    """Seconds of a step, averaged over a training after a warm-up.

    Args:
        training: makes a training of so many iterations, with a folder of this name.
        device: that it runs on.
        warm_up: iterations of the first training, which is not timed.
        steps: iterations of the second one.
    """
    taken = Taken(0.0, 0.0)
    for run, iterations in (("warm-up", warm_up), ("measured", steps)):
        fitting = training(run, iterations)
        synchronise(device)
        wall, cpu = time.perf_counter(), time.process_time()
        with redirect_stdout(StringIO()):
            fitting.run()
        synchronise(device)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        taken = Taken(wall / iterations, cpu / iterations)
    return taken


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
