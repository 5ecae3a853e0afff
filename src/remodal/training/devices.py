"""The processes of a training and their devices, and what makes it repeatable."""

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment

from remodal.errors import UserError
from remodal.process.device import choose_device, choose_precision
from remodal.settings import ComputeSettings, RecipeSettings


def make_fabric(recipe: RecipeSettings, compute: ComputeSettings) -> Fabric:
    """Launch Fabric for the wanted device, number format and number of GPUs.

    With several devices, one process per device is started; all run the same command.

    Raises:
        UserError: a device is not available, or a batch cannot be shared out evenly.
    """
    device = choose_device(compute.device)
    if device.type == "cuda" and compute.devices > torch.cuda.device_count():
        raise UserError(
            f"{compute.devices} GPUs wanted, {torch.cuda.device_count()} there",
            where="compute.devices",
        )
    for pool in recipe.sources:
        if pool.samples % compute.devices:
            what = (
                f"a pool of {pool.samples} samples"
                if recipe.pools
                else f"a batch of {recipe.batch}"
            )
            raise UserError(
                f"{what} cannot be shared by {compute.devices} devices",
                where="recipe.pools" if recipe.pools else "recipe.batch",
                expected="a multiple of compute.devices",
            )
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    fabric = Fabric(
        accelerator=device.type,
        devices=compute.devices,
        strategy="ddp" if compute.devices > 1 else "auto",
        precision=choose_precision(recipe.precision, device),
        # One process per device is started here, whatever Slurm's number of tasks.
        plugins=[LightningEnvironment()],
    )
    fabric.launch()
    return fabric


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Use only deterministic algorithms on a CPU, and the fastest ones on a GPU."""
    before = torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory
    benchmark = torch.backends.cudnn.benchmark
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
        # It would write every new tensor one more time; nothing here reads unwritten memory.
        torch.utils.deterministic.fill_uninitialized_memory = False
    else:
        torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = filling
        torch.backends.cudnn.benchmark = benchmark


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far: of the GPU, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
