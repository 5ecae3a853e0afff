"""nnU-Net: the modalities are channels of one U-Net (early fusion), or there is only one.

Source: MIC-DKFZ/nnUNet; the rows `nnUNet` of the MAML paper's Tables 1 and 2.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from remodal.methods.base import DeeplySupervisedMethod, layout_of
from remodal.networks.unet import UNet
from remodal.objectives.segmentation import log_probabilities
from remodal.settings import NetworkSettings


class NNUNet(DeeplySupervisedMethod):
    """One U-Net; predicts from exactly the modalities it was built for."""

    def build(self, network: NetworkSettings) -> UNet:
        """A U-Net with a channel per modality."""
        unet = UNet(len(self.modalities), self.classes + 1, layout_of(network))
        unet.heads.train_only(len(self.weights))
        return unet

    def log_probabilities(self, images: Mapping[str, Tensor], levels: int) -> list[Tensor]:
        """Those of the U-Net's heads."""
        image = torch.cat(self.in_order(images), dim=1)
        return [log_probabilities(logits) for logits in self.network(image, levels)]


METHOD = NNUNet
