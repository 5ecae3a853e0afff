"""mmFormer: transformers within and across whichever modalities are there.

Source: YaoZhang93/mmFormer, mmformer.py, train.py and job.sh (Zhang et al. 2022). It is trained by
the losses of RFNet, its scales being the decoder's. Its authors train by Adam with AMSGrad at a
rate of 2e-4, decaying as (1 - t/T)^0.9 over 1,000 epochs, with an L2 penalty of 1e-4, patches of
128^3, rotations of up to 10 degrees, flips and changes of intensity. The batch is 8 in the paper
and 4 in job.sh.
"""

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor

from remodal.methods import rfnet
from remodal.methods.bases.layouts import reduced_layout
from remodal.networks.mmformer import MMFormer
from remodal.networks.residual_encoder import SeparateDecoder, resized
from remodal.networks.unet import Layout
from remodal.settings import NetworkSettings


class Options(rfnet.Options):
    """Options of mmFormer."""

    apart: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the epochs, at the beginning, without the loss of the fused "
        "prediction (none in the repository's job.sh).",
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Share of the transformers' values dropped in training."
    )


class MMFormerMethod(rfnet.RFNetMethod):
    """One network for every subset of its modalities; each step is trained on a random one."""

    Options = Options

    def build(self, network: NetworkSettings) -> MMFormer:
        """Five stages of a quarter of the settings' width: 8 to 128 channels of 32."""
        outputs, dropout = self.classes + 1, self.options.dropout
        return MMFormer(len(self.modalities), outputs, self.layout(network), dropout)

    @classmethod
    def layout(cls, network: NetworkSettings) -> Layout:
        """Sizes of the encoders and decoders."""
        return reduced_layout(network, share=4, strides=4)

    def separate(self, layout: Layout) -> SeparateDecoder:
        """The decoder that segments each modality alone."""
        return SeparateDecoder(self.classes + 1, layout, normalise_first=True)

    def fused(self, encoded: Sequence[list[Tensor] | None]) -> tuple[Tensor, list[Tensor]]:
        """Probabilities, and those that each coarser scale was resized from."""
        full, *coarse = (torch.softmax(p.float(), 1) for p in self.network.decode(encoded))
        return full, [resized(p, full.shape[2:]) for p in coarse]

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Of whichever modalities are there."""
        self.require_support(images)
        (logits,) = self.network.decode(self.network.encode(self.in_slots(images)), levels=1)
        return torch.softmax(logits.float(), 1)


METHOD = MMFormerMethod
