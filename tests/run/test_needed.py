"""Studies that a study needs: what they are run with, what is refused, how rules are named."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from remodal.errors import UserError
from remodal.results.rule_names import module_of, stage_of
from remodal.run.needed import ask_as_profile, config_of, needed_studies
from remodal.settings import Settings
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[2] / "config"
MASK = {"study": "liver_region-{preset}", "method": "venous", "scenario": "venous"}


def study(**changes) -> Settings:
    return compose({"study": "mpct_fll", "preset": "smoke"} | changes, CONFIG)


def cropped(**mask) -> Settings:
    return study(preprocessing={"crop": {"mask": MASK | mask}})


def test_a_needed_study_has_the_same_preset_and_runs_on_the_same_machine():
    found = needed_studies(study(compute={"threads": 3}, strict=True), CONFIG)
    region = found["liver_region-smoke"]
    assert list(found) == [region.study_id] == ["liver_region-smoke"]
    assert (region.strict, region.compute.threads) == (True, 3)
    assert compose(config_of(region), CONFIG) == region
    assert needed_studies(region, CONFIG) == {}


def test_a_study_that_asks_for_no_mask_needs_none():
    assert needed_studies(compose({"study": "liver", "preset": "smoke"}, CONFIG), CONFIG) == {}


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ({"study": "elsewhere-smoke"}, "makes the masks of this one, but: .*unknown study `else"),
        ({"study": "mpct_fll-{preset}"}, "a study cannot predict its own masks"),
        ({"method": "vnet"}, "study liver_region-smoke: has no method `vnet`; expected one of art"),
        ({"scenario": "both"}, "has no scenario `both`; expected one of venous"),
        ({"seed": 7}, "has no seed `7`"),
        ({"classes": ["spleen"]}, "has no class `spleen`; expected one of liver"),
        ({"study": "liver-smoke", "method": "maml"}, "tests some of the cases only.*`kfold`"),
    ],
)
def test_a_study_that_cannot_make_the_masks_is_one_clear_line(mask, said):
    with pytest.raises(UserError, match=said) as caught:
        needed_studies(cropped(**mask), CONFIG)
    assert "\n" not in str(caught.value)


def test_a_study_that_fills_the_same_data_set_is_refused():
    with pytest.raises(UserError, match="fills the data set `phantom_liver`, as the study that"):
        needed_studies(study(data={"name": "phantom_liver"}), CONFIG)


def test_studies_of_studies_are_needed_too(tmp_path):
    for kind in ("presets", "studies"):
        (tmp_path / kind).mkdir()
        for file in (CONFIG / kind).glob("*.yaml"):
            (tmp_path / kind / file.name).write_bytes(file.read_bytes())
    finer = {"extends": "liver_region", "data": {"name": "finer"}}
    finer |= {"preprocessing": {"crop": {"mask": MASK}}}
    (tmp_path / "studies/finer_region.yaml").write_text(yaml.safe_dump(finer))
    found = needed_studies(cropped(study="finer_region-{preset}"), tmp_path)
    assert set(found) == {"liver_region-smoke", "finer_region-smoke"}


def test_what_a_profile_asks_for_holds_for_the_rules_of_needed_studies():
    resources = SimpleNamespace(
        overwrite_resources={"train": {"mem_mb": 32000}}, overwrite_threads={"train": 4}
    )
    parts = [module_of(study) for study in ("liver_region-smoke", "finer_region-smoke")]
    names = ["train", *(f"{part}train" for part in parts)]
    for _ in range(2):  # a job's Snakemake is told what it has been told before
        ask_as_profile(parts, resources)
        assert resources.overwrite_resources == {n: {"mem_mb": 32000} for n in names}
        assert resources.overwrite_threads == dict.fromkeys(names, 4)


#: Two modules of one file, as `workflow/rules/needed.smk` has.
SNAKEFILE = """
from remodal.run.needed import ask_as_profile, group_as_profile

ask_as_profile(["one__", "two__"], workflow.resource_settings)
for part in ("one__", "two__"):
    module:
        name: part
        snakefile: "part.smk"
        config: {"output": part}
    use rule * from part as part*
group_as_profile(workflow)

rule all:
    default_target: True
    input: [f"{part}{case}" for part in ("one__", "two__") for case in "abc"]
"""
PART = """
rule train:
    output: config["output"] + "{case}"
    threads: 1
    resources: mem_mb=5
    shell: "{output} {threads} {resources.mem_mb}"
"""


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "part.smk").write_text(PART)
    return tmp_path


def test_snakemake_asks_for_the_rules_of_every_module_what_the_profile_says(workspace):
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "4", "-n", "-p"]
    command += ["--set-threads", "train=3", "--set-resources", "train:mem_mb=70"]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True)
    for part in ("one__", "two__"):
        assert f"{part}a 3 70" in done.stdout, done.stderr


PLANNED = """
import sys
from remodal.cluster.planned import planned_submissions
for one in planned_submissions(sys.argv[1:]):
    print(one.name, len(one.jobs))
"""


def test_jobs_of_every_module_travel_in_groups_of_its_own_of_the_profile_s_size(workspace):
    (workspace / "workflow/rules").mkdir(parents=True)
    command = [sys.executable, "-c", PLANNED, "--cores", "4", "--groups", "train=short"]
    command += ["--group-components", "short=2"]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True)
    found = sorted(line for line in done.stdout.splitlines() if "short" in line)
    expected = [f"{part}short {count}" for part in ("one__", "two__") for count in (1, 2)]
    assert found == expected, done.stderr


def test_a_stage_is_known_whichever_study_its_rule_belongs_to():
    assert stage_of(module_of("liver_region-smoke") + "convert_label") == "convert_label"
    assert stage_of("convert_label") == "convert_label"
    assert (module_of("liver_region-smoke") + "train").isidentifier()
