"""What is planned for preparation: how many times a case is stored, where masks come from."""

import pytest
import yaml

from tests.first_study import STUDY

pytestmark = pytest.mark.xdist_group("workflow")

FIVE = {
    "study": "liver",
    "preset": "smoke",
    "splits": {"scheme": "kfold", "folds": 5},
    # In native space there is no mask to crop by.
    "scenarios": {"arterial_native": {"space": "registered"}},
}
#: Nothing is measured on training cases.
FIXED = {"clip": {"range": [-70, 180]}, "spacing": [2, 2, 2]}
MASK = {"study": STUDY, "method": "nnunet", "scenario": "both"}


def plan(workspace, network=None, **preprocessing):
    content = FIVE | {"preprocessing": preprocessing, "network": network or {}}
    (workspace.folder / "config/config.yaml").write_text(yaml.safe_dump(content))
    return workspace.snakemake("prepared", "--summary", check=False)


def stored(said: str) -> set[str]:
    """The folders that `patient001` is stored in."""
    files = [line.partition("\t")[0] for line in said.splitlines()]
    return {file.split("/")[-2] for file in files if file.endswith("/patient001.npy")}


def test_five_folds_that_do_not_differ_store_a_case_once(workspace):
    assert stored(plan(workspace, **FIXED).stdout) == {"all"}
    assert stored(plan(workspace).stdout) == {f"fold{fold}" for fold in range(5)}


def test_a_network_that_is_to_be_planned_is_planned_from_all_training_cases_at_once(workspace):
    said = plan(workspace, network={"plan": "auto"}, clip=FIXED["clip"]).stdout
    assert "/preprocessed/plan.yaml\t" in said
    assert stored(said) == {"all"}  # the spacing is every fold's
    assert "plan.yaml" not in plan(workspace).stdout


def test_masks_of_a_study_that_does_not_exist_are_one_line_before_anything_starts(workspace):
    done = plan(workspace, crop={"mask": MASK})
    assert done.returncode != 0
    (line,) = [one for one in done.stderr.splitlines() if STUDY in one]
    assert "makes the masks of this one, but: config/studies: unknown study `region`" in line
    assert "Traceback" not in done.stderr
