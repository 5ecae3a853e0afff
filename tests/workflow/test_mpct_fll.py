"""The study of SAM and URIM, from simulated scans to its report, at the smallest size."""

import csv
from pathlib import Path

import pytest

from remodal.results.files import read_json
from tests.workspace import Workspace

pytestmark = pytest.mark.xdist_group("mpct_fll")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("mpct_fll"))


@pytest.fixture(scope="module")
def lesions(workspace) -> Path:
    """Folder of the study, after a run."""
    workspace.snakemake("--config", "study=mpct_fll", "preset=smoke")
    return workspace.folder / "results/studies/mpct_fll-smoke"


def cells(study: Path, table: str) -> list[dict[str, str]]:
    with open(study / "tables" / f"{table}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_is_measured_beside_what_the_paper_prints(lesions):
    table1 = cells(lesions, "table1")
    assert {row["method"] for row in table1} == {"mc_fcn", "mw_unet", "pa_resseg", "sam_urim"}
    rvd = {row["method"]: row["published_mean"] for row in table1 if row["metric"] == "rvd"}
    assert float(rvd["sam_urim"]) == -5.28
    assert all(row["status"] == "ok" for row in table1 if row["metric"] == "dice")


def test_the_ablation_is_shown_as_ticks(lesions):
    text = (lesions / "tables/table3.md").read_text(encoding="utf-8")
    ticks = [line.count("✓") for line in text.splitlines() if line.startswith("| ")]
    assert [number for number in ticks if number] == [1, 2, 3, 4]


def test_the_report_says_that_the_liver_is_the_true_one(lesions):
    page = (lesions / "report/index.html").read_text(encoding="utf-8")
    assert "inside the true liver" in page
    assert "Labels of test cases were used to crop the images" in page
    assert "How is the liver found?" in page


def test_the_region_study_looks_in_the_liver_that_a_network_found_in_patients_new_to_it(workspace):
    workspace.snakemake("--config", "study=liver_region", "preset=smoke")
    workspace.snakemake(
        "--until", "preprocess", "--config", "study=mpct_fll_region", "preset=smoke"
    )
    studies = workspace.folder / "results/studies"
    folds = read_json(studies / "liver_region-smoke/splits.json")["folds"]
    prepared = list(studies.glob("mpct_fll_region-smoke/preprocessed/*/patient*.json"))
    assert prepared
    for path in prepared:
        mask = read_json(path)["details"]["mask"]
        assert mask["study"] == "liver_region-smoke"
        assert path.stem in folds[mask["fold"]]["test"]
