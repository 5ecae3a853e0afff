"""InstanceNorm that keeps channels-last tensors as they are, and keeps their precision.

PyTorch's own makes a channels-last tensor contiguous, which the next convolution has to undo. On a
CPU its gradient is also wrong for a batch of one sample when the gradient from above is
channels-last (PyTorch 2.13). Batch norm of each sample has neither fault. But on a CPU it adds up
all voxels of a channels-last tensor one after another in float32, and is off by 1e-5 at 24^3 voxels
and by 4e-3 at 128^3. There, the statistics are therefore computed slab by slab and combined in
float64.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

#: Voxels whose sums are precise enough in float32: off by about 1e-6.
SLAB = 4096


class InstanceNorm(nn.InstanceNorm3d):
    """InstanceNorm3d (eps 1e-5, affine, no running statistics) as batch norm of each sample."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, features: Tensor) -> Tensor:
        """Normalise each sample and channel of (B, C, Z, Y, X) over its voxels."""
        normalise = _in_slabs if _loses_precision(features) else _at_once
        samples = [
            normalise(sample, self.weight, self.bias, self.eps) for sample in features.split(1)
        ]
        return samples[0] if len(samples) == 1 else torch.cat(samples)


def _loses_precision(features: Tensor) -> bool:
    return (
        features.device.type == "cpu"
        and features.dtype == torch.float32
        and features[0, 0].numel() > SLAB
        and features.shape[1] > 1
        and features.is_contiguous(memory_format=torch.channels_last_3d)
    )


def _at_once(sample: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    return F.batch_norm(sample, None, None, weight, bias, training=True, eps=eps)


def _in_slabs(sample: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    return _SlabNorm.apply(sample, weight, bias, eps)


class _SlabNorm(Function):
    """Batch norm of one channels-last sample with statistics of its own."""

    @staticmethod
    def forward(ctx, sample: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        mean, variance = _statistics(sample)
        ctx.save_for_backward(sample, weight, mean, (variance + eps).rsqrt().float())
        ctx.eps = eps
        return F.batch_norm(sample, mean, variance.float(), weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        sample, weight, mean, inverse_sd = ctx.saved_tensors
        gradients = torch.ops.aten.native_batch_norm_backward(
            gradient, sample, weight, None, None, mean, inverse_sd, True, ctx.eps, [True] * 3
        )
        return (*gradients, None)


def _statistics(sample: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (float32) and variance (float64) of each channel of (1, C, Z, Y, X), channels-last.

    They are combined from those of slabs as in Chan, Golub and LeVeque (1983).
    """
    slabs = sample.permute(0, 2, 3, 4, 1).flatten(end_dim=3).split(SLAB)
    found = [torch.ops.aten.batch_norm_update_stats(slab, None, None, 0.0) for slab in slabs]
    means, variances = (torch.stack(part).double() for part in zip(*found))
    sizes = torch.tensor([len(slab) for slab in slabs], dtype=torch.float64)[:, None]
    shares = sizes / sizes.sum()
    mean = (shares * means).sum(0)
    variance = (shares * (variances + (means - mean) ** 2)).sum(0)
    return mean.float(), variance
