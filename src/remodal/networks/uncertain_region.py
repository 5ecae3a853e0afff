"""Uncertain region inpainting module (URIM): features where the first answer is uncertain.

Source: the SAM and URIM paper on multi-phase liver tumours, eq. 3 and 4. Its uncertainty is that of
xmlyqing00/AFB-URR (AFB_URR.py): exp(1 - ratio of the two largest probabilities).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.batch_norm import BatchNorm2d

#: Differences of logits are cut off here, where M is 1 in float32 long since.
LARGEST = 20.0

#: Added to a window's sum of M, which is 0 where all of it is a tie.
EPSILON = 1e-6


def certainty(logits: Tensor) -> Tensor:
    """M = 1 - exp(1 - Smax / Smin) (eq. 3), (B, 1, Y, X) float32 in 0..1: 0 at a tie.

    S is the softmax of the logits; of several classes, Smin stands for the second largest. As
    Smax / Smin = exp(d) with d the difference of the two largest logits, M is computed from that,
    with no division and a finite gradient.

    Args:
        logits: (B, C, Y, X), C of at least 2.
    """
    largest, second = logits.float().topk(2, dim=1).values.unbind(1)
    return certainty_of((largest - second).unsqueeze(1))


def certainty_of(difference: Tensor) -> Tensor:
    """M = -expm1(1 - exp(d)) of differences d >= 0 of logits."""
    return -torch.expm1(1 - difference.clamp(max=LARGEST).exp())


@dataclass(frozen=True)
class Form:
    """What the paper leaves open, or released code does otherwise.

    Attributes:
        scale: whether responses are multiplied by 9, as in a partial convolution. Without, where M
            is 1 everywhere, the response is 1/9 of an ordinary convolution's.
        bias_first: whether the bias is divided by the sum of M too.
        batch_norm: whether batch norm follows each convolution; it absorbs the scale.
        sigmoid: whether M passes a sigmoid after each pooling, which squeezes it into 0.5..0.73.
        detach: whether no gradient goes through M into the first answer.
        beside: whether the input's features are seen by the last convolution too.
    """

    scale: bool = False
    bias_first: bool = False
    batch_norm: bool = True
    sigmoid: bool = False
    detach: bool = False
    beside: bool = True


class LocalConfidenceConvolution(nn.Module):
    """LC-Conv: x' = W (X * M) / (sum of M in the window) + b (eq. 4), with a window of 3 x 3.

    X and M are zero outside the image, so that a window at the border sums fewer pixels.
    """

    def __init__(self, inputs: int, outputs: int, form: Form) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.scale, self.bias_first = 9.0 if form.scale else 1.0, form.bias_first

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, outputs, Y, X) from features (B, inputs, Y, X) and M (B, 1, Y, X)."""
        total = F.avg_pool2d(mask, 3, 1, 1, divisor_override=1) + EPSILON
        conv, bias = self.conv, self.conv.bias[:, None, None]
        found = F.conv2d(features * mask.to(features.dtype), conv.weight, None, padding=1)
        if self.bias_first:
            return self.scale * (found + bias) / total
        return self.scale * found / total + bias


class UncertainRegion(nn.Module):
    """Four LC-Convs, between which M grows by 3 x 3 max-pooling, and a convolution to new logits.

    Args:
        inputs: channels of the decision features.
        outputs: channels of the logits (the classes and the background).
        width: channels of the LC-Convs.
        form: what the paper leaves open.
        depth: number of LC-Convs.
    """

    def __init__(
        self, inputs: int, outputs: int, width: int, form: Form | None = None, depth: int = 4
    ) -> None:
        super().__init__()
        self.form = form = form or Form()
        seen = inputs + outputs
        entered = [seen, *[width] * (depth - 1)]
        self.convolutions = nn.ModuleList(
            LocalConfidenceConvolution(channels, width, form) for channels in entered
        )
        self.norms = nn.ModuleList(
            BatchNorm2d(width) if form.batch_norm else nn.Identity() for _ in entered
        )
        self.head = nn.Conv2d(width + (seen if form.beside else 0), outputs, 1)

    def forward(self, features: Tensor, logits: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """New logits (B, outputs, Y, X); M before the first LC-Conv and after the last pooling.

        Args:
            features: (B, inputs, Y, X), from which the first answer was made.
            logits: (B, outputs, Y, X), the first answer.
        """
        before = mask = certainty(logits.detach() if self.form.detach else logits)
        probabilities = torch.softmax(logits.float(), dim=1).to(features.dtype)
        seen = refined = torch.cat([features, probabilities], dim=1)
        for convolve, norm in zip(self.convolutions, self.norms):
            refined = F.relu_(norm(convolve(refined, mask)))
            mask = F.max_pool2d(mask, 3, 1, 1)
            if self.form.sigmoid:
                mask = torch.sigmoid(mask)
        if self.form.beside:
            refined = torch.cat([refined, seen.to(refined.dtype)], dim=1)
        return self.head(refined), (before, mask)
