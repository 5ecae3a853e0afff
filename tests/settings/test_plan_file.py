"""`network: auto`, and plans as files that are edited and shared."""

import pytest
import yaml

from remodal.errors import UserError
from remodal.results.paths import plan_file
from remodal.settings import NetworkSettings
from remodal.settings.composition import (
    compose,
    read_planned,
    read_settings,
    read_unplanned,
    write_settings,
)
from remodal.settings.places import REPOSITORY
from remodal.settings.stages import depends_on

PLAN = {
    "preprocessing": {"spacing": [3.0, 0.8, 0.8]},
    "network": {
        "strides": [[1, 2, 2], [2, 2, 2]],
        "kernels": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    },
    "recipe": {"patch": [20, 64, 48], "batch": 3},
}


def study(preset="paper", **changes):
    return compose({"study": "liver", "preset": preset} | changes, REPOSITORY / "config")


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def is_planned(settings):
    network, recipe = settings.network, settings.recipe
    return (
        not network.unplanned
        and settings.preprocessing.spacing == (3.0, 0.8, 0.8)
        and network.strides == [(1, 2, 2), (2, 2, 2)]
        and network.kernels == [(1, 3, 3), (3, 3, 3), (3, 3, 3)]
        and (recipe.patch.most, recipe.batch) == ((20, 64, 48), 3)
    )


def test_auto_wants_a_plan_of_the_network_and_the_spacing():
    settings = study(network="auto")
    assert settings.network.unplanned
    assert settings.preprocessing.spacing == "plan"


def test_a_spacing_that_the_study_says_stays_its_own():
    settings = study(network="auto", preprocessing={"spacing": [2, 1, 1]})
    assert settings.preprocessing.spacing == (2, 1, 1)


def test_a_preset_that_says_strides_wants_no_plan(tmp_path):
    write(tmp_path / "studies/ours.yaml", {"extends": "liver", "network": "auto"})
    smoke, paper = (
        compose({"study": "ours", "preset": preset}, tmp_path) for preset in ("smoke", "paper")
    )
    assert smoke.network == study("smoke").network
    assert smoke.preprocessing.spacing is None
    assert paper.network.unplanned


def test_a_named_plan_is_what_the_same_numbers_by_hand_are(tmp_path):
    file = write(tmp_path / "plan.yaml", PLAN)
    named, by_hand = study(network=str(file)), study(**PLAN)
    assert is_planned(named)
    assert named == by_hand
    assert depends_on(named, "train", "maml") == depends_on(by_hand, "train", "maml")


def test_a_plan_beside_the_settings_is_read_with_them(tmp_path):
    path = tmp_path / "settings.yaml"
    write_settings(path, study(network={"plan": "auto", "base_width": 16}))
    assert read_settings(path).network.unplanned
    with pytest.raises(UserError, match="run `remodal plan-network` first"):
        read_planned(path)
    write(plan_file(tmp_path), PLAN)
    assert is_planned(read_planned(path))
    assert read_planned(path).network.base_width == 16
    assert read_unplanned(path).network.unplanned


def test_a_plan_changes_no_study_that_wants_none(tmp_path):
    path = tmp_path / "settings.yaml"
    write_settings(path, study())
    write(plan_file(tmp_path), PLAN)
    assert read_settings(path) == study()
    assert not {"plan", "gpu_memory", "kernels"} & set(study().network.model_dump())
    with pytest.raises(UserError, match="the study's network is not planned"):
        read_unplanned(path)


def test_what_a_plan_was_made_from_is_kept_for_the_report_and_reruns_nothing(tmp_path):
    basis = {"cases": 12, "gpu_memory": 24.0, "method": "maml", "times": 2.6}
    told = PLAN | {"network": PLAN["network"] | {"planned": basis}}
    named = study(network=str(write(tmp_path / "our_plan.yaml", told)))
    assert named.network.planned.model_dump() == basis | {"file": "our_plan.yaml"}
    by_hand = study(**PLAN)
    assert depends_on(named, "train", "maml") == depends_on(by_hand, "train", "maml")
    path = tmp_path / "settings.yaml"
    write_settings(path, study(network="auto"))
    write(plan_file(tmp_path), told)
    assert read_planned(path).network.planned.file == "plan.yaml"


def test_pools_say_how_large_a_batch_is(tmp_path):
    pools = [{"cases": "labelled", "samples": 2}, {"cases": "unlabelled", "samples": 2}]
    file = write(tmp_path / "plan.yaml", PLAN)
    settings = study(network=str(file), recipe={"batch": 4, "pools": pools})
    assert (settings.recipe.batch, settings.recipe.patch.most) == (4, (20, 64, 48))


@pytest.mark.parametrize("part", ["strides", "kernels", "patch", "batch"])
@pytest.mark.parametrize("where", ["study", "config", "preset"])
def test_what_a_plan_says_is_not_ignored_where_it_is_said_beside_it(tmp_path, part, where):
    section = "network" if part in PLAN["network"] else "recipe"
    said = {section: {part: PLAN[section][part]}}
    content = {"extends": "liver", "network": {"plan": "auto"}}
    if where == "study":
        content[section] = content.get(section, {}) | said[section]
    elif where == "preset":
        content["presets"] = {"paper": said}
    write(tmp_path / "studies/ours.yaml", content)
    config = {"study": "ours", "preset": "paper"} | (said if where == "config" else {})
    if part == "strides" and where != "study":  # says all of a network anew
        assert not compose(config, tmp_path).network.unplanned
    else:
        with pytest.raises(UserError, match=f"`{section}.{part}` is said here, but the plan"):
            compose(config, tmp_path)


def test_a_study_that_says_strides_wants_no_plan_of_the_one_it_extends(tmp_path):
    write(tmp_path / "studies/planned.yaml", {"extends": "liver", "network": {"plan": "auto"}})
    own = {"strides": [[2, 2, 2]]}
    write(tmp_path / "studies/ours.yaml", {"extends": "planned", "network": own})
    settings = compose({"study": "ours", "preset": "paper"}, tmp_path)
    assert (settings.network.plan, settings.network.strides) == (None, [(2, 2, 2)])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ({**PLAN, "recipe": {"patch": [1, 2, 3]}}, "`recipe.batch`"),
        ({**PLAN, "seeds": [1]}, "`seeds` is not a setting"),
        (
            {**PLAN, "network": {"strides": [[2, 2, 2]], "kernels": [[3, 3, 3]]}},
            "1 strides make 2 stages",
        ),
    ],
)
def test_a_file_that_is_no_plan_is_an_error(tmp_path, content, said):
    file = tmp_path / "plan.yaml"
    if content is not None:
        write(file, content)
    with pytest.raises(UserError, match=said):
        study(network=str(file))


def test_kernels_are_odd():
    with pytest.raises(ValueError, match="must be odd"):
        NetworkSettings(strides=[(2, 2, 2)], kernels=[(2, 3, 3), (3, 3, 3)])


def test_networks_have_the_planned_kernels():
    from remodal.methods.bases.layouts import layout_of, reduced_layout

    network = NetworkSettings(strides=[(1, 2, 2), (2, 2, 2)], kernels=PLAN["network"]["kernels"])
    assert layout_of(network).kernels == ((1, 3, 3), (3, 3, 3), (3, 3, 3))
    assert reduced_layout(network, share=4, strides=1).kernels == ((1, 3, 3), (3, 3, 3))
