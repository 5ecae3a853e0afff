"""U-HVED: encoders that put out Gaussians at every scale, and decoders of samples.

Source: ReubenDo/U-HVED, u_hved_net.py (Dorent et al. 2019). How the modalities' Gaussians become
one belongs to the method (remodal.objectives.gaussians).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from remodal.networks.hemis import HemisDecoder, HemisEncoder, half
from remodal.networks.missing import of_each_present
from remodal.networks.unet import Layout, initialise

#: Bounds of a log-variance, so that its exponential stays finite.
LIMIT = 50.0


class UHved(nn.Module):
    """An encoder for each modality and the decoder of the segmentation.

    Args:
        modalities: number of images.
        outputs: channels of the logits (the classes and the background).
        layout: sizes; the repository's are 8, 16, 32 and 64.
    """

    def __init__(self, modalities: int, outputs: int, layout: Layout) -> None:
        super().__init__()
        self.hidden = [half(width) for width in layout.widths]
        both = [2 * width for width in self.hidden]
        self.encoders = nn.ModuleList(HemisEncoder(layout, both) for _ in range(modalities))
        self.decoder = HemisDecoder(outputs, layout, self.hidden)
        initialise(self)

    def encode(self, images: Sequence[Tensor | None]) -> list[list[tuple[Tensor, Tensor]]]:
        """For each image that is there and each scale: means and log-variances, in float32.

        Args:
            images: for each modality (B, 1, Z, Y, X), or None where it is missing.
        """
        return [
            [_gaussian(scale, hidden) for scale, hidden in zip(scales, self.hidden)]
            for scales in filter(None, of_each_present(self.encoders, images))
        ]


def reconstructors(modalities: int, layout: Layout) -> nn.ModuleList:
    """A decoder for each modality's image, which only the training needs."""
    hidden = [half(width) for width in layout.widths]
    decoders = nn.ModuleList(HemisDecoder(1, layout, hidden) for _ in range(modalities))
    initialise(decoders)
    return decoders


def _gaussian(features: Tensor, hidden: int) -> tuple[Tensor, Tensor]:
    mean, log_variance = features.float().split(hidden, dim=1)
    return mean, log_variance.clamp(-LIMIT, LIMIT)
