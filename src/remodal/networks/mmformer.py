"""mmFormer: transformers within and across modalities between encoders and a fusing decoder.

Source: YaoZhang93/mmFormer, mmformer.py (Zhang et al. 2022). The repository's reshaping after the
transformer across modalities puts four neighbouring tokens of one modality where the modalities of
one position should be; here each position has its own.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from remodal.networks.missing import of_each_present
from remodal.networks.residual_encoder import (
    Joined,
    ResidualEncoder,
    Step,
    Unit,
    initialise,
    resized,
)
from remodal.networks.unet import Layout

#: Side of the grid of tokens for which positions are learnt; others are interpolated.
GRID = 8
HEADS = 8


class Transformer(nn.Module):
    """One layer: attention with dropout, then a feed-forward net, each normalised first and added.

    Args:
        width: channels of a token.
        dropout: share of the values that are dropped in training.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries = nn.Linear(width, 3 * width, bias=False)
        self.project = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 8 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(8 * width, width),
            nn.Dropout(dropout),
        )
        self.dropout = dropout

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """(B, N, width) from tokens and positions of that shape."""
        tokens = tokens + positions
        tokens = tokens + self._attended(self.attention_norm(tokens))
        return tokens + self.feed_forward(self.forward_norm(tokens))

    def _attended(self, tokens: Tensor) -> Tensor:
        samples, count, width = tokens.shape
        parts = self.queries(tokens).view(samples, count, 3, HEADS, width // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        share = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=share)
        mixed = self.project(mixed.transpose(1, 2).reshape(samples, count, width))
        # Once after the projection, and once more after the attention as a whole.
        for _ in range(2):
            mixed = F.dropout(mixed, self.dropout, self.training)
        return mixed


class IntraModality(nn.Module):
    """A transformer over the last features of one modality, and its learnt positions."""

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Conv3d(channels, width, 1)
        self.positions = nn.Parameter(torch.zeros(1, width, GRID, GRID, GRID))
        self.transformer = Transformer(width, dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Tokens (B, N, width) of features (B, channels, z, y, x), N = z * y * x."""
        tokens = _as_tokens(self.tokens(features))
        return self.transformer(tokens, self.positions_of(features.shape[2:]))

    def positions_of(self, size: Sequence[int]) -> Tensor:
        """The positions (1, N, width) of a grid (z, y, x)."""
        grid = self.positions
        return _as_tokens(grid if tuple(size) == grid.shape[2:] else resized(grid, size))


class MMFormer(nn.Module):
    """Encoders, transformers and a decoder that predicts at every scale.

    Args:
        modalities: number of images.
        outputs: channels of the logits (the classes and the background).
        layout: sizes; the repository's are 8, 16, 32, 64 and 128, and tokens have 512 channels.
        dropout: of the transformers.
    """

    def __init__(self, modalities: int, outputs: int, layout: Layout, dropout: float) -> None:
        super().__init__()
        widths, last = layout.widths, layout.widths[-1]
        tokens = HEADS * max(4 * last // HEADS, 1)
        self.encoders = nn.ModuleList(
            ResidualEncoder(layout, normalise_first=True) for _ in range(modalities)
        )
        self.intra = nn.ModuleList(IntraModality(last, tokens, dropout) for _ in range(modalities))
        self.inter = Transformer(tokens, dropout)
        self.back = nn.Conv3d(modalities * tokens, modalities * last, 1)
        self.fusions = nn.ModuleList(_Fusion(modalities, width) for width in widths)
        self.steps = nn.ModuleList(
            Step(*sizes, normalise_first=True) for sizes in zip(widths[1:], widths)
        )
        self.heads = nn.ModuleList(nn.Conv3d(width, outputs, 1) for width in widths)
        initialise(self)

    def encode(self, images: Sequence[Tensor | None]) -> list[list[Tensor] | None]:
        """Features of every stage of each image, full resolution first; None where missing."""
        return of_each_present(self.encoders, images)

    def decode(
        self, encoded: Sequence[list[Tensor] | None], levels: int | None = None
    ) -> list[Tensor]:
        """Logits of the first `levels` scales, full resolution first; None: of all.

        Args:
            encoded: features of every stage for each modality, or None where it is to be unseen.
            levels: how many heads to evaluate.
        """
        *scales, last = (
            [None if stages is None else stages[scale] for stages in encoded]
            for scale in range(len(self.fusions))
        )
        flows = [self.fusions[-1](self._across(last))]
        for scale, features in reversed(list(enumerate(scales))):
            step = self.steps[scale]
            size = next(part for part in features if part is not None).shape[2:]
            raised = step.up(flows[-1], size)
            flows.append(step(self.fusions[scale](features), raised))
        return [head(flow) for head, flow in list(zip(self.heads, reversed(flows)))[:levels]]

    def _across(self, features: Sequence[Tensor | None]) -> list[Tensor]:
        """Features of all modalities after both transformers; the tokens of missing ones are 0.

        A missing modality has places of its own in the result: what the others say about it.
        """
        known = next(part for part in features if part is not None)
        size = known.shape[2:]
        nothing = known.new_zeros(len(known), size.numel(), self.intra[0].positions.shape[1])
        tokens = [
            nothing if part is None else intra(part) for intra, part in zip(self.intra, features)
        ]
        positions = [intra.positions_of(size) for intra in self.intra]
        mixed = self.inter(torch.cat(tokens, dim=1), torch.cat(positions, dim=1))
        volumes = [
            part.transpose(1, 2).reshape(len(part), -1, *size)
            for part in mixed.chunk(len(tokens), dim=1)
        ]
        return list(self.back(torch.cat(volumes, dim=1)).chunk(len(tokens), dim=1))


class _Fusion(nn.Module):
    """The modalities' features joined by three convolutions."""

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.join = Joined(modalities, width, width, normalise_first=True)
        self.mix = nn.Sequential(
            Unit(width, width, normalise_first=True, reflect=False),
            Unit(width, width, (1, 1, 1), normalise_first=True),
        )

    def forward(self, features: Sequence[Tensor | None]) -> Tensor:
        """(B, width, Z, Y, X) from features of that shape, None where missing."""
        return self.mix(self.join(features))


def _as_tokens(volume: Tensor) -> Tensor:
    """(B, N, C) of (B, C, z, y, x)."""
    return volume.flatten(2).transpose(1, 2)
