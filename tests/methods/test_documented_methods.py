"""docs/methods.md lists the methods, and its recipes are valid."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from remodal.methods import (
    build_method,
    check_options,
    check_patch,
    method_options,
    method_origins,
)
from remodal.settings import MethodSettings, NetworkSettings, RecipeSettings
from remodal.settings.composition import compose
from remodal.settings.merging import merge

from .test_base import OF_ONE_CLASS, OF_TWO_IMAGES

PAGE = (Path(__file__).parents[2] / "docs/methods.md").read_text(encoding="utf-8")
LOSSES, OWN = (
    yaml.safe_load(block)["methods"]
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)
ROWS = OWN | LOSSES


def test_every_method_is_listed():
    (table, _) = PAGE.split("`weights` are millions")
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == list(method_origins())


def test_the_numbers_of_weights_are_right():
    listed = dict(re.findall(r"^\| `(\w+)` \|.* \| ([\d.]+) \|", PAGE, re.MULTILINE))
    assert sorted(listed) == list(method_origins())
    for name, millions in listed.items():
        classes = 1 if name in OF_ONE_CLASS else 3
        modalities = ["t1", "t1ce", "t2", "flair"][: 2 if name in OF_TWO_IMAGES else 4]
        with torch.device("meta"):
            method = build_method(name, modalities, classes, NetworkSettings())
        count = sum(parameter.numel() for parameter in method.network.parameters())
        assert f"{count / 1e6:.2f}" == millions, name


def test_the_rows_of_sam_urim_have_the_numbers_of_weights_that_are_listed():
    _, table = PAGE.split("## The rows of SAM + URIM")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]*) \| ([\d., ]+) \|$", table, re.MULTILINE)
    for row, options, numbers in rows:
        written = re.findall(r"{.*?}", options) or ["{}"]
        counts = []
        for text in written:
            modalities = ["venous"] if row == "SP" else ["arterial", "venous"]
            with torch.device("meta"):
                method = build_method(
                    "sam_urim", modalities, 1, NetworkSettings(), yaml.safe_load(text)
                )
            count = sum(parameter.numel() for parameter in method.network.parameters())
            counts.append(f"{count / 1e6:.2f}")
        assert ", ".join(counts) == numbers, row
    assert len(rows) == 7


@pytest.mark.parametrize("name", ROWS)
def test_a_papers_own_recipe_is_valid(name):
    row = MethodSettings.model_validate(ROWS[name])
    check_options(row.type, row.options)
    recipe = RecipeSettings.model_validate(merge(RecipeSettings().model_dump(), row.recipe))
    assert set(row.inputs.values()) <= {*ROWS, "nnunet"}
    check_patch(row.type, recipe, NetworkSettings(), name)


def test_the_study_of_own_recipes_trains_by_the_recipes_of_the_page():
    study = compose({"study": "brats_own_recipes", "preset": "paper"})
    own = {method.type: method.recipe for method in study.methods.values() if method.recipe}
    page = {row["type"]: row["recipe"] for row in OWN.values()}
    assert own == {type: page[type] for type in ("hemis", "kdnet")} | {"uhved": page["hemis"]}


def test_every_loss_of_one_input_is_listed_with_the_weights_of_its_opponents():
    (option,) = (option for option in method_options("one_input") if option.name == "loss")
    _, section = PAGE.split("## Images with a mask each")
    section, _ = section.split("## A paper's own training")
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == option.type.split(" or ")
    settings = NetworkSettings(strides=[(2, 2, 2)] * 3)
    counts = {}
    for loss in ("gan", "gambling"):
        with torch.device("meta"):
            method = build_method("one_input", ["t1", "t2"], 1, settings, {"loss": loss})
            (opponent,) = method.build_companions(settings).values()
        counts[loss] = sum(parameter.numel() for parameter in opponent.parameters()) / 1e6
    said = (
        f"D has {counts['gan']:.2f} million weights, the gambler {counts['gambling']:.2f} million"
    )
    assert said in section
    own = sum(parameter.numel() for parameter in method.network.parameters()) / 1e6
    assert f"{own:.2f}\nmillion weights" in section
