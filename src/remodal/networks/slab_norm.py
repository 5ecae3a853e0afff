"""Normalisation of channels-last features on a CPU without loss of precision.

PyTorch 2.13's batch norm adds up all voxels of a channels-last tensor one after another in float32,
and is off by 1e-5 at 24^3 voxels and by 4e-3 at 128^3. Here, the statistics are computed slab by
slab and combined in float64.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

#: Voxels whose sums are precise enough in float32: off by about 1e-6.
SLAB = 4096

#: Channels-last order of images and of volumes, by their number of axes.
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def loses_precision(features: Tensor) -> bool:
    """Whether PyTorch's batch norm of (B, C, ...) adds up too many voxels in float32.

    Args:
        features: (B, C, Y, X) or (B, C, Z, Y, X).
    """
    return (
        features.device.type == "cpu"
        and features.dtype == torch.float32
        and features[:, 0].numel() > SLAB
        and features.shape[1] > 1
        and features.is_contiguous(memory_format=CHANNELS_LAST[features.dim()])
    )


def slab_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (float32) and biased variance (float64) of each channel over samples and voxels.

    They are combined from those of slabs as in Chan, Golub and LeVeque (1983).

    Args:
        features: (B, C, Y, X) or (B, C, Z, Y, X), channels-last.
    """
    slabs = features.movedim(1, -1).flatten(end_dim=-2).split(SLAB)
    found = [torch.ops.aten.batch_norm_update_stats(slab, None, None, 0.0) for slab in slabs]
    means, variances = (torch.stack(part).double() for part in zip(*found))
    sizes = torch.tensor([len(slab) for slab in slabs], dtype=torch.float64)[:, None]
    shares = sizes / sizes.sum()
    mean = (shares * means).sum(0)
    variance = (shares * (variances + (means - mean) ** 2)).sum(0)
    return mean.float(), variance


def slab_norm(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    statistics: tuple[Tensor, Tensor],
) -> Tensor:
    """Batch norm of channels-last (B, C, ...) by its own `slab_statistics`, differentiable."""
    return _SlabNorm.apply(features, weight, bias, eps, *statistics)


class _SlabNorm(Function):
    """Batch norm by given statistics of the batch; the gradient also goes through these."""

    @staticmethod
    def forward(
        ctx,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        mean: Tensor,
        variance: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(features, weight, mean, (variance + eps).rsqrt().float())
        ctx.eps = eps
        return F.batch_norm(features, mean, variance.float(), weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, mean, inverse_sd = ctx.saved_tensors
        gradients = torch.ops.aten.native_batch_norm_backward(
            gradient, features, weight, None, None, mean, inverse_sd, True, ctx.eps, [True] * 3
        )
        return (*gradients, None, None, None)
