"""The studies of config/studies, as shipped."""

from pathlib import Path

import pytest

from remodal.methods import check_options
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[2] / "config"
STUDIES = sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml"))
PRESETS = sorted(path.stem for path in (CONFIG / "presets").glob("*.yaml"))


def study(name: str, preset: str = "paper"):
    return compose({"study": name, "preset": preset}, CONFIG)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_can_be_run_with_every_preset(name, preset):
    for method in study(name, preset).methods.values():
        check_options(method.type, method.options)


def test_the_ablation_changes_one_option_of_maml_at_a_time():
    methods = study("liver_ablation").methods
    full = check_options("maml", methods["maml"].options).model_dump()
    for name in ("maml_full_resolution", "maml_paper_gate"):
        other = check_options("maml", methods[name].options).model_dump()
        assert len([key for key in full if full[key] != other[key]]) == 1


def test_the_ablation_leaves_the_papers_tables_and_methods_alone():
    paper, ablation = study("liver"), study("liver_ablation")
    assert ablation.methods.items() >= paper.methods.items()
    assert ablation.tables.items() >= paper.tables.items()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_repositorys_recipe_holds_in_every_preset(preset):
    recipe = study("liver_repo", preset).recipe
    assert (recipe.optimiser, recipe.schedule, recipe.learning_rate) == ("sgd", "poly", 0.01)
    augmentation = recipe.augmentation
    assert (augmentation.rotation_degrees, augmentation.scale) == (30, (0.7, 1.4))
    assert augmentation.low_resolution_probability == 0.25
    assert augmentation.elastic_probability == 0


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("flair", "FLAIR"),
        ("t1_t1ce_flair", "T1 T1ce FLAIR"),
        ("pv", "PV"),
        ("a1_with_b2", "A1 with B2"),
        ("enhancing_tumour", "Enhancing tumour"),
        ("myFLAIR", "MyFLAIR"),
    ],
)
def test_names_are_headed_as_a_reader_spells_them(name, heading):
    assert study("brats").heading_of(name) == heading
