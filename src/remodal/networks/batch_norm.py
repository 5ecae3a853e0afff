"""BatchNorm that keeps the precision of large channels-last tensors on a CPU."""

import torch
from torch import Tensor, nn

from remodal.networks.slab_norm import loses_precision, slab_norm, slab_statistics


class _Precise(nn.Module):
    """What batch norm in 2-D and in 3-D have in common."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise each channel of (B, C, Y, X) or (B, C, Z, Y, X) over samples and voxels.

        In training it does so by the batch's statistics, which move the running ones; in evaluation
        by the running ones.
        """
        if not self.training or not loses_precision(features):
            return super().forward(features)
        statistics = slab_statistics(features.detach())
        self._follow(*statistics, features.numel() // features.shape[1])
        return slab_norm(features, self.weight, self.bias, self.eps, statistics)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, voxels: int) -> None:
        """Move the running statistics; the running variance is that of the unbiased ones."""
        unbiased = (variance * voxels / (voxels - 1)).float()
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased, self.momentum)
        self.num_batches_tracked += 1


class BatchNorm(_Precise, nn.BatchNorm3d):
    """BatchNorm3d (eps 1e-5, momentum 0.1, affine, running statistics).

    With several devices, each normalises over its own samples.
    """


class BatchNorm2d(_Precise, nn.BatchNorm2d):
    """The same for slices, (B, C, Y, X)."""
