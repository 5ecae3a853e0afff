"""What a method is: a network, an objective, what minimises it, and a prediction rule.

A method is one file in this folder that binds one subclass of `Method` to the name `METHOD`; a
study's YAML refers to the method by the file's name.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn

from remodal.errors import UserError
from remodal.methods.bases.optimisation import Optimisation, minimised_together
from remodal.networks.input_kernels import shared_among_inputs
from remodal.objectives.batch import Batch, Step
from remodal.settings import NetworkSettings, RecipeSettings, Section

#: Role of an input model whose weights a method starts from.
START = "start"


class NoOptions(Section):
    """Options of a method that has none."""


class LossOptions(Section):
    """Options of a method that is trained with cross-entropy and Dice."""

    dice_over: Literal["sample", "batch"] = Field(
        "batch",
        description="Whether a Dice term is of the whole `batch` (nnU-Net where its plan has a "
        "low-resolution stage too, as for a liver's CT in patches of 128^3) or of each `sample` "
        "(nnU-Net where a patch holds most of an image).",
    )


class Method(ABC):
    """One row of a table.

    A training first builds the network, then gives it its starting weights (`load`, `start_from`),
    then builds the companions. In each iteration it computes the losses of a batch (`objective`),
    minimises those that `optimisations` names and calls `after_step`. Only the network is saved as
    the model.

    Attributes:
        network: the network that predicts.
        companions: networks that serve only the training, such as a teacher or a discriminator,
            by name. They are saved in checkpoints and are on the training's device.
        inputs: trained models, by role: frozen (evaluation mode, no gradients of their weights)
            and on the training's device.

    Args:
        modalities: names of the inputs, in order. The method is trained on the cases that have all
            of them: a case that lacks one is left out.
        classes: number of foreground classes; networks output `classes + 1` channels.
        network: sizes of the network.
        options: the method's own options, already checked against `Options`.

    Raises:
        UserError: fewer modalities than the method needs.
    """

    Options: ClassVar[type[BaseModel]] = NoOptions

    #: The fewest modalities with which the method makes sense.
    fewest_modalities: ClassVar[int] = 1

    #: Whether `train` optimises anything (False: the model is assembled from its inputs).
    learns: bool = True

    #: Whether the objective makes use of unlabelled samples (`Batch.labelled`); if not, a recipe
    #: that gives the method such samples is refused.
    takes_unlabelled: ClassVar[bool] = False

    #: Whether the method is pointless without unlabelled samples; if so, a recipe that gives it
    #: none is refused.
    needs_unlabelled: ClassVar[bool] = False

    #: Whether a training case of which only some of the wanted labels exist is of use, for its
    #: images that have one; if not, it counts as unlabelled.
    one_label_will_do: bool = False

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        self.modalities = list(modalities)
        self.classes = classes
        self.options: Any = options
        if len(self.modalities) < self.fewest_modalities:
            raise UserError(
                f"method `{self.name}` cannot be built for {listed(self.modalities)} alone",
                expected=f"at least {self.fewest_modalities} modalities",
            )
        # Convolutions are faster in channels-last order, on a CPU and on a GPU with bf16.
        self.network: nn.Module = channels_last(self.build(network))
        self.companions: dict[str, nn.Module] = {}
        self.inputs: dict[str, Method] = {}

    @property
    def name(self) -> str:
        """Name of the module that holds the method, as used in messages."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def context(self) -> tuple[int, int, int]:
        """Voxels (z, y, x) that the network sees on either side of what it predicts.

        With (1, 0, 0) and patches of one slice a method is 2.5-D: its images are (B, 1, 3, Y, X);
        labels and probabilities are of the middle slice. Outside an image, all voxels are zero. The
        context belongs to the method, not to the recipe, since the network is built for this number
        of slices.
        """
        return (0, 0, 0)

    @abstractmethod
    def build(self, network: NetworkSettings) -> nn.Module:
        """The network, initialised."""

    @abstractmethod
    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Losses of a batch, by name; their means are the curves.

        Those that `optimisations` names are minimised; any others are only logged. A loss that is
        left out is not minimised in this step, so that losses may take turns.

        Args:
            batch: images of all the method's modalities, with their context, and labels.
            step: how far the training has come.
        """

    @abstractmethod
    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Softmax probabilities, (B, classes + 1, Z, Y, X), from the modalities that are present.

        Args:
            images: for each modality that is present a (B, 1, Z, Y, X) image, larger by `context`
                at both ends of each axis.

        Raises:
            UserError: this method cannot predict from these modalities.
        """

    def learnt_labels(self, labels: Sequence[str]) -> list[str]:
        """The images whose labels training needs, among those given.

        A training case that lacks one of these labels counts as unlabelled, unless
        `one_label_will_do`. Default: all.

        Args:
            labels: the images of the method's modalities that have labels.
        """
        return list(labels)

    def probabilities_of(self, images: Mapping[str, Tensor], target: str) -> Tensor:
        """As `probabilities`, for one of several images that each have a ground truth of their own.

        Default: the same whichever image is asked for, as for a method that knows only one truth.

        Args:
            images: as for `probabilities`.
            target: the modality to segment; empty where all images share one truth.
        """
        return self.probabilities(images)

    def supports(self, present: Iterable[str]) -> bool:
        """Whether the method can predict from these modalities (default: exactly its own)."""
        return set(self.modalities) == set(present)

    def segments(self, target: str) -> bool:
        """Whether the method can segment this image (default: each of its own modalities)."""
        return target in self.modalities

    def answered_by(self, present: Iterable[str]) -> str:
        """What predicts from these modalities, in words, if the method has several such parts."""
        return ""

    @property
    def maps(self) -> list[str]:
        """Names of the maps that `attention` gives of all the modalities (default: none)."""
        return []

    def attention(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Maps worth showing, (B, 1, Z, Y, X) by name, for example A_i; none by default."""
        return {}

    def with_attention(
        self, images: Mapping[str, Tensor], target: str
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What `probabilities_of` and `attention` give of all the modalities.

        Default: one after the other. A method whose network gives both at once computes them here
        in one pass, to the same values.
        """
        return self.probabilities_of(images, target), self.attention(images)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Start from the weights of a file (default: loaded into the network by name).

        A kernel of one image is shared out among several: see `shared_among_inputs`.

        Raises:
            RuntimeError: they do not fit.
        """
        self.network.load_state_dict(shared_among_inputs(weights, self.network))

    @classmethod
    def patch_multiple(cls, network: NetworkSettings) -> tuple[int, int, int]:
        """What the sides (z, y, x) of a patch are multiples of: how much a network shrinks it.

        Default: the product of `network.strides`. A method whose backbone has strides of its own
        returns theirs.
        """
        return network.factor

    @classmethod
    def roles(cls, modalities: Sequence[str]) -> set[str]:
        """Roles that the method's input models may have (default: to start from its weights)."""
        return {START}

    def start_from(self, inputs: Mapping[str, "Method"]) -> None:
        """Take over weights of trained models, by role (default: all those of role `START`).

        A kernel of one image is shared out among several: see `shared_among_inputs`.

        Raises:
            RuntimeError: they do not fit.
        """
        if START in inputs:
            weights = inputs[START].network.state_dict()
            self.network.load_state_dict(shared_among_inputs(weights, self.network))

    def build_companions(self, network: NetworkSettings) -> dict[str, nn.Module]:
        """Networks that serve only the training, by name (default: none)."""
        return {}

    def optimisations(self, recipe: RecipeSettings) -> dict[str, Optimisation]:
        """How each loss to be minimised is minimised; `loss` trains the network and must be there.

        Args:
            recipe: the method's; for a second loss that needs other values, change them in a copy.
        """
        return minimised_together([self.network], recipe)

    def after_step(self, step: Step) -> None:
        """Called after every step of the optimisers, for moving averages (default: nothing)."""

    def in_order(self, images: Mapping[str, Tensor]) -> list[Tensor]:
        """The images of all the method's modalities, in its order."""
        return [images[name] for name in self.modalities]

    def in_slots(
        self, images: Mapping[str, Tensor], chosen: Iterable[str] | None = None
    ) -> list[Tensor | None]:
        """The image of each of the method's modalities, in its order; None where it is missing.

        Args:
            images: those that there are.
            chosen: the modalities to take; None: all that there are.
        """
        taken = images if chosen is None else set(chosen)
        return [images.get(name) if name in taken else None for name in self.modalities]

    def require_support(self, present: Iterable[str]) -> None:
        """Check that the method can predict from these modalities.

        Raises:
            UserError: it cannot; the message names the modalities that it can predict from.
        """
        if self.supports(present):
            return
        subsets = [
            listed(subset)
            for size in range(len(self.modalities), 0, -1)
            for subset in combinations(self.modalities, size)
            if self.supports(subset)
        ]
        raise UserError(
            f"method `{self.name}` cannot predict from {listed(present) or 'no image'}",
            expected=" or ".join(subsets),
        )

    def require_target(self, target: str, present: Iterable[str]) -> None:
        """Check that the method can segment an image.

        Args:
            target: the image; empty where all images share one truth.
            present: the modalities that it is to be segmented from.

        Raises:
            UserError: it cannot; the message names those that it can segment.
        """
        if target and not (target in present and self.segments(target)):
            able = [name for name in self.modalities if self.segments(name)]
            raise UserError(
                f"method `{self.name}` cannot segment {target}", expected=" or ".join(able)
            )


def channels_last(network: nn.Module) -> nn.Module:
    """Put the weights of a network's 2-D and 3-D convolutions in channels-last order, in place."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for weight in network.parameters():
        if weight.dim() in formats:
            weight.data = weight.data.to(memory_format=formats[weight.dim()])
    return network


def named_modality(method: str, option: str, name: str, modalities: Sequence[str]) -> str:
    """The modality that an option of a method names.

    Raises:
        UserError: the method has no such modality.
    """
    if name not in modalities:
        raise UserError(
            f"method `{method}`, option `{option}`: there is no modality `{name}`",
            expected=f"one of {', '.join(modalities)}",
        )
    return name


def some_of(modalities: Iterable[str], present: Iterable[str]) -> bool:
    """Whether what is present is at least one of the modalities, and nothing else."""
    return set() < set(present) <= set(modalities)


def listed(names: Iterable[str]) -> str:
    """Names joined for a sentence."""
    return " + ".join(names)
