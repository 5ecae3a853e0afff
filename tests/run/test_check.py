import subprocess
import sys
from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.methods.base import Method
from remodal.run.check import check_study
from remodal.run.start_check import check_names
from remodal.settings import Settings
from remodal.settings.composition import compose

ROOT = Path(__file__).parents[2]


TABLE = {"title": "One row", "rows": [{"method": "maml", "scenario": "both"}]}


def study(**options) -> Settings:
    """The liver study with options of its method `maml`."""
    change = {"methods": {"maml": {"options": options}}}
    return compose({"study": "liver", "preset": "smoke"} | change, folder=ROOT / "config")


@pytest.mark.parametrize("check", [check_study, check_names])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weigths": "repo"}, "methods.maml.options: .*`weigths`.*did you mean `weights`"),
        ({"weights": "papre"}, "methods.maml.options: .*option `weights`.*'paper' or 'repo'"),
        ({"zzz": 1}, "option `zzz`.*expected options .*intra_weight"),
    ],
)
def test_a_wrong_option_is_named_in_one_line(check, options, said):
    with pytest.raises(UserError, match=said) as raised:
        check(study(**options))
    assert "\n" not in str(raised.value)


def test_an_option_that_does_not_fit_the_modalities_is_named_before_anything_runs():
    student = {"type": "kdnet", "inputs": {"teacher": "nnunet"}, "options": {"student": "portal"}}
    change = {"study": "liver", "preset": "smoke", "methods": {"student": student}}
    said = r"methods\.student: .*no modality `portal`; expected one of arterial, venous"
    with pytest.raises(UserError, match=said):
        check_study(compose(change, folder=ROOT / "config"))


@pytest.mark.parametrize("check", [check_study, check_names])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metrics": {"names": ["dice", "hd99"]}}, "unknown metric `hd99`; expected one of dice"),
        ({"metrics": {"names": ["dice_global"]}}, "`dice_global` has no value for a single case"),
        ({"tables": {"own": TABLE | {"metrics": ["dise"]}}}, "unknown metric `dise`"),
    ],
)
def test_a_metric_that_does_not_exist_is_named_before_anything_runs(check, change, said):
    settings = compose({"study": "liver", "preset": "smoke"} | change, folder=ROOT / "config")
    with pytest.raises(UserError, match=said):
        check(settings)


@pytest.mark.parametrize("check", [check_study, check_names])
def test_an_unknown_method_is_named(check):
    settings = study()
    wrong = settings.methods["maml"].model_copy(update={"type": "mamll"})
    methods = settings.methods | {"maml": wrong}
    with pytest.raises(UserError, match="unknown method `mamll`"):
        check(settings.model_copy(update={"methods": methods}))


@pytest.mark.parametrize("check", [check_study, check_names])
def test_a_wrong_option_of_a_way_of_registration_is_named_even_if_another_is_chosen(check):
    change = {"registration": {"method": "none", "options": {"elastix": {"bins": 32}}}}
    settings = compose({"study": "liver", "preset": "smoke"} | change, folder=ROOT / "config")
    with pytest.raises(UserError, match=r"registration\.options\.elastix\.bins: is no option"):
        check(settings)


@pytest.mark.parametrize("check", [check_study, check_names])
@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"methods": {"maml": {"recipe": {"patch": [3, 3, 3]}}}}, "methods.maml.recipe.patch"),
        ({"recipe": {"patch": [32, 30, 32]}}, "recipe.patch"),
    ],
)
def test_a_patch_that_the_network_does_not_take_is_named(check, change, where):
    settings = compose({"study": "liver", "preset": "smoke"} | change, folder=ROOT / "config")
    said = rf"{where}: the network of `\w+` takes no patch of 3"
    with pytest.raises(UserError, match=said) as raised:
        check(settings)
    assert "expected multiples of [2, 4, 4], by which it shrinks a patch" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_method_with_strides_of_its_own_says_which_patches_it_takes(monkeypatch):
    def liver(*patch):
        change = {"recipe": {"patch": patch}}
        return compose({"study": "liver", "preset": "smoke"} | change, folder=ROOT / "config")

    monkeypatch.setattr(Method, "patch_multiple", lambda network: (3, 3, 5))
    assert check_study(liver(9, 9, 10)).endswith("ok")
    with pytest.raises(UserError, match=r"no patch of 8 x 8 x 8 voxels; expected multiples of \[3"):
        check_study(liver(8, 8, 8))


def test_a_right_study_is_summed_up():
    assert check_study(study(weights="repo")) == "6 cases of 6 patients, 7 methods: ok"
    check_names(study(weights="repo"))


def test_cases_without_a_label_are_counted(tmp_path):
    sheet = tmp_path / "samples.tsv"
    lines = ["case\tmodality\tpath\tlabel"]
    for number, label in enumerate(["l", "l", "l", "", ""]):
        lines += [f"c{number}\tarterial\ta\t", f"c{number}\tvenous\tv\t{label}"]
    sheet.write_text("\n".join(lines[:-2]) + "\nc4\tvenous\tv\t\n")
    data = {"source": "sheet", "sheet": str(sheet), "simulated": False}
    change = {"study": "liver", "preset": "smoke", "data": data}
    said = check_study(compose(change, folder=ROOT / "config"))
    counted = "(1 lacks an image; 2 unlabelled, left out)"
    assert said == f"5 cases of 5 patients {counted}, 7 methods: ok"


def test_the_snakefile_imports_neither_torch_nor_scipys_parts_for_it():
    program = (
        "import sys; from remodal.run.start_check import check_names as check;"
        "from remodal.settings.composition import compose;"
        "check(compose({'study': 'liver', 'preset': 'smoke',"
        " 'methods': {'maml': {'options': {'ma': 'paper'}}}}));"
        "sys.exit('torch' in sys.modules or 'scipy.ndimage' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("check", [check_study, check_names])
def test_a_method_that_cannot_use_unlabelled_cases_is_not_given_any(check):
    settings = study()
    pools = [{"cases": "labelled", "samples": 1}, {"cases": "unlabelled", "samples": 1}]
    given = settings.methods["maml"].model_copy(update={"recipe": {"pools": pools}})
    settings = settings.model_copy(update={"methods": settings.methods | {"maml": given}})
    with pytest.raises(UserError, match=r"methods\.maml, recipe\.pools: .*does not learn from"):
        check(settings)


@pytest.mark.parametrize("check", [check_study, check_names])
def test_a_method_that_needs_unlabelled_cases_is_not_left_without(check):
    recipe = {"labelled": 2, "patch": [16, 16, 16]}
    change = {
        "network": {"strides": [[2, 2, 2]]},
        "preprocessing": {"clip": "case"},
        "methods": {"teacher": {"type": "mean_teacher", "recipe": recipe}},
    }
    settings = compose({"study": "liver", "preset": "smoke"} | change, folder=ROOT / "config")
    said = r"^methods\.teacher, recipe\.pools: .*is given none; expected a pool of them beside"
    with pytest.raises(UserError, match=said) as raised:
        check(settings)
    assert "\n" not in str(raised.value)


def test_more_labelled_cases_than_there_are_is_said_before_anything_runs():
    change = {"preprocessing": {"clip": "case"}, "recipe": {"labelled": 7}}
    settings = compose({"study": "liver", "preset": "smoke"} | change, folder=ROOT / "config")
    with pytest.raises(UserError, match=r"recipe\.labelled: 7 labelled cases wanted, 3 there"):
        check_study(settings)


@pytest.mark.parametrize("check", [check_study, check_names])
def test_a_scenario_that_a_method_cannot_answer_is_named_before_anything_runs(check):
    alone = {"type": "nnunet", "options": {"missing": "refused"}, "scenarios": ["venous"]}
    change = {"study": "liver", "preset": "smoke", "methods": {"alone": alone}}
    said = r"methods\.alone, scenario `venous`: .*cannot predict from venous; expected arterial \+"
    with pytest.raises(UserError, match=said):
        check(compose(change, folder=ROOT / "config"))


@pytest.mark.parametrize("check", [check_study, check_names])
def test_an_image_that_a_method_cannot_segment_is_named_before_anything_runs(check):
    pair = {"type": "two_inputs", "options": {"specialised": True, "target": "venous"}}
    change = {
        "study": "liver",
        "preset": "smoke",
        "data": {"truth": "image"},
        "methods": {"pair": pair},
        "scenarios": {"both": {"present": ["arterial", "venous"], "target": "arterial"}},
    }
    said = r"methods\.pair, scenario `both`: .*cannot segment arterial; expected venous"
    with pytest.raises(UserError, match=said):
        check(compose(change, folder=ROOT / "config"))


@pytest.mark.parametrize("check", [check_study, check_names])
def test_foreign_images_cannot_be_registered_by_masks(check):
    scenario = {"present": ["arterial", "venous"], "foreign": ["arterial"]}
    options = {"centroid": {"mask": {"label": [1], "study": ""}}}
    change = {
        "scenarios": {"placed": scenario | {"register_foreign": True}},
        "registration": {"method": "centroid", "options": options},
    }
    settings = compose({"study": "liver", "preset": "smoke"} | change, folder=ROOT / "config")
    with pytest.raises(UserError, match="by masks, which foreign ones do not have"):
        check(settings)


def test_a_study_that_was_found_right_is_not_asked_about_again(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("remodal.run.start_check._ask", asked.append)
    for options in ({"weights": "repo"}, {"weights": "repo"}, {"weights": "paper"}):
        check_names(study(**options), tmp_path)
    assert [one.methods["maml"].options["weights"] for one in asked] == ["repo", "paper"]


def test_a_study_that_was_found_wrong_is_asked_about_again(tmp_path):
    for _ in range(2):
        with pytest.raises(UserError, match="option `weights`"):
            check_names(study(weights="papre"), tmp_path)


def test_a_check_draws_no_weight():
    program = (
        "import sys; from remodal.run.check import check_study;"
        "from remodal.settings.composition import compose;"
        "check_study(compose({'study': 'brats', 'preset': 'smoke'}));"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
