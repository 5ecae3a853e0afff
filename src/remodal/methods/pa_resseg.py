"""PA-ResSeg: residual encoders joined at every scale by attention within and between phases.

Source: csying/PA-ResSeg (Xu et al. 2021), network, main.py and tr_param.ini: cross-entropy, Adam at
a constant rate of 5e-4, 500 epochs of batches of 8 crops of 224 x 224 in the liver's box, turns by
right angles and flips; whole slices are predicted, and a pixel is tumour from a probability of 0.6.
The repository keeps the epoch that is best on its test fold, which nothing here does. A row of the
SAM and URIM paper's Table 1 (multi-phase liver tumours).
"""

import math
from collections.abc import Mapping, Sequence

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from remodal.methods.base import named_modality
from remodal.methods.bases.slices import SliceMethod
from remodal.networks.pa_resseg import Attention, PAResSeg
from remodal.settings import NetworkSettings
from remodal.settings.section import Section


class Options(Section):
    """Options of PA-ResSeg."""

    target: str = Field(
        "",
        description="The modality that attends to itself, and to which the others attend (the "
        "portal venous phase in the paper); empty: the last.",
    )
    attention: Attention = Field(
        "as_released",
        description="Factors of the other modalities' channels: `as_released`, from sums over the "
        "rows of a softmax, which make every factor sigmoid(1) = 0.731 whatever the images show; "
        "or from `column_sums`, which differ.",
    )
    threshold: float = Field(
        0.6,
        gt=0,
        lt=1,
        description="Probability from which a voxel belongs to a class (0.6 in the repository): "
        "its odds against the background are divided by those of the threshold, so that the class "
        "with the highest probability is the answer here as elsewhere. 0.5: left alone.",
    )


class PAResSegMethod(SliceMethod):
    """An encoder for each modality; predicts from all its modalities."""

    Options = Options
    down_samplings = 5

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        wanted = options.target or modalities[-1]
        self.target = named_modality(self.name, "target", wanted, modalities)
        super().__init__(modalities, classes, network, options)

    def build(self, network: NetworkSettings) -> PAResSeg:
        """Six scales from 64 channels where the settings have 32."""
        return PAResSeg(
            len(self.modalities),
            self.classes + 1,
            2 * network.base_width,
            self.strides(network),
            self.options.attention,
        )

    def in_order(self, images: Mapping[str, Tensor]) -> list[Tensor]:
        """The target's image first."""
        others = [name for name in self.modalities if name != self.target]
        return [images[name] for name in (self.target, *others)]

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Softmax of the logits, the odds of each class divided by the threshold's."""
        self.require_support(images)
        logits = self.logits(images).float()
        raised = logits.new_zeros(logits.shape[1], 1, 1, 1)
        raised[1:] = math.log(self.options.threshold / (1 - self.options.threshold))
        return torch.softmax(logits - raised, dim=1)


METHOD = PAResSegMethod
