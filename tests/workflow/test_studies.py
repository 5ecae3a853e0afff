"""The studies that are not run here as a whole plan their own jobs."""

import re

import pytest

pytestmark = pytest.mark.xdist_group("workflow")


@pytest.mark.parametrize(
    ("study", "trainings"),
    [
        ("liver_ablation", 9),
        ("liver_repo", 7),
        ("liver_subsets", 9),
        ("brats_subsets", 3 * 9),
        ("brats_own_recipes", 3 * 9),
        ("pancreas_body", 15),
    ],
)
def test_a_variant_of_a_study_plans(workspace, study, trainings):
    said = workspace.snakemake("-n", "--quiet", "rules", "--config", f"study={study}")
    planned = dict(re.findall(r"^(\w+)\s+(\d+)$", said.stdout + said.stderr, re.MULTILINE))
    assert int(planned["train"]) == trainings
    assert planned["report"] == "1"
