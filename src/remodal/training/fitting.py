"""The optimisation itself: epochs of batches, the validation curve, checkpoints and stopping."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from remodal.errors import UserError
from remodal.methods.base import Method
from remodal.objectives.batch import Batch, Step
from remodal.process.progress import progress as shown
from remodal.results.curves import Row, curve_row
from remodal.settings import ComputeSettings, RecipeSettings
from remodal.training.checkpoints import (
    Progress,
    read_checkpoint,
    write_checkpoint,
    write_progress,
)
from remodal.training.interruption import Interruption, interruptions
from remodal.training.journal import Journal
from remodal.training.optimisation import advance, make_optimiser, make_schedule, smooth
from remodal.training.patches import PatchSampler, ahead
from remodal.training.validation import validation_dice

#: Training batches for each validation batch (nnU-Net: 250 and 50).
_PER_VALIDATION = 5


class _Objective(nn.Module):
    """A method's objective as a module: Fabric's precision and gradient exchange cover it all."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.network = method.network
        self._method = method

    def forward(self, batch: Mapping[str, Any], step: Mapping[str, int]) -> dict[str, Tensor]:
        """The losses of a batch; records come as their fields: Fabric opens no frozen one."""
        return self._method.objective(Batch(**batch), Step(**step))


class Fitting:
    """One training, from wherever its checkpoint is to its last epoch.

    Args:
        method: what is trained, in place.
        fabric: device, precision and processes.
        recipe: epochs, optimiser, schedule.
        compute: checkpoints, compiling.
        training: makes the batches.
        validation: makes the batches of the validation curve; None: no curve.
        seed: seed of the training.
        classes: names for the curves.
        folder: the training's own folder for checkpoints.
        report: folder that `progress.json` is written to.
        watch: is given the curves after every epoch.
    """

    def __init__(
        self,
        method: Method,
        fabric: Fabric,
        recipe: RecipeSettings,
        compute: ComputeSettings,
        training: PatchSampler,
        validation: PatchSampler | None,
        *,
        seed: int,
        classes: Sequence[str],
        folder: Path,
        report: Path,
        watch: Callable[[Sequence[Row]], None] = lambda rows: None,
    ) -> None:
        self._method, self._fabric = method, fabric
        self._recipe, self._compute = recipe, compute
        self._training, self._validation = training, validation
        self._seed, self._classes = seed, list(classes)
        self._folder, self._report, self._watch = folder, report, watch
        optimiser = make_optimiser(method.parameter_groups(recipe), recipe)
        self._schedule = make_schedule(optimiser, recipe)
        if compute.compile:
            method.network.compile()
        self._module, self._optimiser = fabric.setup(_Objective(method), optimiser)
        self._optimiser_state = optimiser
        share = range(fabric.global_rank, recipe.batch, fabric.world_size)
        self._samples = list(share)
        self._journal: Journal | None = None
        self.progress = Progress()

    def run(self) -> Progress:
        """Train to the last epoch.

        Raises:
            UserError: the loss is not finite.
            Preempted: a signal asked to stop; the state was saved.
            KeyboardInterrupt: Ctrl-C; the state was saved.
        """
        self._journal = Journal(self._folder) if self._fabric.is_global_zero else None
        self._resume()
        began = time.monotonic() - self.progress.seconds
        self._method.network.train()
        with interruptions() as interruption:
            while self.progress.epoch < self._recipe.epochs:
                self._batches(interruption, began)
                self._end_epoch()
                self.progress.seconds = time.monotonic() - began
                self._keep()
        return self.progress

    def _batches(self, interruption: Interruption, began: float) -> None:
        """The iterations of one epoch that are still to do."""
        progress, recipe = self.progress, self._recipe
        iterations = range(progress.iteration, recipe.iterations)
        batches = ahead(
            lambda iteration: self._training.batch(progress.epoch, iteration, self._samples),
            iterations,
        )
        sums = {name: _double(value, self._fabric) for name, value in progress.sums.items()}
        title = f"epoch {progress.epoch + 1}/{recipe.epochs}"
        for batch in shown(batches, title, total=len(iterations)):
            for name, value in self._step(batch).items():
                sums[name] = sums.get(name, _double(0.0, self._fabric)) + value.detach()
            progress.iteration += 1
            if self._stops(interruption):
                progress.seconds = time.monotonic() - began
                # The mean over processes: each goes on from it, and so does their mean.
                progress.sums = {
                    name: float(self._fabric.all_reduce(value)) for name, value in sums.items()
                }
                self._save()
                batches.close()
                self._say(
                    f"stopped by {interruption.cause} and saved in epoch {progress.epoch + 1}, "
                    f"after iteration {progress.iteration}"
                )
                interruption.leave(str(self._folder))
        progress.sums = {name: float(value) for name, value in sums.items()}

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        """One update. What a method draws itself is seeded here, as the patches are."""
        progress, recipe, fabric = self.progress, self._recipe, self._fabric
        key = [self._seed, progress.epoch, progress.iteration, fabric.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))
        step = Step(progress.epoch, progress.iteration, recipe.epochs, recipe.iterations)
        losses = self._module(vars(batch), vars(step))
        fabric.backward(losses["loss"])
        # With a scaled 16-bit loss infinite gradients are part of the game: that step is skipped.
        fabric.clip_gradients(
            self._module,
            self._optimiser,
            max_norm=recipe.gradient_clip,
            error_if_nonfinite=False,
        )
        self._optimiser.step()
        self._optimiser.zero_grad()
        return losses

    def _stops(self, interruption: Interruption) -> bool:
        """Whether to stop after this iteration; all processes must agree on it."""
        asked = interruption.received is not None
        if self._fabric.world_size == 1:
            return asked
        return bool(self._fabric.all_reduce(_double(asked, self._fabric), reduce_op="sum") > 0)

    def _end_epoch(self) -> None:
        """Close the epoch: its means, the validation, the schedule, a row of the curves."""
        progress, recipe = self.progress, self._recipe
        means = {
            name: float(self._fabric.all_reduce(_double(value, self._fabric))) / recipe.iterations
            for name, value in progress.sums.items()
        }
        if not np.isfinite(means["loss"]):
            raise UserError(
                f"the training loss is not finite in epoch {progress.epoch + 1}",
                where=str(self._folder),
                remedy="lower recipe.learning_rate, or set recipe.precision to 32-true",
            )
        progress.smoothed = smooth(progress.smoothed, means["loss"], recipe.loss_smoothing)
        row = curve_row(
            progress.epoch + 1,
            self._optimiser.param_groups[0]["lr"],
            means,
            progress.smoothed,
            self._validate(),
        )
        advance(self._schedule, progress.smoothed)
        progress.curves.append(row)
        progress.epoch, progress.iteration, progress.sums = progress.epoch + 1, 0, {}

    def _validate(self) -> dict[str, float | None]:
        """Dice of each class on the fixed validation patches; empty when it is not their turn."""
        epoch, recipe = self.progress.epoch + 1, self._recipe
        due = epoch % recipe.validate_every == 0 or epoch == recipe.epochs
        if self._validation is None or not due:
            return dict.fromkeys(self._classes)
        count = max(1, recipe.iterations // _PER_VALIDATION)
        batches = ahead(
            lambda iteration: self._validation.batch(0, iteration, self._samples), range(count)
        )
        dice = validation_dice(self._method, batches, self._fabric)
        return dict(zip(self._classes, dice))

    def _keep(self) -> None:
        """Say how far it is, and save what is due."""
        epoch, epochs = self.progress.epoch, self._recipe.epochs
        if epoch % self._compute.checkpoint_every == 0 or epoch == epochs:
            self._save()
        if not self._fabric.is_global_zero:
            return
        write_progress(self._report, self.progress, epochs)
        self._watch(self.progress.curves)
        row = self.progress.curves[-1]
        dice = row["validation_dice"]
        self._say(
            f"epoch {epoch}/{epochs}  loss {row['loss']:.4f}"
            + ("" if dice is None else f"  validation Dice {dice:.4f}")
            + f"  learning rate {row['learning_rate']:.3g}"
        )

    def _save(self) -> None:
        """Write the checkpoint; of a finished training the weights and curves are enough."""
        if not self._fabric.is_global_zero:
            return
        states = {"weights": self._method.network.state_dict()}
        if self.progress.epoch < self._recipe.epochs:
            states["optimiser"] = self._optimiser_state.state_dict()
            states["schedule"] = self._schedule.state_dict()
            states["precision"] = self._fabric.strategy.precision.state_dict()
        write_checkpoint(self._folder, self.progress, states)

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        found = read_checkpoint(self._folder, self._fabric.device)
        if found is None:
            return
        self.progress, states = found
        self._method.network.load_state_dict(states["weights"])
        if "optimiser" in states:
            self._optimiser_state.load_state_dict(states["optimiser"])
            self._schedule.load_state_dict(states["schedule"])
            self._fabric.strategy.precision.load_state_dict(states["precision"])
            self.progress.resumed += 1
        self._say(
            f"continues after epoch {self.progress.epoch}, iteration {self.progress.iteration}"
        )

    def _say(self, line: str) -> None:
        """Say a line once, whatever the number of processes."""
        if self._journal is not None:
            self._journal.say(line)


def _double(value: float, fabric: Fabric) -> Tensor:
    """A sum in 64 bits: what a resumed epoch adds up is bit for bit what an unbroken one does."""
    return torch.tensor(value, dtype=torch.float64, device=fabric.device)
