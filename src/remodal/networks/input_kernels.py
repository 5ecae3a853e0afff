"""Weights of a network that saw one image, for the same network with several."""

from collections.abc import Mapping

from torch import Tensor, nn


def shared_among_inputs(weights: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights in which each kernel of one input is given to all inputs that the network has there.

    Every input gets the kernel divided by their number, so that several equal images are seen as
    the one image was. All other weights stay as they are, whether or not they fit.

    Args:
        weights: of a network, by name.
        network: the one that is to get them.
    """
    own = network.state_dict()
    return {name: _shared(weight, own.get(name)) for name, weight in weights.items()}


def _shared(weight: Tensor, own: Tensor | None) -> Tensor:
    """A convolution's weight (outputs, 1, ...) as one of (outputs, inputs, ...)."""
    if own is None or weight.dim() < 3 or weight.shape[1] != 1 or own.dim() != weight.dim():
        return weight
    inputs = own.shape[1]
    if inputs == 1 or weight.shape[:1] + weight.shape[2:] != own.shape[:1] + own.shape[2:]:
        return weight
    return weight.expand_as(own) / inputs
