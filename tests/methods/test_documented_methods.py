"""docs/methods.md lists the methods, and its recipes are valid."""

import re
from pathlib import Path

import pytest
import yaml

from remodal.methods import check_options, method_names
from remodal.settings import MethodSettings, NetworkSettings, RecipeSettings
from remodal.settings.merging import merge

PAGE = (Path(__file__).parents[2] / "docs/methods.md").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROWS = yaml.safe_load(BLOCK)["methods"]


def test_every_method_is_listed():
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == method_names()


@pytest.mark.parametrize("name", ROWS)
def test_a_papers_own_recipe_is_valid(name):
    row = MethodSettings.model_validate(ROWS[name])
    check_options(row.type, row.options)
    recipe = RecipeSettings.model_validate(merge(RecipeSettings().model_dump(), row.recipe))
    assert recipe.patch.fits(NetworkSettings().factor)
