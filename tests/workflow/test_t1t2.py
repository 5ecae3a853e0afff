"""The comparison of strategies, from simulated pairs to its report, at the smallest size."""

import csv
import json
from itertools import permutations
from pathlib import Path

import pytest

from tests.workflow.table_files import cells
from tests.workspace import Workspace

pytestmark = pytest.mark.xdist_group("t1t2")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    """Folder of the study, after a run."""
    workspace = Workspace(tmp_path_factory.mktemp("t1t2"))
    workspace.snakemake("--config", "study=t1t2", "preset=smoke")
    return workspace.folder / "results/studies/t1t2-smoke"


def test_every_number_of_the_paper_stands_beside_ours(pairs):
    printed = {
        table: [row for row in cells(pairs, table) if row["published_mean"]]
        for table in ("table1", "table3", "table4")
    }
    assert {name: len(rows) for name, rows in printed.items()} == {
        "table1": 13,
        "table3": 8,  # and a bound, "< 0.001"
        "table4": 12,
    }
    assert all(row["status"] == "ok" for rows in printed.values() for row in rows)
    assert "&lt; 0.10" in (pairs / "report/index.html").read_text(encoding="utf-8")


def test_foreign_images_are_all_those_of_other_test_patients_in_either_order(pairs):
    (path,) = pairs.glob("metrics/two_inputs/*/t2_with_foreign*.csv")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = json.loads((pairs / "splits.json").read_text("utf-8"))
    tested, patients = splits["folds"][0]["test"], splits["patients"]
    of_others = {(a, b) for a, b in permutations(tested, 2) if patients[a] != patients[b]}
    assert of_others
    assert {(row["case"], row["foreign"]) for row in rows} == of_others
    assert len(rows) == len(of_others)


def test_losses_go_on_from_the_trained_network_of_one_input(pairs):
    path = pairs / "models/loss_gambling/fold0-seed0/training.json"
    record = json.loads(path.read_text("utf-8"))
    assert record["parameters"]["method"]["inputs"] == {"start": "one_input"}
    assert record["companion_parameter_counts"]["gambler"] > 0
