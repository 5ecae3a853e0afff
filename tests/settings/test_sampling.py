from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from remodal.errors import UserError
from remodal.settings import RecipeSettings
from remodal.settings.composition import compose
from remodal.settings.merging import merge
from remodal.settings.sampling import PatchSettings

CONFIG = Path(__file__).parents[2] / "config"


def patch(*sides, **fields):
    return PatchSettings.model_validate(fields or sides)


def test_three_numbers_are_a_patch_of_one_size():
    fixed = patch(32, 64, 64)
    assert fixed.fixed
    assert (fixed.least, fixed.most) == ((32, 64, 64), (32, 64, 64))
    assert (str(fixed), fixed.model_dump()) == ("32 x 64 x 64", [32, 64, 64])


def test_a_range_reads_and_writes_as_it_is():
    written = {"least": [64] * 3, "most": [192] * 3, "multiple": [16] * 3, "voxels": 128**3}
    drawn = patch(**written)
    assert not drawn.fixed
    assert str(drawn) == "64 x 64 x 64 to 192 x 192 x 192"
    assert drawn.model_dump(mode="json") == written
    assert PatchSettings.model_validate(drawn.model_dump()) == drawn


@pytest.mark.parametrize(
    ("sides", "fits"),
    [
        (patch(16, 32, 32), True),
        (patch(16, 24, 32), False),
        (patch(8, 16, 16), False),  # one voxel is left
        (patch(least=(16, 32, 32), most=(32, 64, 64), multiple=(8, 16, 16)), True),
        (patch(least=(16, 32, 32), most=(32, 64, 64), multiple=(8, 8, 16)), False),
        (patch(least=(8, 16, 16), most=(32, 64, 64), multiple=(8, 16, 16)), False),
    ],
)
def test_every_patch_that_may_be_drawn_fits_the_network(sides, fits):
    assert sides.fits((8, 16, 16)) is fits


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"least": [4, 4, 4], "most": [2, 8, 8]}, "the least not above the most"),
        ({"least": [4, 4, 4], "most": [8, 8, 9], "multiple": [4, 4, 4]}, "must be multiples of"),
        ({"least": [4, 4, 4], "most": [8, 8, 8], "voxels": 63}, "fewer than the 64"),
        ([0, 4, 4], "at least 1 along each axis"),
    ],
)
def test_sizes_that_cannot_be_are_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        PatchSettings.model_validate(wrong)


def test_pools_make_up_the_batch():
    pools = [{"cases": "labelled", "samples": 2}, {"cases": "unlabelled", "samples": 1}]
    assert RecipeSettings(batch=3, pools=pools).sources[1].samples == 1
    with pytest.raises(ValidationError, match="pools: 3 samples, but a batch of 2"):
        RecipeSettings(batch=2, pools=pools)
    (only,) = RecipeSettings(batch=5).sources
    assert (only.cases, only.samples) == ("labelled", 5)


@pytest.mark.parametrize("wrong", [0, -1, []])
def test_at_least_one_case_is_labelled(wrong):
    with pytest.raises(ValidationError, match="at least one case"):
        RecipeSettings(labelled=wrong)


def test_a_batch_has_labelled_samples():
    pools = [{"cases": "unlabelled", "samples": 2}]
    with pytest.raises(ValidationError, match="pools: must include one of labelled cases"):
        RecipeSettings(batch=2, pools=pools)


def test_preparation_measures_no_label_that_a_method_withholds():
    change = {"methods": {"nnunet": {"recipe": {"labelled": 2}}}}
    said = r"`smoke`: preprocessing\.clip: `dataset_foreground` would measure"
    with pytest.raises(UserError, match=said):
        compose({"study": "liver", "preset": "smoke"}, CONFIG, change)
    other = change | {"preprocessing": {"clip": "case"}}
    settings = compose({"study": "liver", "preset": "smoke"}, CONFIG, other)
    assert settings.recipe_of("nnunet").labelled == 2


def test_the_recipe_of_the_documentation_is_valid():
    page = (CONFIG.parent / "docs" / "add-a-method.md").read_text(encoding="utf-8")
    (block,) = (part.partition("```")[0] for part in page.split("```yaml\n") if "pools:" in part)
    change = merge(yaml.safe_load(block), {"preprocessing": {"clip": "case"}})
    settings = compose({"study": "liver", "preset": "paper"}, CONFIG, change)
    recipe = settings.recipe_of("semi_supervised")
    assert [pool.samples for pool in recipe.sources] == [2, 2]
    assert (recipe.labelled, recipe.patch.multiple) == (12, (16, 16, 16))
