"""MC-FCN: a fully convolutional network for each phase, joined before the classifier.

Source: networks/fcn.py; Sun et al. 2017, re-implemented from the description as there is no public
code. A row of the SAM and URIM paper's Table 1 (multi-phase liver tumours).
"""

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from remodal.methods.bases.slices import SliceMethod
from remodal.networks.fcn import MCFCN
from remodal.settings import NetworkSettings
from remodal.settings.section import Section


class Options(Section):
    """Options of MC-FCN."""

    batch_norm: bool = Field(
        False,
        description="Whether the trunk is VGG16 with batch norm, which is easier to train from "
        "random weights.",
    )
    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Share of the coarsest features that are dropped in training (FCN).",
    )


class MCFCNMethod(SliceMethod):
    """An FCN-8s for each modality, one classifier; predicts from all its modalities."""

    Options = Options
    down_samplings = 5

    def build(self, network: NetworkSettings) -> MCFCN:
        """Trunks whose first stage has 64 channels where the settings have 32."""
        return MCFCN(
            len(self.modalities),
            self.classes + 1,
            2 * network.base_width,
            self.strides(network),
            self.options.batch_norm,
            self.options.dropout,
        )

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Start from the weights of this network, or from torchvision's VGG16 in each branch."""
        if "features.0.weight" not in weights:
            super().load(weights)
            return
        for branch in self.network.branches:
            branch.take_over(weights)


METHOD = MCFCNMethod
