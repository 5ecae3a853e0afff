"""The optimisation itself: epochs of batches, the validation curve, checkpoints and stopping."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

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
from remodal.training.kept_weights import KeptWeights
from remodal.training.minimising import make_minimisers, minimise, require_finite
from remodal.training.patches import PatchSampler, ahead
from remodal.training.validation import validation_dice

#: Training batches for each validation batch (nnU-Net: 250 and 50).
_PER_VALIDATION = 5


class Fitting:
    """One training, from its checkpoint, if there is one, to its last epoch.

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
        watch: called with the curves after every epoch.
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
        self._minimisers = make_minimisers(method.optimisations(recipe))
        self._kept = KeptWeights(recipe.checkpoint, method.network)
        if compute.compile:
            method.network.compile()
        share = range(fabric.global_rank, recipe.batch, fabric.world_size)
        self._samples = list(share)
        self._journal: Journal | None = None
        self.progress = Progress()

    def run(self) -> Progress:
        """Train to the last epoch.

        Raises:
            UserError: a loss is not finite.
            Preempted: a signal asked to stop; the state was saved.
            KeyboardInterrupt: Ctrl-C; the state was saved.
        """
        self._journal = Journal(self._folder) if self._fabric.is_global_zero else None
        self._resume()
        began = time.monotonic() - self.progress.seconds
        for network in (self._method.network, *self._method.companions.values()):
            network.train()
        with interruptions() as interruption:
            while self.progress.epoch < self._recipe.epochs:
                self._batches(interruption, began)
                self._end_epoch()
                self.progress.seconds = time.monotonic() - began
                self._keep()
        return self.progress

    def _batches(self, interruption: Interruption, began: float) -> None:
        """Run the remaining iterations of one epoch."""
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
                sums[name] = sums[name] + value if name in sums else value.double()
                progress.counts[name] = progress.counts.get(name, 0) + 1
            progress.iteration += 1
            if self._stops(interruption):
                progress.seconds = time.monotonic() - began
                # Each process goes on from the mean over processes, so the final mean is the same.
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
        """One update. The method's own random draws are seeded here, just as the patches are."""
        progress, recipe, fabric = self.progress, self._recipe, self._fabric
        key = [self._seed, progress.epoch, progress.iteration, fabric.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))
        step = Step(progress.epoch, progress.iteration, recipe.epochs, recipe.iterations)
        with fabric.autocast():
            losses = self._method.objective(batch, step)
        minimise(self._minimisers, losses, fabric)
        self._method.after_step(step)
        for minimiser in self._minimisers.values():
            minimiser.end_iteration()
        return {name: value.detach() for name, value in losses.items()}

    def _stops(self, interruption: Interruption) -> bool:
        """Whether to stop after this iteration; all processes must agree on it."""
        asked = interruption.received is not None
        if self._fabric.world_size == 1:
            return asked
        return bool(self._fabric.all_reduce(_double(asked, self._fabric), reduce_op="sum") > 0)

    def _end_epoch(self) -> None:
        """Close the epoch: mean losses, schedule, validation and a row of the curves."""
        progress = self.progress
        means = {
            name: float(self._fabric.all_reduce(_double(value, self._fabric)))
            / progress.counts[name]
            for name, value in progress.sums.items()
        }
        require_finite(means, self._minimisers, progress.epoch + 1)
        rate = self._minimisers["loss"].learning_rate
        for name, minimiser in self._minimisers.items():
            minimiser.end_epoch(means.get(name))
        smoothed = self._minimisers["loss"].smoothed
        row = curve_row(progress.epoch + 1, rate, means, smoothed, self._validate())
        self._kept.end_epoch(progress, row["validation_dice"])
        progress.curves.append(row)
        progress.epoch, progress.iteration = progress.epoch + 1, 0
        progress.sums, progress.counts = {}, {}
        if progress.epoch == self._recipe.epochs:
            self._kept.put_back()

    def _validate(self) -> dict[str, float | None]:
        """Dice of each class on the fixed validation patches; None in epochs without validation."""
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
        """Save a checkpoint if one is due, and report progress."""
        epoch, epochs = self.progress.epoch, self._recipe.epochs
        if epoch % self._compute.checkpoint_every == 0 or epoch == epochs:
            self._save()
        if not self._fabric.is_global_zero:
            return
        write_progress(self._report, self.progress, epochs)
        self._watch(self.progress.curves)
        row = self.progress.curves[-1]
        shown = (("loss", "loss", ".4f"), ("validation Dice", "validation_dice", ".4f"))
        said = [
            f"{words} {row[key]:{digits}}"
            for words, key, digits in (*shown, ("learning rate", "learning_rate", ".3g"))
            if row.get(key) is not None
        ]
        self._say("  ".join([f"epoch {epoch}/{epochs}", *said]))

    def _save(self) -> None:
        """Write the checkpoint; for a finished training the weights and curves are enough."""
        if not self._fabric.is_global_zero:
            return
        states = {"weights": self._method.network.state_dict()}
        if self.progress.epoch < self._recipe.epochs:
            states |= {key: part.state_dict() for key, part in self._unfinished().items()}
        write_checkpoint(self._folder, self.progress, states)

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        found = read_checkpoint(self._folder, self._fabric.device)
        if found is None:
            return
        self.progress, states = found
        self._method.network.load_state_dict(states["weights"])
        if self.progress.epoch < self._recipe.epochs:
            for key, part in self._unfinished().items():
                part.load_state_dict(states[key])
            self.progress.resumed += 1
        self._say(
            f"continues after epoch {self.progress.epoch}, iteration {self.progress.iteration}"
        )

    def _unfinished(self) -> dict[str, Any]:
        """Everything besides the weights that has a state in an unfinished training, by name."""
        return {
            "precision": self._fabric.strategy.precision,
            "kept": self._kept,
            **{f"companion {name}": net for name, net in self._method.companions.items()},
            **{f"minimiser {name}": one for name, one in self._minimisers.items()},
        }

    def _say(self, line: str) -> None:
        """Say a line once, whatever the number of processes."""
        if self._journal is not None:
            self._journal.say(line)


def _double(value: float, fabric: Fabric) -> Tensor:
    """A 64-bit sum, so that a resumed epoch adds up bit for bit as an uninterrupted one does."""
    return torch.tensor(value, dtype=torch.float64, device=fabric.device)
