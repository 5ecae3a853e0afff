"""Minimising the losses of an objective, each by its own optimiser, which changes only its weights.

All gradients are of the same weights: every loss is propagated back before any optimiser steps, and
a loss leaves gradients in its own parameters only. A segmentation loss may therefore pass through a
discriminator without training it, in the same iteration that trains the discriminator.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from remodal.errors import UserError
from remodal.methods.bases.optimisation import Optimisation
from remodal.training.gradients import average_gradients
from remodal.training.optimisation import advance, make_optimiser, make_schedule, smooth


class Minimiser:
    """Minimises one loss. Its schedule begins with its first step.

    Args:
        optimisation: the parameters that it changes, and how.
    """

    def __init__(self, optimisation: Optimisation) -> None:
        self.recipe = optimisation.recipe
        self.optimiser = make_optimiser(optimisation.parameters, self.recipe)
        self.schedule = make_schedule(self.optimiser, self.recipe)
        self.smoothed: float | None = None
        self._begun = False

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All parameters that it changes."""
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    @property
    def learning_rate(self) -> float:
        """The learning rate of its first group of parameters."""
        return self.optimiser.param_groups[0]["lr"]

    def step(self, scaler: torch.amp.GradScaler | None) -> None:
        """Update the weights from their gradients, which are then cleared."""
        if scaler is None:
            self.optimiser.step()
        else:
            scaler.step(self.optimiser)
        self.optimiser.zero_grad()
        self._begun = True

    def end_iteration(self) -> None:
        """Move the schedule on if it counts iterations."""
        if self._begun and self.recipe.schedule_in == "iterations":
            advance(self.schedule, self.smoothed)

    def end_epoch(self, loss: float | None) -> None:
        """Take note of the epoch's mean loss (None: it did not occur); move the schedule on."""
        if loss is not None:
            self.smoothed = smooth(self.smoothed, loss, self.recipe.loss_smoothing)
        if self._begun and self.recipe.schedule_in == "epochs":
            advance(self.schedule, self.smoothed)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return {
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "smoothed": self.smoothed,
            "begun": self._begun,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.smoothed, self._begun = state["smoothed"], state["begun"]


def make_minimisers(optimisations: Mapping[str, Optimisation]) -> dict[str, Minimiser]:
    """A minimiser for each loss that is minimised.

    Raises:
        ValueError: two losses would change the same parameter.
    """
    minimisers = {name: Minimiser(optimisation) for name, optimisation in optimisations.items()}
    everything = [id(p) for minimiser in minimisers.values() for p in minimiser.parameters]
    if len(everything) != len(set(everything)):
        raise ValueError(f"the losses {', '.join(minimisers)} share a parameter: add them up")
    return minimisers


def minimise(
    minimisers: Mapping[str, Minimiser], losses: Mapping[str, Tensor], fabric: Fabric
) -> None:
    """Take one step of every minimiser whose loss is present; the others wait.

    Args:
        minimisers: by the loss that they minimise.
        losses: of a batch; those that no minimiser minimises are ignored.
        fabric: precision and processes.
    """
    due = {name: minimiser for name, minimiser in minimisers.items() if name in losses}
    for number, (name, minimiser) in enumerate(due.items(), 1):
        # Losses may share part of their graphs, so the graphs are freed only with the last one.
        fabric.backward(
            losses[name].float(), inputs=minimiser.parameters, retain_graph=number < len(due)
        )
    for minimiser in due.values():
        average_gradients(minimiser.parameters, fabric)
        # Infinite gradients are normal with a scaled 16-bit loss: the scaler skips that step.
        if minimiser.recipe.gradient_clip is not None:
            fabric.strategy.precision.unscale_gradients(minimiser.optimiser)
            nn.utils.clip_grad_norm_(minimiser.parameters, minimiser.recipe.gradient_clip)
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    for minimiser in due.values():
        minimiser.step(scaler)
    if scaler is not None and due:
        # Once for all minimisers: their losses were scaled alike.
        scaler.update()


def require_finite(means: Mapping[str, float], names: Iterable[str], epoch: int) -> None:
    """Check an epoch's mean losses.

    Args:
        means: of the losses that occurred.
        names: the losses that are minimised.
        epoch: number from 1.

    Raises:
        UserError: a loss that is minimised is not finite.
    """
    wrong = [f"`{name}`" for name in names if not np.isfinite(means.get(name, 0.0))]
    if wrong:
        raise UserError(
            f"the training's {' and '.join(wrong)} is not finite in epoch {epoch}",
            remedy="lower recipe.learning_rate, or set recipe.precision to 32-true",
        )
