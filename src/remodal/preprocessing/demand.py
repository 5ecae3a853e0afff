"""How much memory the methods of a study need for a patch, as a multiple of one U-Net's.

Measured on the networks themselves, so that a method need not declare it: each predicts from
tensors without values, and what it would keep for its gradients is counted. That is what fills a
GPU in training.
"""

import sys
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from remodal.settings import NetworkSettings, Settings

if TYPE_CHECKING:
    from remodal.methods.base import Method

#: The method that is one U-Net, whose memory nnU-Net plans for.
_UNIT = "nnunet"
#: Sides of the patch, in multiples of what they must be a multiple of.
_SIDES = 4


class Demand(NamedTuple):
    """The method of a study that needs the most memory for a patch.

    Attributes:
        method: its name in the study.
        times: how many times that of one U-Net, to a tenth; 1 at least.
    """

    method: str
    times: float


def most_demanding(settings: Settings) -> Demand:
    """The method that a planned patch must leave memory for.

    Methods that train nothing, or whose recipe has a patch of its own, are not asked.

    Args:
        settings: the study; its network need not be planned.

    Raises:
        UserError: a method that cannot be built.
    """
    one = _memory(settings, _UNIT, settings.data.modalities[:1], {})
    found = [
        Demand(name, max(1.0, round(_of_method(settings, name) / one, 1)))
        for name, method in settings.methods.items()
        if "patch" not in method.recipe
    ]
    return max(found, key=lambda demand: demand.times, default=Demand("", 1.0))


def _of_method(settings: Settings, name: str) -> float:
    method = settings.methods[name]
    return _memory(settings, method.type, settings.modalities_of(name), method.options)


def _memory(
    settings: Settings, method_type: str, modalities: list[str], options: Mapping[str, object]
) -> float:
    """Bytes for each voxel of a patch that the network keeps for its gradients; 0: it learns none.

    A network that does what tensors without values cannot, such as to look at its values, is taken
    for one U-Net, which is said on standard error.
    """
    import torch

    from remodal.methods import build_method

    classes = len(settings.data.classes)
    with torch.device("meta"):
        method = build_method(method_type, modalities, classes, settings.network, dict(options))
        if not method.learns:
            return 0.0
        try:
            return _kept(method, settings.network)
        except (NotImplementedError, RuntimeError) as error:
            what = str(error).partition("\n")[0]
            print(f"remodal: `{method_type}` is planned for as one U-Net: {what}", file=sys.stderr)
            return 0.0


def _kept(method: "Method", network: NetworkSettings) -> float:
    """What a prediction keeps besides the weights, in bytes for each voxel of the patch."""
    import torch
    from torch.autograd.graph import saved_tensors_hooks

    sides = [_SIDES * step for step in method.patch_multiple(network)]
    larger = [side + 2 * more for side, more in zip(sides, method.context)]
    images = {name: torch.empty(1, 1, *larger) for name in method.modalities}
    weights = {one.untyped_storage()._cdata for one in method.network.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        # Views of one storage are kept once; holding them keeps the addresses from being reused.
        kept.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        answer = method.probabilities(images)
    del answer
    stored = [one for address, one in kept.items() if address not in weights]
    return sum(one.untyped_storage().nbytes() for one in stored) / prod(sides)
