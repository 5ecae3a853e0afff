import shutil
from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.simulation import simulation_options, simulations
from remodal.intake.source_options import options_of_sources
from remodal.registration.ways import way_options
from remodal.settings import places, stages
from remodal.settings.composition import assignments, compose, read_settings, write_settings
from remodal.settings.reference import reference
from remodal.settings.stages import STAGES, depends_on, settings_digest

CONFIG = Path(__file__).parents[2] / "config"


def liver(preset="smoke", **changes):
    return compose({"study": "liver", "preset": preset, **changes}, CONFIG)


@pytest.mark.parametrize("study", sorted(file.stem for file in (CONFIG / "studies").glob("*.yaml")))
@pytest.mark.parametrize("preset", ["smoke", "demo", "paper"])
def test_every_study_is_valid_with_every_preset(study, preset):
    assert compose({"study": study, "preset": preset}, CONFIG).study_id == f"{study}-{preset}"


def test_the_paper_preset_has_the_published_hyper_parameters():
    recipe = liver("paper").recipe
    assert (recipe.optimiser, recipe.learning_rate, recipe.epochs) == ("adam", 3e-4, 600)
    assert recipe.patch.least == recipe.patch.most == (128, 128, 128)
    assert liver("paper").network.base_width == 32
    assert simulation_options(liver("paper")).cases * 2 == 654


def test_presets_differ_only_in_numbers():
    described = [liver(preset) for preset in ("smoke", "demo", "paper")]
    for section in ("methods", "scenarios", "tables", "claims", "data"):
        first, *others = (getattr(settings, section) for settings in described)
        assert all(other == first for other in others)


def test_presets_write_to_folders_of_their_own():
    assert len({liver(p).study_id for p in ("smoke", "demo", "paper")}) == 3
    assert len({liver(p).data_id for p in ("smoke", "demo", "paper")}) == 3


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"study": "livr"}, "unknown study `livr`"),
        ({"preset": "dmeo"}, "unknown preset `dmeo`"),
        ({"trainign": {"epochs": 1}}, "`trainign` is not a setting"),
        ({"recipe": {"epoch": 1}}, "`recipe.epoch` is not a setting"),
        ({"recipe": {"epochs": "many"}}, "`recipe.epochs`"),
        ({"registration": {"fixed": "portal"}}, "`portal` is not one of arterial, venous"),
        ({"methods": {"maml": {"type": "maml", "modalities": ["t1"]}}}, "`t1` is not one of"),
        ({"data": {"modalities": ["arterial", "venous", "label"]}}, "`label` is reserved"),
        ({"data": {"modalities": ["venous", "label-venous"]}}, "`label-venous` is reserved"),
        ({"data": {"unlabelled": "train"}}, "no method has a pool of unlabelled cases to train on"),
        ({"data": {"modalities": ["arterial", "venous", "../x"]}}, "`../x` is not a valid name"),
        ({"data": {"modalities": ["arterial", "venous", "t1+c"]}}, "`t1+c` is not a valid name"),
        ({"data": {"modalities": ["arterial", "venous", ""]}}, "`` is not a valid name"),
        ({"data": {"modalities": ["arterial", "venous", "venous"]}}, "`venous` is there twice"),
        ({"data": {"classes": {"a b": [1]}}}, "data.classes: `a b` is not a valid name"),
        ({"scenarios": {"both": {"present": []}}}, "at least 1 item"),
        ({"scenarios": {"both": ["t1"]}}, "scenarios.both: `t1` is not one of arterial, venous"),
        (
            {"scenarios": {"both": {"present": ["venous"], "foreign": ["arterial"]}}},
            "scenarios.both.foreign: `arterial` is not one of venous",
        ),
        (
            {"scenarios": {"both": {"present": ["venous"], "foreign": ["venous"]}}},
            "every image is another patient's",
        ),
        (
            {"scenarios": {"both": {"present": ["venous"], "target": "venous"}}},
            "the images of a case share one truth",
        ),
        ({"data": {"truth": "image"}}, "scenarios.both: each image has a truth of its own; say"),
        ({"data": {"classes": {"tumour": [2], "lesion": [2, 3]}}}, "under data.regions"),
        ({"data": {"classes": {"tumour": [2], "liver": []}}}, "`liver` is []; it needs values"),
        ({"data": {"classes": {"tumour": [0]}}}, "0 is the background"),
        ({"data": {"regions": {"whole": ["edema"]}}}, "regions.whole: `edema` is not one of"),
        ({"data": {"regions": {"whole": []}}}, "regions: `whole` is empty"),
        ({"data": {"regions": {"../x": ["tumour"]}}}, "data.regions: `../x` is not a valid name"),
        (
            {
                "data": {
                    "classes": {"tumour": [2], "liver": [1]},
                    "regions": {"liver": ["liver", "tumour"]},
                }
            },
            "give the region another name",
        ),
        ({"methods": {"my/net": {"type": "maml"}}}, "methods: `my/net` is not a valid name"),
        ({"scenarios": {".": ["venous"]}}, "scenarios: `.` is not a valid name"),
        (
            {"scenarios": {"both": {"present": ["arterial", "venous"], "space": "native"}}},
            "scenarios.both.space: in `native` space one image is present",
        ),
        (
            {
                "scenarios": {
                    "both": {"present": ["arterial", "venous"], "register_foreign": True},
                }
            },
            "scenarios.both.register_foreign: no image is `foreign`",
        ),
        (
            {
                "scenarios": {
                    "both": {
                        "present": ["arterial", "venous"],
                        "foreign": ["venous"],
                        "register_foreign": True,
                    }
                }
            },
            "scenarios.both.register_foreign: the fixed image, venous, must be the case's own",
        ),
        (
            {"preprocessing": {"crop": {"mask": {"label": [1]}}}},
            "scenarios.arterial_native.space: `native` has no mask to crop an image by",
        ),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(config, said):
    with pytest.raises(UserError) as raised:
        compose({"study": "liver", "preset": "smoke", **config}, CONFIG)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_scenario_is_a_list_or_says_whose_images_and_which_is_segmented():
    short = liver().scenarios["both"]
    assert (short.present, short.target, short.foreign) == (["arterial", "venous"], "", [])
    assert liver().target_of("both") == ""
    scenarios = {
        "both": {"present": ["arterial", "venous"], "target": "arterial"},
        "mixed": {"present": ["arterial", "venous"], "foreign": ["venous"]},
    }
    settings = liver(data={"truth": "image"}, scenarios=scenarios)
    assert settings.target_of("both") == settings.target_of("mixed") == "arterial"
    assert settings.target_of("venous") == "venous"


def test_without_regions_each_class_is_one():
    assert liver().data.regions == {"tumour": ["tumour"]}
    changed = liver(data={"classes": {"tumour": [2], "liver": [1]}})
    assert changed.data.regions == {"tumour": ["tumour"], "liver": ["liver"]}


def test_a_study_that_extends_another_says_only_what_differs():
    real = compose({"study": "liver_real_ct", "preset": "demo"}, CONFIG)
    assert real.methods == liver("demo").methods
    assert real.data.source == "real_ct"
    assert real.title != liver("demo").title


def test_null_takes_a_part_out_of_a_study_that_is_extended():
    kept = ["nnunet_arterial", "nnunet_venous"]
    out = {name: None for name in liver().methods if name not in kept}
    tables = dict.fromkeys(liver().tables)
    regions = {"tumour": None, "lesion": ["tumour"]}
    data = {"regions": regions}
    left = liver(methods=out, tables=tables, claims=[], compute={"first": []}, data=data)
    assert list(left.methods) == kept
    assert left.data.regions == {"lesion": ["tumour"]}
    assert left.tables == {}


def test_what_is_taken_out_is_missed_where_it_is_named():
    with pytest.raises(UserError, match="`maml`"):
        liver(methods={"maml": None})


def test_written_settings_read_back_the_same(tmp_path):
    write_settings(tmp_path / "settings.yaml", liver())
    assert read_settings(tmp_path / "settings.yaml") == liver()


def test_assignments_nest_and_parse_values():
    assert assignments(["a.b=1", "a.c=[2, 3]", "d=x"]) == {"a": {"b": 1, "c": [2, 3]}, "d": "x"}


def test_an_assignment_without_a_value_is_refused():
    with pytest.raises(UserError, match="sets nothing"):
        assignments(["recipe.epochs"])


@pytest.mark.parametrize("step", [0, 1.5, [4, 0, 4], [4, 4]])
def test_a_step_between_windows_is_a_share_or_voxels_along_three_axes(step):
    with pytest.raises(UserError, match=r"inference\.step"):
        liver(inference={"step": step})
    assert liver(inference={"step": [4, 18, 18]}).inference.step == (4, 18, 18)


def test_the_reference_of_the_settings_is_up_to_date():
    written = (CONFIG / "README.md").read_text(encoding="utf-8")
    assert written == reference(options_of_sources() | simulations() | way_options())


def test_the_reference_says_types_without_pythons_words_for_them():
    written = reference(options_of_sources() | simulations() | way_options())
    types = {line.split(" | ")[1] for line in written.splitlines() if line.startswith("| `")}
    assert "`list['arterial' or 'venous']`" in types
    assert "`'cases' or 'folds' or 'pairs' or None`" in types
    assert not [one for one in types if "Literal" in one or "Annotated" in one]


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"metrics": {"lesion_overlap": 0.5}}, {"evaluate", "tabulate", "report"}),
        ({"inference": {"step": 0.25}}, {"infer", "report"}),
        ({"title": "Another"}, {"report"}),
        ({"splits": {"seed": 1}}, {"split", "report"}),
    ],
)
def test_a_changed_setting_reruns_just_the_stages_that_read_it(change, stages):
    before, after = liver(), liver(**change)
    changed = {stage for stage in STAGES if depends_on(before, stage) != depends_on(after, stage)}
    assert changed == stages


def test_another_order_of_classes_prepares_labels_anew():
    """It numbers them."""
    written = {"necrosis": [1], "oedema": [2], "enhancing_tumour": [4]}
    brats = compose({"study": "brats", "preset": "smoke"}, CONFIG)
    before, after = (
        brats.model_copy(update={"data": brats.data.model_copy(update={"classes": classes})})
        for classes in (written, dict(reversed(written.items())))
    )
    changed = {stage for stage in STAGES if depends_on(before, stage) != depends_on(after, stage)}
    assert {"preprocess", "evaluate", "tabulate"} <= changed


def test_another_scenario_reruns_no_inference_in_the_others():
    before = liver()
    after = liver(scenarios={"venous_native": {"present": ["venous"], "space": "native"}})
    native = liver(scenarios={"arterial": {"present": ["arterial"], "space": "native"}})

    def infer(settings, scenario):
        return depends_on(settings, "infer", scenario=scenario)

    assert all(infer(before, name) == infer(after, name) for name in before.scenarios)
    changed = {name for name in before.scenarios if infer(before, name) != infer(native, name)}
    assert changed == {"arterial"}


def test_a_changed_option_reruns_that_method_alone():
    before = liver()
    after = compose(
        {"study": "liver", "preset": "smoke"},
        CONFIG,
        {"methods": {"maml": {"options": {"lambda": 1.0}}}},
    )
    changed = {
        method
        for method in before.methods
        if depends_on(before, "train", method) != depends_on(after, "train", method)
    }
    assert changed == {"maml"}


def with_own_recipe(**recipe):
    return {"methods": {"maml": {"recipe": recipe}}}


def test_a_method_may_have_its_own_recipe():
    settings = liver("paper", **with_own_recipe(epochs=9, augmentation={"gamma_probability": 0}))
    own, common = settings.recipe_of("maml"), settings.recipe_of("nnunet")
    assert common == settings.recipe
    assert (own.epochs, own.augmentation.gamma_probability) == (9, 0)
    assert own.batch == common.batch
    assert own.augmentation.rotation_degrees == common.augmentation.rotation_degrees


def test_an_own_recipe_retrains_that_method_alone():
    before, after = liver("paper"), liver("paper", **with_own_recipe(batch=4))
    changed = {
        method
        for method in before.methods
        if depends_on(before, "train", method) != depends_on(after, "train", method)
    }
    assert changed == {"maml"}


def test_what_repeats_the_recipe_retrains_nothing():
    after = liver("paper", **with_own_recipe(batch=2))
    assert depends_on(liver("paper"), "train", "maml") == depends_on(after, "train", "maml")


def test_compute_settings_are_part_of_no_digest():
    compute = {"threads": 5, "cache": "disk", "checkpoint_every": 3, "devices": 2, "windows": 1}
    before, after = liver(), liver(compute=compute)
    assert settings_digest(before) == settings_digest(after)
    assert all(depends_on(before, stage) == depends_on(after, stage) for stage in STAGES)
    assert depends_on(before, "train", "maml") == depends_on(after, "train", "maml")


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"epoch": 1}, "`methods.maml.recipe.epoch` is not a setting"),
        ({"augmentation": {"rotation": 1}}, "`methods.maml.recipe.augmentation.rotation`"),
    ],
)
def test_a_wrong_own_recipe_names_the_method(recipe, said):
    with pytest.raises(UserError) as raised:
        liver("paper", **with_own_recipe(**recipe))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_preset_says_how_much_work_it_is_for_every_method(tmp_path):
    study = (CONFIG / "studies/liver.yaml").read_text(encoding="utf-8")
    own = "{type: maml, recipe: {epochs: 1000, weight_decay: 0.5}, "
    for folder in ("studies", "presets"):
        shutil.copytree(CONFIG / folder, tmp_path / folder)
    (tmp_path / "studies/liver.yaml").write_text(study.replace("{type: maml, ", own))
    smoke, paper = (
        compose({"study": "liver", "preset": preset}, tmp_path).recipe_of("maml")
        for preset in ("smoke", "paper")
    )
    assert (smoke.epochs, smoke.weight_decay) == (2, 0.5)
    assert (paper.epochs, paper.weight_decay) == (1000, 0.5)
    chosen = {"study": "liver", "preset": "paper", "recipe": {"epochs": 3}}
    assert compose(chosen, tmp_path).recipe_of("maml").epochs == 3


def test_where_no_study_is_found_it_is_said_where_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "REPOSITORY", tmp_path / "installed without studies")
    expected = r"config/studies: there is no such folder here; expected the project's folder"
    with pytest.raises(UserError, match=expected):
        compose({"study": "liver", "preset": "smoke"})


def test_methods_that_begin_first_are_known_and_change_no_result():
    with pytest.raises(UserError, match=r"compute.first: `mamal` is not one of"):
        liver(compute={"first": ["mamal"]})
    usual, other = liver(), liver(compute={"first": []})
    assert usual.compute.first
    assert depends_on(usual, "train", "maml") == depends_on(other, "train", "maml")


def test_the_options_of_a_way_that_is_not_chosen_change_no_stage():
    before = liver(registration={"method": "none"})
    options = {"elastix": {"iterations": 7}}
    after = liver(registration={"method": "none", "options": options})
    # The report shows all settings.
    changed = {stage for stage in STAGES if depends_on(before, stage) != depends_on(after, stage)}
    assert changed == set()
    chosen = liver(registration={"options": options})
    assert depends_on(chosen, "register") != depends_on(liver(), "register")
    assert depends_on(before, "register") != depends_on(liver(), "register")


def test_a_way_of_registration_counts_with_its_own_code(monkeypatch):
    counted = []
    monkeypatch.setattr(stages, "_code", lambda module: counted.append(module) or module)
    depends_on(liver(registration={"method": "header"}), "register")
    assert counted == ["remodal.registration.case", "remodal.registration.ways.header"]


def test_a_short_form_of_a_section_is_the_long_one():
    short = liver(preprocessing={"clip": "case", "crop": "none"}).preprocessing
    assert (short.clip.by, short.crop.by) == ("case", "none")
    ranged = liver(preprocessing={"clip": {"range": [-70, 180]}}).preprocessing.clip
    assert (ranged.by, ranged.range) == ("range", (-70, 180))
