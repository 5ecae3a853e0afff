"""docs/methods.md lists the methods, and its recipes are valid."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from remodal.methods import build_method, check_options, check_patch, method_origins
from remodal.settings import MethodSettings, NetworkSettings, RecipeSettings
from remodal.settings.composition import compose
from remodal.settings.merging import merge

from .test_base import OF_ONE_CLASS, OF_TWO_IMAGES

PAGE = (Path(__file__).parents[2] / "docs/methods.md").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROWS = yaml.safe_load(BLOCK)["methods"]


def test_every_method_is_listed():
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == list(method_origins())


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
    check_patch(row.type, recipe, NetworkSettings(), name)


def test_the_study_of_own_recipes_trains_by_the_recipes_of_the_page():
    study = compose({"study": "brats_own_recipes", "preset": "paper"})
    own = {method.type: method.recipe for method in study.methods.values() if method.recipe}
    page = {row["type"]: row["recipe"] for row in ROWS.values()}
    assert own == {type: page[type] for type in ("hemis", "kdnet")} | {"uhved": page["hemis"]}
