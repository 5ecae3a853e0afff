"""U-Nets side by side, one per modality (late fusion of their outputs)."""

from collections.abc import Sequence

from torch import Tensor, nn

from remodal.networks.unet import Layout, UNet


class Ensemble(nn.Module):
    """One U-Net per modality, sharing nothing.

    Args:
        modalities: number of images.
        outputs: channels of the logits (the classes and the background).
        layout: sizes of each U-Net.
    """

    def __init__(self, modalities: int, outputs: int, layout: Layout) -> None:
        super().__init__()
        self.models = nn.ModuleList(UNet(1, outputs, layout) for _ in range(modalities))

    def forward(self, images: Sequence[Tensor | None], levels: int = 1) -> list[list[Tensor]]:
        """Logits of the first `levels` heads of each U-Net whose image is present.

        Args:
            images: for each modality (B, 1, Z, Y, X), or None where it is missing.
            levels: how many heads of each U-Net to evaluate, full resolution first.
        """
        pairs = zip(self.models, images, strict=True)
        return [model(image, levels) for model, image in pairs if image is not None]
