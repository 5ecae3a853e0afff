"""Methods small enough to train within a test."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from remodal.methods import build_method
from remodal.methods.base import Method
from remodal.objectives.batch import Batch, Step
from remodal.settings import NetworkSettings

NETWORK = NetworkSettings(base_width=4, max_width=8, strides=[(1, 2, 2), (2, 2, 2), (2, 2, 2)])
PHASES = ("arterial", "venous")
FIRST = Step(epoch=0, iteration=0, epochs=1, iterations=1)


def half_labelled(batch):
    """The same batch, with a label for its first sample only."""
    label = batch.label.clone()
    label[1] = -1
    return Batch(batch.images, {"venous": label}, torch.tensor([True, False]))


@pytest.fixture
def build() -> Callable[..., Method]:
    """Build a small method: `build(name, modalities, classes, **options)`.

    It comes with its companions and, where it needs one, a teacher.
    """

    def build_small(name: str, modalities=PHASES, classes: int = 1, **options: Any) -> Method:
        torch.manual_seed(0)
        method = build_method(name, modalities, classes, NETWORK, options)
        if "teacher" in method.roles(modalities):
            teacher = build_method("nnunet", modalities, classes, NETWORK)
            teacher.network.requires_grad_(False)
            method.inputs = {"teacher": teacher}
        method.companions = method.build_companions(NETWORK)
        return method

    return build_small


@pytest.fixture
def loss_of() -> Callable[..., Tensor]:
    """The loss of a step as training takes it, its draws seeded: `loss_of(method, batch, seed)`."""

    def compute(method: Method, batch: Batch, seed: int = 0) -> Tensor:
        torch.manual_seed(seed)
        return method.objective(batch, FIRST)["loss"]

    return compute


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """Make a seeded batch of two patches: `make_batch(modalities, classes, context=...)`."""

    def make(modalities=PHASES, classes: int = 1, seed: int = 0, context=(0, 0, 0)) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        shape = (8, 16, 16)
        whole = [side + 2 * more for side, more in zip(shape, context)]
        images = {name: torch.randn(2, 1, *whole, generator=generator) for name in modalities}
        label = torch.randint(0, classes + 1, (2, *shape), generator=generator)
        return Batch(images, {"venous": label}, torch.ones(2, dtype=torch.bool))

    return make
