"""V-Net trained on the labelled samples, and what the semi-supervised methods share with it.

Source: yulequan/UA-MT (loss, network, recipe): SGD at 0.01 with momentum 0.9 and an L2 penalty of
1e-4, divided by 10 every 2,500 of 6,000 iterations, batches of 4. The row `V-Net` of the DTC
paper's Table 2 (Luo et al. 2021).
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from remodal.methods.base import Method
from remodal.methods.bases.layouts import layout_of
from remodal.networks.vnet import VNet
from remodal.objectives.batch import Batch, Step
from remodal.objectives.ramp_up import ramp_up
from remodal.objectives.squared_dice import cross_entropy_and_dice
from remodal.settings import NetworkSettings
from remodal.settings.section import Section


class Options(Section):
    """Options of V-Net."""

    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Share of the channels dropped in training, after the bottleneck and before "
        "the heads.",
    )


class GrowingOptions(Options):
    """Options of a V-Net with a loss whose weight grows over the training."""

    weight: float = Field(0.1, ge=0, description="Largest weight of the loss that needs no label.")
    ramp_up: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the iterations over which the weight of the loss that needs no label "
        "grows, in 40 stairs, as exp(-5 (1 - t)^2) (40 times 150 of 6,000 iterations in the "
        "repositories).",
    )


def with_growing(
    supervised: Tensor, name: str, term: Tensor, options: GrowingOptions, step: Step
) -> dict[str, Tensor]:
    """The supervised loss plus a term whose weight grows over the training; both are logged.

    Args:
        supervised: loss of the labelled samples.
        name: what the term is logged as.
        term: needs no label.
        options: its largest `weight`, and how long that grows.
        step: how far the training has come.
    """
    weight = options.weight * ramp_up(step, options.ramp_up)
    logged = {"supervised": supervised.detach(), name: term.detach()}
    return {"loss": supervised + weight * term, **logged}


class VNetMethod(Method):
    """One V-Net, the modalities as channels, with a softmax over background and classes."""

    Options = Options

    def build(self, network: NetworkSettings) -> VNet:
        """A V-Net with a channel per modality and one head."""
        layout = layout_of(network)
        return VNet(len(self.modalities), [self.classes + 1], layout, self.options.dropout)

    def image(self, images: Mapping[str, Tensor]) -> Tensor:
        """The modalities as channels, (B, modalities, Z, Y, X)."""
        return torch.cat(self.in_order(images), dim=1)

    def supervised(self, logits: Tensor, batch: Batch) -> Tensor:
        """0.5 (cross-entropy + Dice) of the labelled samples; 0 if there are none.

        Args:
            logits: (B, classes + 1, Z, Y, X) of the whole batch.
            batch: the batch.
        """
        return cross_entropy_and_dice(logits[batch.labelled], batch.label[batch.labelled])

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The supervised loss."""
        (logits,) = self.network(self.image(batch.images))
        return {"loss": self.supervised(logits, batch)}

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Softmax of the head."""
        self.require_support(images)
        (logits,) = self.network(self.image(images))
        return torch.softmax(logits.float(), dim=1)


METHOD = VNetMethod
