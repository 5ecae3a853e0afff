"""OctopusNet: an encoder for each modality, one decoder (middle fusion).

Source: networks/octopus.py; the row `OctopusNet` of the MAML paper's Table 1.
"""

from collections.abc import Mapping

from torch import Tensor

from remodal.methods.bases.deeply_supervised import DeeplySupervisedMethod
from remodal.methods.bases.layouts import layout_of
from remodal.networks.octopus import OctopusNet
from remodal.objectives.segmentation import log_probabilities
from remodal.settings import NetworkSettings


class OctopusNetMethod(DeeplySupervisedMethod):
    """OctopusNet, trained as nnU-Net is; predicts from all its modalities."""

    def build(self, network: NetworkSettings) -> OctopusNet:
        """One encoder per modality and one decoder."""
        octopus = OctopusNet(len(self.modalities), self.classes + 1, layout_of(network))
        octopus.heads.train_only(len(self.weights))
        return octopus

    def log_probabilities(self, images: Mapping[str, Tensor], levels: int) -> list[Tensor]:
        """Those of the decoder's heads."""
        return [log_probabilities(out) for out in self.network(self.in_order(images), levels)]


METHOD = OctopusNetMethod
