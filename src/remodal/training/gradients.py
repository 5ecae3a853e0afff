"""Gradients across processes, each of which has those of its share of the batch."""

from collections.abc import Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn


def average_gradients(parameters: Sequence[nn.Parameter], fabric: Fabric) -> None:
    """Give every process the mean gradient of all of them, in place.

    Where a process did not use a parameter, its gradient counts as zero; a parameter that no
    process used keeps no gradient. With one process nothing is done.
    """
    if fabric.world_size == 1:
        return
    used = torch.tensor([p.grad is not None for p in parameters], device=fabric.device).float()
    anywhere = _reduced(fabric, used, "sum").tolist()
    used_parameters = [p for p, count in zip(parameters, anywhere) if count]
    if not used_parameters:
        return
    for parameter in used_parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([parameter.grad.reshape(-1) for parameter in used_parameters])
    means = _reduced(fabric, flat, "mean").split([p.numel() for p in used_parameters])
    for parameter, mean in zip(used_parameters, means):
        parameter.grad.copy_(mean.view_as(parameter))


def _reduced(fabric: Fabric, tensor: Tensor, how: str) -> Tensor:
    return fabric.all_reduce(tensor, reduce_op=how)
