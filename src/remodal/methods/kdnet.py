"""KD-Net: a student of one modality learns from a frozen teacher of all of them.

Re-implementation from the description: KD-Net (Hu et al. 2020) has no public code, and the
constants below could not be checked against it. Student loss = w * L_KD + (1 - w) * L_GT +
K * L_bottleneck, where L_KD is Dice + binary cross-entropy between outputs softened by a
temperature, L_GT the same with the label, and L_bottleneck a KL divergence between the encoders'
last features. Student and teacher are the same U-Net but for the number of images. The paper trains
by Adam at 1e-4, times 0.2 after 50 epochs without improvement, for 500 epochs. The row `KD-Net` of
the MAML paper's Table 3.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from remodal.errors import UserError
from remodal.methods.base import START, Method, listed, named_modality
from remodal.methods.bases.layouts import layout_of
from remodal.methods.nnunet import NNUNet
from remodal.networks.unet import UNet
from remodal.objectives.batch import Batch, Step
from remodal.objectives.distillation import (
    feature_divergence,
    one_hot,
    soft_target_loss,
    softened,
)
from remodal.settings import NetworkSettings
from remodal.settings.section import Section

TEACHER = "teacher"


class Options(Section):
    """Options of KD-Net."""

    student: str = Field("", description="The modality that the student sees; empty: the first.")
    teacher_share: float = Field(
        0.75, ge=0, le=1, description="Weight w of L_KD; that of L_GT is 1 - w."
    )
    temperature: float = Field(5.0, gt=0, description="By which outputs are softened in L_KD.")
    bottleneck_weight: float = Field(50.0, ge=0, description="Weight K of L_bottleneck.")


class KDNet(Method):
    """A U-Net of one modality. Training needs all modalities, for the teacher."""

    Options = Options

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        wanted = options.student or modalities[0]
        self.student = named_modality(self.name, "student", wanted, modalities)
        super().__init__(modalities, classes, network, options)

    def build(self, network: NetworkSettings) -> UNet:
        """A U-Net of one channel, with a head at full resolution."""
        return UNet(1, self.classes + 1, layout_of(network), heads=1)

    @classmethod
    def roles(cls, modalities: Sequence[str]) -> set[str]:
        """The teacher; weights to start from."""
        return {TEACHER, START}

    def start_from(self, inputs: Mapping[str, Method]) -> None:
        """Check that there is a teacher; start from weights, if any.

        Raises:
            UserError: no teacher, or one that sees other images or is of another size.
        """
        teacher, where = inputs.get(TEACHER), f"method `{self.name}`, input `{TEACHER}`"
        if not isinstance(teacher, NNUNet) or teacher.modalities != self.modalities:
            raise UserError(
                "is missing"
                if teacher is None
                else f"is a `{teacher.name}` of {listed(teacher.modalities)}",
                where=where,
                expected=f"an `nnunet` trained on {listed(self.modalities)}",
                remedy="name one under the method's `inputs`",
            )
        if _widths(teacher.network) != _widths(self.network) or teacher.classes != self.classes:
            raise UserError("has another number of classes or another network size", where=where)
        super().start_from(inputs)

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """L = w * L_KD + (1 - w) * L_GT + K * L_bottleneck; its terms are logged."""
        options, teacher = self.options, self.inputs[TEACHER]
        logits, deepest = _outputs(self.network, batch.images[self.student])
        with torch.no_grad():
            image = torch.cat(teacher.in_order(batch.images), dim=1)
            taught, deepest_taught = _outputs(teacher.network, image)
        label = one_hot(batch.label, self.classes + 1)
        student, target = (softened(each, options.temperature) for each in (logits, taught))
        terms = {
            "distillation": soft_target_loss(student, target),
            "label": soft_target_loss(softened(logits, 1), label),
            "bottleneck": feature_divergence(deepest, deepest_taught),
        }
        share = options.teacher_share
        loss = share * terms["distillation"] + (1 - share) * terms["label"]
        loss = loss + options.bottleneck_weight * terms["bottleneck"]
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}

    def supports(self, present: Iterable[str]) -> bool:
        """The student's modality; any others of the teacher's are not looked at."""
        return self.student in set(present) <= set(self.modalities)

    def answered_by(self, present: Iterable[str]) -> str:
        """The student, which sees one of the modalities."""
        return f"the student of {self.student}"

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Those of the student."""
        self.require_support(images)
        (logits,) = self.network(images[self.student])
        return softened(logits, 1)


def _outputs(network: UNet, image: Tensor) -> tuple[Tensor, Tensor]:
    """Logits at full resolution, and the features of the encoder's last stage."""
    features = network.encoder(image)
    return network.heads(network.decoder(features)[:1])[0], features[-1]


def _widths(network: UNet) -> list[int]:
    return [stage.second.conv.out_channels for stage in network.encoder.stages]


METHOD = KDNet
