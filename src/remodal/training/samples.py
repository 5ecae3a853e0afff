"""Where the batches of a training and of its validation come from: cases of a fold, opened."""

from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from remodal.errors import UserError
from remodal.methods.base import Method
from remodal.settings import RecipeSettings, Settings
from remodal.splits import fold_of, read_splits
from remodal.training.cases import (
    TrainingCase,
    WantedLabels,
    choose_place,
    load_cases,
    require_foreground,
    usable_cases,
)
from remodal.training.choice import Cases, Choice, choose_cases
from remodal.training.patches import TRAINING, VALIDATION, PatchSampler, Pool


@dataclass(frozen=True)
class Samples:
    """What a training takes its batches from.

    Attributes:
        training: makes the training batches.
        validation: makes those of the validation curve; None: there is no validation case.
        cases: all cases that are read.
        about: for the training's record: the `cases` by their use, where they are held (`cache`),
            and which cases are `incomplete`, `partly_labelled`, `unused` or `quarantined`.
    """

    training: PatchSampler
    validation: PatchSampler | None
    cases: list[str]
    about: dict[str, Any]


def open_samples(
    settings: Settings,
    name: str,
    method: Method,
    fold: int,
    seed: int,
    preprocessed: Path,
    splits: Path,
    device: torch.device,
) -> Samples:
    """Choose a fold's cases for a method, and open them.

    Args:
        settings: of the study.
        name: key of `settings.methods`.
        method: the method itself.
        fold: number of the fold.
        seed: of the training.
        preprocessed: folder of the fold's preprocessed cases.
        splits: splits.json.
        device: the training device.

    Raises:
        UserError: missing or unusable cases, fewer labelled or unlabelled ones than the recipe
            wants, no validation case to choose a checkpoint by, or a method that knows only one
            ground truth while each image has its own.
    """
    recipe, split = settings.recipe_of(name), read_splits(splits)
    sets = fold_of(split, fold, splits)
    labels = _labels(settings, name, method)
    choice = choose_cases(
        usable_cases(preprocessed, sets["train"]),
        usable_cases(preprocessed, sets["validation"]),
        method.modalities,
        labels,
        recipe,
        known={*split["modalities"], *chain.from_iterable(sets.values())},
    )
    _require_choosable(recipe, choice, splits)
    place = choose_place(preprocessed, choice.used, labels, settings.compute.cache, device)

    def opened(cases: Cases) -> list[TrainingCase]:
        return load_cases(preprocessed, cases, method.modalities, labels, place, device)

    # Pools of one kind share their cases, which may fill the device's memory.
    of_kind = {
        kind: opened(choice.labelled if kind == "labelled" else choice.unlabelled)
        for kind in dict.fromkeys(source.cases for source in recipe.sources)
    }
    require_foreground(of_kind["labelled"], method.modalities, preprocessed)
    pools = [Pool(of_kind[source.cases], source.samples) for source in recipe.sources]
    watched = [Pool(opened(choice.validation), recipe.batch)] if choice.validation else []
    sampler = partial(_sampler, method, labels.images, recipe, seed, device)
    return Samples(
        sampler(pools, TRAINING),
        sampler(watched, VALIDATION) if watched else None,
        list(choice.used),
        {"cache": place, **_use_of_cases(choice, [*sets["train"], *sets["validation"]])},
    )


def _require_choosable(recipe: RecipeSettings, choice: Choice, splits: Path) -> None:
    """Require a case that a checkpoint can be chosen by, if one is to be chosen."""
    if recipe.checkpoint == "best_validation" and not choice.validation:
        raise UserError(
            "there is no validation case to choose a checkpoint by",
            where=str(splits),
            remedy="set recipe.checkpoint to last, or splits.validation_fraction above 0",
        )


def _sampler(
    method: Method,
    labels: list[str],
    recipe: RecipeSettings,
    seed: int,
    device: torch.device,
    pools: list[Pool],
    purpose: int,
) -> PatchSampler:
    return PatchSampler(
        pools,
        method.modalities,
        labels,
        patch=recipe.patch,
        context=method.context,
        foreground=recipe.foreground,
        device=device,
        purpose=purpose,
        seed=seed,
        augmentation=recipe.augmentation if purpose == TRAINING else None,
    )


def _use_of_cases(choice: Choice, cases: list[str]) -> dict[str, Any]:
    """What each of a fold's cases is used for, or why it is not."""
    known = {*choice.used, *choice.incomplete, *choice.unused}
    return {
        "cases": {
            "train": list(choice.labelled),
            "unlabelled": list(choice.unlabelled),
            "validation": list(choice.validation),
        },
        "incomplete": choice.incomplete,
        "partly_labelled": choice.partly,
        "unused": choice.unused,
        "quarantined": sorted({*cases} - known),
    }


def _labels(settings: Settings, name: str, method: Method) -> WantedLabels:
    """The labels that the method learns from.

    Raises:
        UserError: there are several, and the method knows only one ground truth.
    """
    labels = method.learnt_labels(settings.labels_of(name))
    if len(labels) > 1 and type(method).probabilities_of is Method.probabilities_of:
        raise UserError(
            f"method `{settings.methods[name].type}` knows one truth, but {' and '.join(labels)} "
            "have one each",
            where=f"methods.{name}",
            expected="one modality, or a method that is told which image to segment",
        )
    return WantedLabels(labels, method.one_label_will_do)
