"""MS+MA: modality-specific models fused by the modality-aware module, without mutual learning.

Source: MAML paper, 2.2, and its ablation's second row: L_joint alone.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from remodal.methods.base import LossOptions, Method
from remodal.methods.bases.layouts import layout_of
from remodal.networks.maml import ModalityAwareNet
from remodal.objectives.batch import Batch, Step
from remodal.objectives.segmentation import log_probabilities, segmentation_loss
from remodal.settings import NetworkSettings


class ModalityAwareOptions(LossOptions):
    """Options of a method with the modality-aware (MA) module."""

    ma: Literal["repo", "paper"] = Field(
        "repo",
        description="Form of the gates A_i. `repo`: the second convolution is a bare 3 x 3 x 3 "
        "one. `paper`: 1 x 1 x 1 with InstanceNorm and LeakyReLU before the sigmoid, as eq. 1 "
        "is printed; such a gate cannot close (it stays above about 0.44).",
    )
    width: Literal["full", "half"] = Field(
        "full",
        description="Width of the modality-specific models: `full`, the settings' (32 in the "
        "paper), or `half` of it (the repository).",
    )


class MSMA(Method):
    """U-Nets and the MA module, trained with the joint loss; predicts from all its modalities."""

    Options = ModalityAwareOptions
    fewest_modalities = 2

    def build(self, network: NetworkSettings) -> ModalityAwareNet:
        """U-Nets without heads of their own, which nothing would train, and the MA module."""
        layout = layout_of(at_width(network, self.options.width))
        return ModalityAwareNet(
            len(self.modalities), self.classes + 1, layout, self.options.ma, heads=0
        )

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """L_joint, at full resolution only."""
        joint, _ = self.network(self.in_order(batch.images))
        log_p = log_probabilities(joint)
        return {"loss": segmentation_loss(log_p, batch.label, self.options.dice_over)}

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Those of the joint head."""
        self.require_support(images)
        joint, _ = self.network(self.in_order(images))
        return log_probabilities(joint).exp()

    @property
    def maps(self) -> list[str]:
        """One of each modality."""
        return self.modalities

    def attention(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A_i of each modality, averaged over channels, in 0..1; none unless all are present.

        The paper shows one map per phase and does not say how channels were reduced.
        """
        if set(images) != set(self.modalities):
            return {}
        gates = self.network.gates(self.in_order(images))
        return dict(zip(self.modalities, map(_shown, gates)))

    def with_attention(
        self, images: Mapping[str, Tensor], target: str
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Both of one pass."""
        self.require_support(images)
        joint, shown = self.network.with_gates(self.in_order(images), _shown)
        return log_probabilities(joint).exp(), dict(zip(self.modalities, shown))


def _shown(gate: Tensor) -> Tensor:
    """A_i averaged over channels, (B, 1, Z, Y, X)."""
    return gate.mean(1, keepdim=True, dtype=torch.float32)


def at_width(network: NetworkSettings, width: Literal["full", "half"]) -> NetworkSettings:
    """The network's settings with the base width as is, or halved."""
    if width == "full":
        return network
    return network.model_copy(update={"base_width": max(network.base_width // 2, 1)})


METHOD = MSMA
