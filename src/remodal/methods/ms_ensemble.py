"""MS+Ensemble: the average of what the modality-specific models put out (late fusion).

Source: MAML paper, "a straightforward average", the ablation's first row. The paper does not say
whether the models were trained apart or through their average: both are options.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from remodal.errors import UserError
from remodal.methods.base import Method, listed, some_of
from remodal.methods.bases.deeply_supervised import DeeplySupervisedMethod, DeepSupervisionOptions
from remodal.methods.bases.layouts import layout_of
from remodal.methods.nnunet import NNUNet
from remodal.networks.ensemble import Ensemble
from remodal.objectives.segmentation import log_probabilities
from remodal.settings import NetworkSettings


class Options(DeepSupervisionOptions):
    """Options of MS+Ensemble."""

    training: Literal["separate", "joint"] = Field(
        "separate",
        description="`separate`: assembled from single-phase nnU-Nets that were trained apart "
        "(`inputs`, one a modality); `joint`: trained through the averaged probabilities. "
        "The MAML paper does not say which.",
    )


class MSEnsemble(DeeplySupervisedMethod):
    """Mean softmax of one U-Net per modality, over the modalities that are present."""

    Options = Options

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        super().__init__(modalities, classes, network, options)
        self.learns = self.options.training == "joint"

    def build(self, network: NetworkSettings) -> Ensemble:
        """One U-Net per modality."""
        ensemble = Ensemble(len(self.modalities), self.classes + 1, layout_of(network))
        for model in ensemble.models:
            model.heads.train_only(len(self.weights))
        return ensemble

    def log_probabilities(self, images: Mapping[str, Tensor], levels: int) -> list[Tensor]:
        """Logarithm of the mean probabilities of the models whose image is present."""
        outputs = self.network(self.in_slots(images), levels)
        return [
            torch.logsumexp(torch.stack([log_probabilities(out) for out in level]), 0)
            - math.log(len(level))
            for level in zip(*outputs)
        ]

    def supports(self, present: Iterable[str]) -> bool:
        """Any of its modalities: the average is of those present."""
        return some_of(self.modalities, present)

    @classmethod
    def roles(cls, modalities: Sequence[str]) -> set[str]:
        """A trained model for each modality."""
        return set(modalities)

    def start_from(self, inputs: Mapping[str, Method]) -> None:
        """Take over the weights of one single-phase nnU-Net per modality.

        Raises:
            UserError: a modality has no such model, or its model is of another modality or size.
        """
        if self.learns and not inputs:
            return
        for modality, model in zip(self.modalities, self.network.models):
            trained = inputs.get(modality)
            where = f"method `{self.name}`, input `{modality}`"
            if not isinstance(trained, NNUNet) or trained.modalities != [modality]:
                raise UserError(
                    "is missing" if trained is None else f"is {_described(trained)}",
                    where=where,
                    expected=f"an `nnunet` trained on {modality} alone",
                    remedy="name one under the method's `inputs`",
                )
            try:
                model.load_state_dict(trained.network.state_dict())
            except RuntimeError as error:
                raise UserError(
                    "has another number of classes or another network size", where=where
                ) from error


def _described(method: Method) -> str:
    return f"a `{method.name}` of {listed(method.modalities)}"


METHOD = MSEnsemble
