"""OctopusNet: an encoder for each modality, and one decoder that fuses them at every scale.

Source: OctopusNet (Chen et al. 2019), which has no public code. It is re-implemented from its
description (one encoder per modality, and a decoder that keeps the fused features from exploding)
with nnU-Net's encoder and decoder. The MAML paper says no more than that.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from remodal.networks.unet import Decoder, Encoder, Heads, Layout, convolve_parts, initialise


class OctopusNet(nn.Module):
    """Encoders whose features are concatenated at each scale and fused by a 1 x 1 x 1 convolution.

    Args:
        modalities: number of images.
        outputs: channels of the logits (the classes and the background).
        layout: sizes of each encoder and of the decoder.
    """

    def __init__(self, modalities: int, outputs: int, layout: Layout) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(Encoder(1, layout) for _ in range(modalities))
        self.fusions = nn.ModuleList(
            nn.Conv3d(modalities * width, width, 1) for width in layout.widths
        )
        self.decoder = Decoder(layout)
        self.heads = Heads(outputs, layout)
        initialise(self)

    def forward(self, images: Sequence[Tensor], levels: int = 1) -> list[Tensor]:
        """Logits of the first `levels` decoder levels, full resolution first.

        Args:
            images: for each modality (B, 1, Z, Y, X); sides are multiples of the layout's `factor`.
            levels: how many heads to evaluate.
        """
        scales = zip(*(encoder(image) for encoder, image in zip(self.encoders, images)))
        fused = [convolve_parts(fusion, parts) for fusion, parts in zip(self.fusions, scales)]
        return self.heads(self.decoder(fused)[:levels])
