"""What a method is: a network, an objective, optimisers and a prediction rule.

A method is one file in this folder that holds one subclass of `Method` named `METHOD`; the file's
name is the name that a study's YAML calls it by.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel
from torch import Tensor, nn

from remodal.config import NetworkSettings, Section, TrainingSettings


class NoOptions(Section):
    """Options of a method that has none."""


class Method(ABC):
    """One row of a table.

    Args:
        modalities: names of the inputs, in order.
        classes: number of foreground classes; networks give `classes + 1` channels.
        network: sizes.
        options: the method's own options, already checked against `Options`.
    """

    Options: ClassVar[type[BaseModel]] = NoOptions

    #: Whether `train` optimises anything (False: the model is assembled from its inputs).
    learns: bool = True

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        self.modalities = list(modalities)
        self.classes = classes
        self.options = options
        self.network: nn.Module = self.build(network)

    @abstractmethod
    def build(self, network: NetworkSettings) -> nn.Module:
        """The network, initialised."""

    @abstractmethod
    def objective(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Losses of a batch: `loss` is minimised, any other entry is only logged.

        Args:
            batch: for each modality a (B, 1, Z, Y, X) image, and `label` (B, Z, Y, X) int64.
        """

    @abstractmethod
    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Softmax probabilities, (B, classes + 1, Z, Y, X), from the modalities that are present.

        Args:
            images: for each modality that is present a (B, 1, Z, Y, X) image.

        Raises:
            UserError: this method cannot do without a modality that is missing.
        """

    def supports(self, present: Sequence[str]) -> bool:
        """Whether the method can predict from these modalities (default: from all it knows)."""
        return set(self.modalities) <= set(present)

    def attention(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Maps worth showing, name to (B, 1, Z, Y, X), for example A_i; none by default."""
        return {}

    def start_from(self, inputs: Mapping[str, "Method"]) -> None:
        """Take over weights of other trained methods, by role (default: nothing to take)."""

    def parameter_groups(self, training: TrainingSettings) -> list[dict]:
        """Parameter groups of the optimiser."""
        return [{"params": [p for p in self.network.parameters() if p.requires_grad]}]
