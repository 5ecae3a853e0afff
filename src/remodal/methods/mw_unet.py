"""MW-UNet: a U-Net with an encoder for each phase, merged by trainable weights.

Source: networks/mw_unet.py; Wu et al. 2019, re-implemented from the description as there is no
public code. A row of the SAM and URIM paper's Table 1 (multi-phase liver tumours).
"""

from pydantic import Field

from remodal.methods.bases.slices import SliceMethod
from remodal.networks.mw_unet import MWUNet
from remodal.settings import NetworkSettings
from remodal.settings.section import Section


class Options(Section):
    """Options of MW-UNet."""

    weight: float = Field(
        0.5, gt=0, description="What each modality counts at first, at every level."
    )


class MWUNetMethod(SliceMethod):
    """An encoder for each modality, one decoder; predicts from all its modalities."""

    Options = Options
    down_samplings = 4

    def build(self, network: NetworkSettings) -> MWUNet:
        """Five stages from 64 channels where the settings have 32."""
        width, strides = 2 * network.base_width, self.strides(network)
        modalities, weight = len(self.modalities), self.options.weight
        return MWUNet(modalities, self.classes + 1, width, strides, weight)


METHOD = MWUNetMethod
