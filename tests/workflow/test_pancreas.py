"""The pancreas study, from simulated DICOM to its report, at the smallest size."""

import csv
import json
from pathlib import Path

import pytest

from tests.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pancreas")

FEW, ALL = 2, 4


@pytest.fixture(scope="module")
def pancreas(tmp_path_factory) -> Path:
    """Folder of the study, after a run."""
    workspace = Workspace(tmp_path_factory.mktemp("pancreas"))
    workspace.snakemake("--config", "study=pancreas", "preset=smoke")
    return workspace.folder / "results/studies/pancreas-smoke"


def cells(study: Path, table: str) -> dict[tuple[str, str], dict[str, str]]:
    """A table's cells, by method and by metric or record."""
    path = study / "tables" / f"{table}.csv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["method"], row["metric"] or row["record"]): row for row in rows}


def test_every_row_of_both_tables_stands_beside_what_the_paper_prints(pancreas):
    ablation, comparison = cells(pancreas, "table1"), cells(pancreas, "table2")
    assert len({method for method, _ in ablation}) == 8
    assert len({method for method, _ in comparison}) == 9
    assert float(comparison["dtc", "dice"]["published_mean"]) == 78.27
    assert float(ablation["seg_lsf_dtc_all", "hd95_voxel_dtc"]["published_mean"]) == 4.67
    assert ablation["seg_few", "dice"]["mean"] == comparison["seg_few", "dice"]["mean"]
    assert all(row["status"] == "ok" for key, row in comparison.items() if key[1] == "dice")


def test_a_row_is_trained_on_the_labels_and_the_unlabelled_cases_that_it_names(pancreas):
    comparison = cells(pancreas, "table2")
    numbers = {
        method: tuple(
            int(float(comparison[method, name]["mean"])) for name in ("labelled", "unlabelled")
        )
        for method, metric in comparison
        if metric == "dice"
    }
    assert numbers.pop("seg_all") == (ALL, 0)
    assert numbers.pop("seg_few") == (FEW, 0)
    assert set(numbers.values()) == {(FEW, ALL - FEW)}


def test_the_report_says_that_the_test_labels_placed_the_crop(pancreas):
    page = (pancreas / "report/index.html").read_text(encoding="utf-8")
    assert "Simulated trunks with a pancreas" in page
    assert "What sign has k" in page
    assert "Labels of test cases were used to crop the images" in page


def test_the_records_name_who_was_labelled(pancreas):
    record = json.loads((pancreas / "models/dtc/fold0-seed0/training.json").read_text("utf-8"))
    cases = record["cases"]
    assert len(cases["train"]) == FEW
    assert len(cases["unlabelled"]) == ALL - FEW
    assert not set(cases["train"]) & set(cases["unlabelled"])
