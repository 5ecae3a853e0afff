"""Preset `paper` trains and predicts as the papers, or their released code, say."""

from functools import reduce
from pathlib import Path

import pytest

from remodal.methods import method_options
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[2] / "config"

#: MAML and the legacy nnU-Net trainer whose recipe it has: 600 epochs by Adam.
MAML = {
    "recipe.epochs": 600,
    "recipe.iterations": 250,
    "recipe.batch": 2,
    "recipe.patch.least": (128, 128, 128),
    "recipe.patch.most": (128, 128, 128),
    "recipe.optimiser": "adam",
    "recipe.amsgrad": True,
    "recipe.learning_rate": 3e-4,
    "recipe.weight_decay": 3e-5,
    "recipe.schedule": "plateau",
    "recipe.plateau_factor": 0.2,
    "recipe.patience": 30,
    "recipe.plateau_threshold": 1e-3,
    "recipe.loss_smoothing": 0.93,
    "recipe.gradient_clip": 12,
    "recipe.foreground": 0.33,
    "recipe.checkpoint": "last",
    "recipe.augmentation.rotation_degrees": 15,
    "recipe.augmentation.rotation_probability": 0.2,
    "recipe.augmentation.scale": (0.85, 1.25),
    "recipe.augmentation.scale_probability": 0.2,
    "recipe.augmentation.elastic_alpha": (0, 900),
    "recipe.augmentation.elastic_sigma": (9, 13),
    "recipe.augmentation.elastic_probability": 0.2,
    "recipe.augmentation.mirror_probability": 0.5,
    "recipe.augmentation.gamma": (0.7, 1.5),
    "recipe.augmentation.gamma_probability": 0.3,
    "network.base_width": 32,
    "network.max_width": 320,
    "network.strides": [(2, 2, 2)] * 5,
    "inference.weights": "gaussian",
    "inference.step": 0.5,
    "inference.mirror": True,
    "splits.validation_fraction": 0,
}

#: UA-MT's recipe, which DTC and those compared with it have: 6,000 iterations by SGD.
UA_MT = {
    "recipe.epochs": 40,
    "recipe.iterations": 150,
    "recipe.batch": 4,
    "recipe.optimiser": "sgd",
    "recipe.momentum": 0.9,
    "recipe.nesterov": False,
    "recipe.learning_rate": 0.01,
    "recipe.weight_decay": 1e-4,
    "recipe.schedule": "step",
    "recipe.schedule_in": "iterations",
    "recipe.decay_every": 2500,
    "recipe.decay_factor": 0.1,
    "recipe.gradient_clip": None,
    "recipe.foreground": 0,
    "recipe.augmentation.rotation_probability": 0,
    "recipe.augmentation.scale_probability": 0,
    "recipe.augmentation.elastic_probability": 0,
    "recipe.augmentation.mirror_probability": 0,
    "recipe.augmentation.gamma_probability": 0,
    "network.base_width": 16,
    "network.max_width": 256,
    "network.strides": [(2, 2, 2)] * 4,
    "inference.weights": "uniform",
    "inference.mirror": False,
}

PUBLISHED = {
    "liver": MAML | {"splits.scheme": "holdout", "splits.test_fraction": 0.2},
    "brats": MAML
    | {
        "preprocessing.normalise": "case_nonzero",
        "preprocessing.spacing": (1, 1, 1),
        "splits.scheme": "kfold",
        "splits.folds": 3,
        "splits.order": "scikit-learn",
        "splits.seed": 12345,
    },
    "pancreas": UA_MT
    | {
        "recipe.patch.most": (96, 96, 96),
        "recipe.augmentation.quarter_turn_probability": 0,
        "inference.step": (16, 16, 16),
        "preprocessing.clip.range": (-125, 275),
        "preprocessing.normalise": "crop",
        "preprocessing.spacing": (1, 1, 1),
        "preprocessing.crop.margin": (None, 25, 25),
        "preprocessing.crop.least": (0, 96, 96),
    },
    "left_atrium": UA_MT
    | {
        "recipe.patch.most": (80, 112, 112),
        "recipe.augmentation.quarter_turn_probability": 1,
        "recipe.augmentation.one_mirror_probability": 1,
        "inference.step": (4, 18, 18),
        "preprocessing.normalise": "image",
    },
    "mpct_fll": {
        "recipe.optimiser": "sgd",
        "recipe.learning_rate": 5e-4,
        "recipe.schedule": "step",
        "recipe.schedule_in": "epochs",
        "recipe.decay_every": 50,
        "recipe.decay_factor": 0.1,
        "preprocessing.clip.range": (-70, 180),
        "splits.scheme": "kfold",
        "splits.folds": 5,
    },
    "t1t2": {
        "recipe.optimiser": "adam",
        "recipe.amsgrad": False,
        "recipe.learning_rate": 1e-4,
        "recipe.weight_decay": 0,
        "recipe.schedule": "constant",
        "recipe.epochs": 900,
        "recipe.iterations": 150,
        "recipe.batch": 1,
        "recipe.checkpoint": "best_validation",
        "preprocessing.spacing": (3, 1.5, 1.5),
    },
}

#: What a method's own paper or code says, where a study says nothing.
OPTIONS = {
    "maml": {"ma": "repo", "weights": "paper", "intra_weight": 0.5},
    "uhved": {"draw": "size", "kl_weight": 0.1, "reconstruction_weight": 0.1},
    "kdnet": {"teacher_share": 0.75, "temperature": 5, "bottleneck_weight": 50},
    "rfnet": {"draw": "subset", "apart": 20 / 300},
    "mmformer": {"draw": "subset", "apart": 0, "dropout": 0.1},
    "dtc": {"k": -1500, "beta": 0.3, "weight": 1, "ramp_up": 1, "dropout": 0.5},
    "mean_teacher": {"weight": 0.1, "decay": 0.99, "noise": 0.1, "noise_bound": 0.2, "ramp_up": 1},
    "ua_mt": {"weight": 0.1, "decay": 0.99, "passes": 8, "certain": 0.75},
    "cct": {"weight": 0.1},
    "entropy_minimisation": {"weight": 0.1},
    "dan": {"weight": 0.1, "discriminator_rate": 1e-4},
    "sassnet": {"weight": 0.01, "beta": 0.3, "discriminator_rate": 1e-4},
    "one_input": {"loss": "bce", "weight": 1, "opponent_rate": 1e-4, "smoothing": 0.02},
}


def study(name: str):
    return compose({"study": name, "preset": "paper"}, CONFIG)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_study_has_the_published_hyper_parameters(name: str) -> None:
    settings = study(name)
    found = {key: reduce(getattr, key.split("."), settings) for key in PUBLISHED[name]}
    assert found == PUBLISHED[name]


@pytest.mark.parametrize("method", OPTIONS)
def test_a_method_s_options_are_the_published_ones(method: str) -> None:
    defaults = {option.name: option.default for option in method_options(method)}
    assert {name: defaults[name] for name in OPTIONS[method]} == OPTIONS[method]


def trained(name: str) -> dict[str, tuple[int | None, dict[str, int]]]:
    """With how many labels each method is trained, and what a batch consists of."""
    settings = study(name)
    recipes = {method: settings.recipe_of(method) for method in settings.methods}
    return {
        method: (recipe.labelled, {pool.cases: pool.samples for pool in recipe.sources})
        for method, recipe in recipes.items()
    }


def test_half_of_a_semi_supervised_batch_is_unlabelled() -> None:
    semi = {"mean_teacher", "dan", "entropy_minimisation", "ua_mt", "cct", "sassnet", "dtc"}
    for method, found in trained("pancreas").items():
        labels = None if method.endswith("_all") else 12
        halves = {"labelled": 2, "unlabelled": 2} if method in semi else {"labelled": 4}
        assert found == (labels, halves), method
    for method, found in trained("left_atrium").items():
        halves = {"labelled": 4} if "seg" in method else {"labelled": 2, "unlabelled": 2}
        assert found == (int(method.split("_")[-1]), halves), method


def test_with_eight_labels_sassnets_adversary_weighs_more() -> None:
    methods = study("left_atrium").methods
    assert methods["sassnet_8"].options == {"weight": 0.015}
    assert methods["sassnet_16"].options == {}


@pytest.mark.parametrize(
    ("name", "patients", "tested", "validated"), [("pancreas", 82, 20, 0), ("t1t2", 88, 12, 6)]
)
def test_the_sets_have_the_published_sizes(name, patients, tested, validated) -> None:
    splits = study(name).splits
    test = round(splits.test_fraction * patients)
    validation = round(splits.validation_fraction * (patients - test))
    assert (test, validation) == (tested, validated)


def test_losses_are_compared_after_as_many_steps() -> None:
    """Each from the trained model, by 100 epochs of 150 steps."""
    settings = study("t1t2")
    recipes = [settings.recipe_of(name) for name in settings.methods if name.startswith("loss_")]
    assert [(recipe.epochs, recipe.iterations) for recipe in recipes] == [(100, 150)] * 6
