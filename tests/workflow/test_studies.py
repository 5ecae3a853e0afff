"""The studies that vary the first one plan their own jobs."""

import re

import pytest

pytestmark = pytest.mark.xdist_group("workflow")


@pytest.mark.parametrize(("study", "trainings"), [("liver_ablation", 9), ("liver_repo", 7)])
def test_a_variant_of_the_study_plans(workspace, study, trainings):
    said = workspace.snakemake("-n", "--quiet", "rules", "--config", f"study={study}")
    planned = dict(re.findall(r"^(\w+)\s+(\d+)$", said.stdout + said.stderr, re.MULTILINE))
    assert int(planned["train"]) == trainings
    assert planned["report"] == "1"
