"""InstanceNorm that keeps channels-last tensors as they are, and keeps their precision.

PyTorch's own makes a channels-last tensor contiguous, which the next convolution has to undo. On a
CPU its gradient is also wrong for a batch of one sample when the gradient from above is
channels-last (PyTorch 2.13). Batch norm of each sample has neither fault.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.slab_norm import loses_precision, slab_norm, slab_statistics


class InstanceNorm(nn.InstanceNorm3d):
    """InstanceNorm3d (eps 1e-5, affine, no running statistics) as batch norm of each sample."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, features: Tensor) -> Tensor:
        """Normalise each sample and channel of (B, C, Z, Y, X) over its voxels."""
        normalise = _in_slabs if loses_precision(features[:1]) else _at_once
        samples = [
            normalise(sample, self.weight, self.bias, self.eps) for sample in features.split(1)
        ]
        return samples[0] if len(samples) == 1 else torch.cat(samples)


def _at_once(sample: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    return F.batch_norm(sample, None, None, weight, bias, training=True, eps=eps)


def _in_slabs(sample: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    return slab_norm(sample, weight, bias, eps, slab_statistics(sample.detach()))
