"""What is changed to minimise each loss of a method, and how."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from remodal.settings import RecipeSettings


@dataclass(frozen=True)
class Optimisation:
    """What is changed to minimise a loss, and how.

    Attributes:
        parameters: groups as torch's optimisers take them, with arguments of their own (`lr`,
            `betas`) where they differ from the recipe. No other weight gets a gradient from the
            loss.
        recipe: optimiser, learning rate, schedule and clipping.
    """

    parameters: list[dict[str, Any]]
    recipe: RecipeSettings


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The weights of a network that are not frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def minimised_together(
    networks: Iterable[nn.Module], recipe: RecipeSettings
) -> dict[str, Optimisation]:
    """One loss that trains several networks."""
    groups = [{"params": trainable(network)} for network in networks]
    return {"loss": Optimisation(groups, recipe)}


def by_own_adam(
    network: nn.Module, recipe: RecipeSettings, rate: float, **arguments: Any
) -> Optimisation:
    """A network's own Adam at a constant learning rate, without weight decay or clipping.

    Args:
        network: all its weights that are not frozen are changed.
        recipe: the method's; only what does not concern the optimiser is taken from it.
        rate: the learning rate.
        arguments: of torch's optimiser, such as `betas`.
    """
    own = {
        **{"optimiser": "adam", "amsgrad": False, "weight_decay": 0.0, "gradient_clip": None},
        **{"learning_rate": rate, "schedule": "constant"},
    }
    groups = [{"params": trainable(network), **arguments}]
    return Optimisation(groups, recipe.model_copy(update=own))
