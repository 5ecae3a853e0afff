"""The train stage: from a fold's preprocessed cases to a model's folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from remodal.methods import check_unlabelled
from remodal.methods.base import Method
from remodal.models.model_files import WEIGHTS, describe, save_model
from remodal.preprocessing.fingerprint import read_fingerprint
from remodal.results.curves import write_curves
from remodal.results.files import write_json
from remodal.results.paths import Training
from remodal.settings import RecipeSettings, Settings
from remodal.settings.stages import depends_on
from remodal.tracking.live import live_view
from remodal.training.checkpoints import Progress, identity
from remodal.training.devices import make_fabric, repeatable
from remodal.training.fitting import Fitting
from remodal.training.record import training_record
from remodal.training.samples import open_samples
from remodal.training.starting import require_method_of_study, starting_method


@dataclass(frozen=True)
class _Task:
    """What is to be trained, and from what."""

    settings: Settings
    method: str
    fold: int
    seed: int
    preprocessed: Path
    splits: Path
    fingerprint: Path
    inputs: dict[str, Path]
    checkpoints: Path

    @property
    def recipe(self) -> RecipeSettings:
        """How the method is trained."""
        return self.settings.recipe_of(self.method)


def train(
    settings: Settings,
    method_name: str,
    fold: int,
    seed: int,
    preprocessed: Path,
    splits: Path,
    fingerprint: Path,
    inputs: Mapping[str, Path],
    output: Path,
    checkpoints: Path,
) -> None:
    """Train one model, or go on with one that was stopped.

    Args:
        settings: effective settings of the study.
        method_name: key of `settings.methods`.
        fold: number of the fold.
        seed: seed of weights, patches and augmentation.
        preprocessed: folder of the fold's preprocessed cases.
        splits: splits.json.
        fingerprint: fingerprint.json of the fold.
        inputs: folders of the trained models that the method is given, by role.
        output: folder for model.safetensors, model.json, curves.csv and training.json.
        checkpoints: folder for `progress.json` and, in a subfolder named by a digest of settings,
            code, data and inputs, the state of an unfinished training.

    Raises:
        UserError: unknown method or missing input model, missing or unusable cases, a device that
            is not available, or a loss that is not finite.
        Preempted: stopped by a signal, after saving.
    """
    task = _Task(
        settings,
        method_name,
        fold,
        seed,
        preprocessed,
        splits,
        fingerprint,
        dict(inputs),
        checkpoints,
    )
    require_method_of_study(settings, method_name)
    description = describe(settings, method_name, fold, seed, read_fingerprint(fingerprint))
    kind = settings.methods[method_name].type
    check_unlabelled(kind, task.recipe, f"methods.{method_name}, recipe.pools")
    fabric = make_fabric(task.recipe, settings.compute)
    method = starting_method(settings, method_name, seed, task.inputs, fabric.device)
    progress, about = _learn(task, method, fabric) if method.learns else (Progress(), {})
    if not fabric.is_global_zero:
        return
    write_curves(output / "curves.csv", progress.curves)
    about |= training_record(settings, Training(method_name, fold, seed), method, fabric, progress)
    write_json(output / "training.json", about)
    save_model(output, method, description | {"options": method.options.model_dump(mode="json")})


def _learn(task: _Task, method: Method, fabric: Fabric) -> tuple[Progress, dict[str, Any]]:
    """Optimise the method; return its progress, and what it was trained on."""
    samples = open_samples(
        task.settings,
        task.method,
        method,
        task.fold,
        task.seed,
        task.preprocessed,
        task.splits,
        fabric.device,
    )
    known_as = _identity(task, samples.cases)
    with (
        repeatable(fabric.device),
        live_view(task.settings, task.method, task.fold, task.seed, known_as) as watch,
    ):
        fitting = Fitting(
            method,
            fabric,
            task.recipe,
            task.settings.compute,
            samples.training,
            samples.validation,
            seed=task.seed,
            classes=list(task.settings.data.classes),
            folder=task.checkpoints / known_as,
            report=task.checkpoints,
            watch=watch,
        )
        return fitting.run(), samples.about


def _identity(task: _Task, cases: list[str]) -> str:
    """Name of this training's own folder: nothing else may continue from its checkpoint."""
    parts = {
        "stage": depends_on(task.settings, "train", task.method),
        "fold": task.fold,
        "seed": task.seed,
    }
    files = [task.splits, task.fingerprint, *(task.preprocessed / f"{case}.json" for case in cases)]
    return identity(parts, [*files, *(folder / WEIGHTS for folder in task.inputs.values())])
