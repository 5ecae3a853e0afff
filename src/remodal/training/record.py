"""What is recorded about a training besides its weights and curves."""

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from remodal.methods.base import Method
from remodal.process.device import choose_precision
from remodal.results.paths import Training
from remodal.results.provenance import git_state, hardware, versions
from remodal.settings import RecipeSettings, Settings
from remodal.training.checkpoints import Progress
from remodal.training.devices import peak_memory


def training_record(
    settings: Settings, training: Training, method: Method, fabric: Fabric, progress: Progress
) -> dict[str, Any]:
    """What training.json says: parameters, last metrics, time, machine and versions.

    Args:
        settings: of the study.
        training: which of the study's trainings.
        method: the trained method, with its companions.
        fabric: what it was trained on.
        progress: how it went.
    """
    recipe = settings.recipe_of(training.method)
    chosen = settings.methods[training.method]
    patches = progress.epoch * recipe.iterations * recipe.batch
    on_gpu = fabric.device.type == "cuda"
    machine = hardware()
    return {
        "study": settings.study,
        **training._asdict(),
        "code": git_state(),
        "parameters": {
            "recipe": recipe.described(),
            "network": settings.network.model_dump(mode="json"),
            "method": chosen.model_dump(mode="json", exclude={"recipe"}),
        },
        **_counts(method, recipe),
        "epochs": progress.epoch,
        "checkpoint": {"rule": recipe.checkpoint, "epoch": progress.kept_epoch},
        "metrics": progress.curves[-1] if progress.curves else {},
        "seconds": round(progress.seconds, 1),
        "patches_per_second": round(patches / progress.seconds, 3) if patches else None,
        "resumed": progress.resumed,
        "device": torch.cuda.get_device_name(fabric.device) if on_gpu else machine["cpu"],
        "devices": fabric.world_size,
        "batch": recipe.batch,
        "batch_per_device": recipe.batch // fabric.world_size,
        "learning_rate": recipe.learning_rate,
        "precision": choose_precision(recipe.precision, fabric.device),
        "peak_memory_bytes": peak_memory(fabric.device),
        "hardware": machine,
        "versions": versions(),
    }


def _counts(method: Method, recipe: RecipeSettings) -> dict[str, Any]:
    """Numbers of parameters: of the model, of its companions, and as papers count them.

    Papers count every network that is trained: a discriminator, but not a teacher that only follows
    the network's weights.
    """
    optimisations = method.optimisations(recipe).values() if method.learns else ()
    trained = {id(p) for one in optimisations for group in one.parameters for p in group["params"]}
    own = _count(method.network)
    helping = {name: _count(network) for name, network in method.companions.items()}
    counted = [
        helping[name]
        for name, network in method.companions.items()
        if not trained.isdisjoint(map(id, network.parameters()))
    ]
    return {
        "parameter_count": own,
        "companion_parameter_counts": helping,
        "trained_parameter_count": own + sum(counted),
    }


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
