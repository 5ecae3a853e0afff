"""Dual-task consistency: a V-Net segments and regresses a level set, and both are to agree.

Source: Luo et al. (2021), AAAI; HiLab-git/DTC, train_la_dtc.py: Dice + 0.3 mean (z - T(y))^2 of the
labelled samples + w mean (p - sigmoid(-1500 z))^2 of all samples. The paper prints +1500, with
which a perfect solution would be least consistent (z is negative inside), sums where the
repository takes means, and names no weight of 0.3. Its recipe is the V-Net's, with 2 labelled and 2
unlabelled samples in a batch. The rows `DTC` of the paper's Table 2, and Table 1, where the options
`segmentation`, `level_set` and `consistency` are its columns.
"""

from collections.abc import Mapping, Sequence

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from remodal.errors import UserError
from remodal.methods.base import Method
from remodal.methods.bases.layouts import layout_of
from remodal.methods.vnet import GrowingOptions
from remodal.networks.vnet import VNet
from remodal.objectives.batch import Batch, Step
from remodal.objectives.level_set import Empty, foreground_of, level_sets
from remodal.objectives.ramp_up import ramp_up
from remodal.objectives.squared_dice import squared_dice_loss
from remodal.settings import NetworkSettings

#: By how much the contour of a level set, z = 0, is nearer to the foreground than to background.
INSIDE = 1e-6


class LevelSetOptions(GrowingOptions):
    """Options of a V-Net that regresses a level set."""

    beta: float = Field(
        0.3,
        ge=0,
        description="Weight of the level set's loss beside the Dice loss (the repository; the "
        "paper has none). Alone, its weight is 1.",
    )
    sdf_empty: Empty = Field(
        "repo_zero",
        description="The level set of a patch without foreground: 0, as if it were all contour "
        "(`repo_zero`, the repository), or +1 (`plus_one`).",
    )


class Options(LevelSetOptions):
    """Options of dual-task consistency."""

    segmentation: bool = Field(True, description="A head for the segmentation, and its Dice loss.")
    level_set: bool = Field(True, description="A head for the level set, and its loss.")
    consistency: bool = Field(True, description="The loss by which both heads are to agree.")
    weight: float = Field(1.0, ge=0, description="Largest weight of the consistency.")
    k: float = Field(
        -1500.0,
        lt=0,
        description="Steepness of sigmoid(k z), by which a level set z becomes a segmentation "
        "(printed as +1500 in the paper; negative in the repository).",
    )


class LevelSetMethod(Method):
    """A V-Net with sigmoid and tanh heads for one class; the level set is a map to be shown."""

    takes_unlabelled = True

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        if classes != 1:
            raise UserError(
                f"method `{self.name}` segments one class by its level set, not {classes}",
                expected="a study of one class",
            )
        super().__init__(modalities, classes, network, options)

    @property
    def tasks(self) -> list[str]:
        """What each head is for: `segmentation`, `level_set`."""
        return ["segmentation", "level_set"]

    def build(self, network: NetworkSettings) -> VNet:
        """A V-Net with a channel per modality and a head of one channel for each task."""
        heads = [1] * len(self.tasks)
        return VNet(len(self.modalities), heads, layout_of(network), self.options.dropout)

    def predicted(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """For each task (B, 1, Z, Y, X): the foreground's probability, the level set in -1..1."""
        outputs = self.network(torch.cat(self.in_order(images), dim=1))
        shapes = {"segmentation": torch.sigmoid, "level_set": torch.tanh}
        return {task: shapes[task](output.float()) for task, output in zip(self.tasks, outputs)}

    def supervised(self, predicted: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """The loss of each task on the labelled samples; 0 if there are none.

        Dice of all samples together; the mean over voxels of (z - T(y))^2.
        """
        label, losses = batch.label[batch.labelled] == 1, {}
        of_labelled = {task: found[batch.labelled][:, 0] for task, found in predicted.items()}
        if "segmentation" in predicted:
            losses["dice"] = squared_dice_loss(of_labelled["segmentation"], label)
        if "level_set" in predicted:
            apart = of_labelled["level_set"] - level_sets(label, self.options.sdf_empty)
            losses["level_set"] = apart.square().sum() / max(apart.numel(), 1)
        return losses

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """The segmentation's; from a level set alone, foreground is where z <= 0.

        In that case they are (1 - z) / 2, so that the mean over windows is that of the level sets.
        """
        self.require_support(images)
        return _both_classes(self.predicted(images))

    @property
    def maps(self) -> list[str]:
        """The level set, if there is a head for it."""
        return [task for task in self.tasks if task == "level_set"]

    def attention(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The level set, negative inside."""
        if not self.supports(images):
            return {}
        predicted = self.predicted(images)
        return {name: predicted[name] for name in self.maps}

    def with_attention(
        self, images: Mapping[str, Tensor], target: str
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Both from one pass, which gives all tasks."""
        self.require_support(images)
        predicted = self.predicted(images)
        return _both_classes(predicted), {name: predicted[name] for name in self.maps}


def _both_classes(predicted: Mapping[str, Tensor]) -> Tensor:
    """Probabilities of background and foreground (B, 2, Z, Y, X) from what is predicted."""
    if "segmentation" in predicted:
        p = predicted["segmentation"]
    else:
        p = ((1 - predicted["level_set"]) / 2 + INSIDE).clamp(max=1)
    return torch.cat([1 - p, p], dim=1)


class DualTask(LevelSetMethod):
    """Segmentation, level set and their consistency, or some of them."""

    Options = Options

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        both = options.segmentation and options.level_set
        if not both and (options.consistency or not (options.segmentation or options.level_set)):
            raise UserError(
                f"method `{self.name}`: "
                + ("consistency needs two tasks" if options.consistency else "there is no task"),
                expected="options `segmentation` and `level_set`, "
                + ("both" if options.consistency else "one or both"),
            )
        super().__init__(modalities, classes, network, options)

    @property
    def tasks(self) -> list[str]:
        """Those that the options name."""
        return [task for task in super().tasks if getattr(self.options, task)]

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Dice + beta * level set + a growing weight * consistency; its terms are logged."""
        predicted = self.predicted(batch.images)
        terms = self.supervised(predicted, batch)
        loss = terms.get("dice", 0.0)
        if "level_set" in terms:
            loss = loss + (self.options.beta if "dice" in terms else 1.0) * terms["level_set"]
        if self.options.consistency:
            as_mask = foreground_of(predicted["level_set"], self.options.k)
            terms["consistency"] = (predicted["segmentation"] - as_mask).square().mean()
            weight = self.options.weight * ramp_up(step, self.options.ramp_up)
            loss = loss + weight * terms["consistency"]
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}


METHOD = DualTask
