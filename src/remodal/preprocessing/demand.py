"""How much memory the methods of a study need for a patch, as a multiple of one U-Net's.

Measured on the networks themselves, so that a method need not declare it: each takes a step of its
training on tensors without values, and what is kept for gradients is counted, also in networks that
serve only the training. That is what fills a GPU.
"""

import sys
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from remodal.settings import MethodSettings, NetworkSettings, Settings

if TYPE_CHECKING:
    from torch import Tensor

    from remodal.methods.base import Method

#: The method that is one U-Net, whose memory nnU-Net plans for.
_UNIT = "nnunet"
#: Sides of the patch, in multiples of what they must be a multiple of.
_SIDES = 4
#: Samples of the step: one with a label and, for methods that take such, one without.
_SAMPLES = 2
#: Steps that are taken of a method that draws what it sees, such as a subset of its images.
_DRAWS = 6


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
    unit = MethodSettings(type=_UNIT, modalities=settings.data.modalities[:1])
    one = _memory(settings, unit)
    found = [
        Demand(name, max(1.0, round(_memory(settings, method) / one, 1)))
        for name, method in settings.methods.items()
        if "patch" not in method.recipe
    ]
    return max(found, key=lambda demand: demand.times, default=Demand("", 1.0))


def _memory(settings: Settings, chosen: MethodSettings) -> float:
    """Bytes for each voxel of a patch that are kept for gradients; 0: the method learns none.

    A method whose losses do what tensors without values cannot, such as to look at them, is
    measured by what it predicts; if its network does so, it is taken for one U-Net. Both are said
    on standard error.
    """
    method = _built(settings, chosen)
    if not method.learns:
        return 0.0
    method.inputs = {
        role: _frozen(_built(settings, settings.methods[name]))
        for role, name in chosen.inputs.items()
    }
    for measured, instead in (
        (_of_steps, "without what it needs in training only"),
        (_of_prediction, "as one U-Net"),
    ):
        try:
            return measured(method, settings)
        except (NotImplementedError, RuntimeError, TypeError) as error:
            what = str(error).partition("\n")[0]
            print(f"remodal: `{chosen.type}` is planned for {instead}: {what}", file=sys.stderr)
    return 0.0


def _built(settings: Settings, chosen: MethodSettings) -> "Method":
    """A method with its companions, all without values."""
    from remodal.methods import build_method
    from remodal.networks.unfilled import unfilled

    modalities, classes = chosen.modalities or settings.data.modalities, len(settings.data.classes)
    with unfilled():
        method = build_method(
            chosen.type, modalities, classes, settings.network, dict(chosen.options)
        )
        method.companions = method.build_companions(settings.network)
    return method


def _frozen(method: "Method") -> "Method":
    method.network.requires_grad_(False).eval()
    return method


def _of_steps(method: "Method", settings: Settings) -> float:
    """What a step of training keeps; the most of several if the method draws what it sees."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        before = torch.get_rng_state()
        found = [_of_step(method, settings)]
        if not torch.equal(before, torch.get_rng_state()):
            found += [_of_step(method, settings) for _ in range(_DRAWS - 1)]
    return max(found)


def _of_step(method: "Method", settings: Settings) -> float:
    import torch

    from remodal.objectives.batch import Batch, Step

    sides = _sides(method, settings.network)
    of_own = method.modalities if settings.data.truth == "image" else method.modalities[:1]
    labels = {
        name: torch.empty(_SAMPLES, *sides, dtype=torch.long, device="meta") for name in of_own
    }
    labelled = torch.tensor([True] * _SAMPLES)
    labelled[1:] = not method.takes_unlabelled
    batch = Batch(_images(method, sides, _SAMPLES), labels, labelled)
    recipe = settings.recipe
    # In the middle of the training, where losses that begin late are there.
    step = Step(recipe.epochs // 2, 0, recipe.epochs, recipe.iterations)
    return _kept(method, lambda: method.objective(batch, step)) / (_SAMPLES * prod(sides))


def _of_prediction(method: "Method", settings: Settings) -> float:
    sides = _sides(method, settings.network)
    images = _images(method, sides, 1)
    return _kept(method, lambda: method.probabilities(images)) / prod(sides)


def _sides(method: "Method", network: NetworkSettings) -> list[int]:
    return [_SIDES * step for step in method.patch_multiple(network)]


def _images(method: "Method", sides: list[int], samples: int) -> dict[str, "Tensor"]:
    import torch

    larger = [side + 2 * more for side, more in zip(sides, method.context)]
    return {name: torch.empty(samples, 1, *larger, device="meta") for name in method.modalities}


def _kept(method: "Method", act: Callable[[], object]) -> int:
    """Bytes that are kept for gradients while the method does something, besides its weights."""
    import torch
    from torch.autograd.graph import saved_tensors_hooks

    networks = (method.network, *method.companions.values())
    weights = {one.untyped_storage()._cdata for each in networks for one in each.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        # Views of one storage are kept once; holding them keeps the addresses from being reused.
        kept.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        answer = act()
    del answer
    stored = [one for address, one in kept.items() if address not in weights]
    return sum(one.untyped_storage().nbytes() for one in stored)
