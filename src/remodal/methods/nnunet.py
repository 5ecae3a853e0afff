"""nnU-Net: the modalities are channels of one U-Net (early fusion), or there is only one.

Source: MIC-DKFZ/nnUNet; the rows `nnUNet` of the MAML paper's Tables 1 and 2.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from remodal.methods.base import listed, some_of
from remodal.methods.bases.deeply_supervised import DeeplySupervisedMethod, DeepSupervisionOptions
from remodal.methods.bases.layouts import layout_of
from remodal.networks.residual_unet import ResidualUNet
from remodal.networks.unet import UNet
from remodal.objectives.segmentation import log_probabilities
from remodal.settings import NetworkSettings


class Options(DeepSupervisionOptions):
    """Options of nnU-Net."""

    encoder: Literal["plain", "residual"] = Field(
        "plain",
        description="Two convolutions per stage, or residual blocks (ResUNet, as nnU-Net v2's "
        "ResEnc: 1, 3, 4, then 6 of them per stage, and one convolution per stage on the way up).",
    )
    missing: Literal["refused", "zeros"] = Field(
        "refused",
        description="What it does at inference without one of its modalities: it is `refused` "
        "(nnU-Net), or `zeros`, the mean of a normalised image, take its place, though no "
        "training step has seen them.",
    )


class NNUNet(DeeplySupervisedMethod):
    """One U-Net; predicts from exactly its modalities, unless zeros may stand in for some."""

    Options = Options

    def build(self, network: NetworkSettings) -> UNet:
        """A U-Net with a channel per modality."""
        kind = ResidualUNet if self.options.encoder == "residual" else UNet
        unet = kind(len(self.modalities), self.classes + 1, layout_of(network))
        unet.heads.train_only(len(self.weights))
        return unet

    def log_probabilities(self, images: Mapping[str, Tensor], levels: int) -> list[Tensor]:
        """Those of the U-Net's heads."""
        known = next(iter(images.values()))
        slots = self.in_slots(images)
        parts = [torch.zeros_like(known) if slot is None else slot for slot in slots]
        image = torch.cat(parts, dim=1)
        return [log_probabilities(logits) for logits in self.network(image, levels)]

    def supports(self, present: Iterable[str]) -> bool:
        """Exactly its modalities; with `missing: zeros` any of them."""
        if self.options.missing == "zeros":
            return some_of(self.modalities, present)
        return super().supports(present)

    def answered_by(self, present: Iterable[str]) -> str:
        """The network, where zeros stand in for a modality."""
        there = set(present)
        missing = [name for name in self.modalities if name not in there]
        return f"the network with zeros for {listed(missing)}" if missing else ""


METHOD = NNUNet
