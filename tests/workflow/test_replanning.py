"""What is planned after a scan changed: with the cases prepared again, only what really changed."""

import json
import re

import pytest
import yaml
from benchmarks.scale import finish

from tests.workflow.test_bad_input import body, hospital, image, sitk

pytestmark = pytest.mark.xdist_group("workflow")

STUDY = "results/studies/hospital-smoke"
CHOSEN = {"study": "hospital", "preset": "smoke", "splits": {"scheme": "kfold", "folds": 2}}


def planned(workspace):
    """(rule, fold) of every planned job; the fold is None for jobs that belong to no fold."""
    said = workspace.snakemake("-n").stdout
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)", said, re.MULTILINE)
    folds = [re.search(r"wildcards: .*fold=(\d+)", block) for _, block in blocks]
    return {(rule, fold and int(fold[1])) for (rule, _), fold in zip(blocks, folds)}


def test_a_changed_scan_trains_only_the_folds_that_train_on_it(workspace):
    # Two real patients are prepared, twice: the longest part. Everything else is a stand-in.
    hospital(workspace, good=2)
    (workspace.folder / "config/config.yaml").write_text(yaml.safe_dump(CHOSEN))
    workspace.snakemake("prepared")
    finish(workspace.folder)
    assert planned(workspace) == set()
    splits = json.loads((workspace.folder / STUDY / "splits.json").read_text())
    (tests_on_it,) = [n for n, fold in enumerate(splits["folds"]) if "good0" in fold["test"]]
    trains_on_it = 1 - tests_on_it

    scan = workspace.folder / "scans/good0/venous.nii.gz"
    sitk.WriteImage(image(body(seed=7)), str(scan))
    assert ("train", tests_on_it) in planned(workspace)  # not known yet what will come out
    workspace.snakemake("prepared")

    jobs = planned(workspace)
    assert ("train", trains_on_it) in jobs
    assert ("infer", tests_on_it) in jobs
    assert ("train", tests_on_it) not in jobs
    assert {rule for rule, _ in jobs} == {
        *("train", "infer", "evaluate", "tabulate", "report", "track", "faults", "all")
    }
