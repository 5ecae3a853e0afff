"""MAML: modality-aware mutual learning.

Source: MAML paper, 2.3 (eq. 3), and YaoZhang93/MAML, MAMLTrainerV2.py. "Mutual" means that all
models share the label and that L_joint reaches every one of them through the MA module; there is no
divergence term between the models, in the paper or in the repository.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, Field
from torch import Tensor

from remodal.methods.bases.deeply_supervised import training_weights
from remodal.methods.bases.layouts import layout_of
from remodal.methods.ms_ma import MSMA, ModalityAwareOptions, at_width
from remodal.networks.maml import ModalityAwareNet
from remodal.objectives.batch import Batch, Step
from remodal.objectives.deep_supervision import deeply_supervised_loss
from remodal.objectives.segmentation import log_probabilities, segmentation_loss
from remodal.settings import NetworkSettings


class Options(ModalityAwareOptions):
    """Options of MAML."""

    weights: Literal["paper", "repo"] = Field(
        "paper",
        description="`paper`: lambda * sum of L_intra + L_joint (eq. 3), the levels' weights of an "
        "L_intra summing to 1. `repo`: every head has nnU-Net's weight of its level and the joint "
        "one that of full resolution (0.533 with five levels), so that the effective lambda is 1 "
        "at full resolution, and 1.875 with deep supervision counted.",
    )
    intra_weight: float = Field(
        0.5, ge=0, description="lambda of eq. 3, for the weights of `paper`."
    )
    intra_deep_supervision: bool = Field(
        True,
        description="Train the modality-specific models at every decoder level but the lowest, as "
        "nnU-Net; false: at full resolution only. The joint head is at full resolution either way.",
    )


class MAML(MSMA):
    """MS+MA with mutual learning; predicts from all its modalities, or from any one of them."""

    Options = Options

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        self.weights = training_weights(network, options.intra_deep_supervision)
        super().__init__(modalities, classes, network, options)

    def build(self, network: NetworkSettings) -> ModalityAwareNet:
        """U-Nets with heads, and the MA module."""
        layout = layout_of(at_width(network, self.options.width))
        net = ModalityAwareNet(len(self.modalities), self.classes + 1, layout, self.options.ma)
        for model in net.models:
            model.heads.train_only(len(self.weights))
        return net

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """L = lambda * sum of L_intra + L_joint (eq. 3); its terms are logged."""
        label, dice_over = batch.label, self.options.dice_over
        joint, own = self.outputs(self.in_order(batch.images))
        l_joint = segmentation_loss(log_probabilities(joint), label, dice_over)
        l_intra = [
            deeply_supervised_loss(
                [log_probabilities(logits) for logits in levels], label, self.weights, dice_over
            )
            for levels in own
        ]
        of_repo = self.options.weights == "repo"
        joint_weight, intra_weight = (
            (self.weights[0], 1.0) if of_repo else (1.0, self.options.intra_weight)
        )
        logged = {f"intra_{name}": loss.detach() for name, loss in zip(self.modalities, l_intra)}
        return {
            "loss": intra_weight * sum(l_intra) + joint_weight * l_joint,
            "joint": l_joint.detach(),
            **logged,
        }

    def outputs(self, images: Sequence[Tensor]) -> tuple[Tensor, list[list[Tensor]]]:
        """What a training step compares with the label: joint logits, and those of each model.

        Args:
            images: of all modalities, in order.
        """
        return self.network(images, len(self.weights))

    def supports(self, present: Iterable[str]) -> bool:
        """All modalities, or exactly one of them (the paper's conclusion: none in between)."""
        chosen = set(present)
        return chosen == set(self.modalities) or (
            len(chosen) == 1 and chosen <= set(self.modalities)
        )

    def answered_by(self, present: Iterable[str]) -> str:
        """The joint head, or a single modality's own."""
        alone = list(present)
        return f"the head of {alone[0]} alone" if len(alone) == 1 else "the joint head"

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """From all modalities, those of the joint head; from one, those of its own model's head.

        With one modality the MA module is not evaluated (YaoZhang93/MAML, the author's answer in
        issue 2; the paper does not say).
        """
        if len(images) > 1 or not self.supports(images):
            return super().probabilities(images)
        return self.of_own_head(images)

    def of_own_head(self, images: Mapping[str, Tensor]) -> Tensor:
        """Probabilities of the head of the only image's own model."""
        ((name, image),) = images.items()
        (logits,) = self.network.models[self.modalities.index(name)](image)
        return log_probabilities(logits).exp()


METHOD = MAML
