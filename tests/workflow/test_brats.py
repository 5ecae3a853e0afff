"""The BraTS study, from the simulated folder to its report, at the smallest size."""

from pathlib import Path

import pytest

from tests.workflow.table_files import cells
from tests.workspace import Workspace

pytestmark = pytest.mark.xdist_group("brats")

REGIONS = {"enhancing_tumour", "tumour_core", "whole_tumour"}


@pytest.fixture(scope="module")
def brats(tmp_path_factory) -> Path:
    """Folder of the study, after a run."""
    workspace = Workspace(tmp_path_factory.mktemp("brats"))
    workspace.snakemake("--config", "study=brats", "preset=smoke")
    return workspace.folder / "results/studies/brats-smoke"


def test_every_row_is_measured_in_every_region_beside_what_the_paper_prints(brats):
    rows = [row for row in cells(brats, "table3") if row["metric"] == "dice"]
    methods = {"hemis", "u_hved", "kd_net", "nnunet_t1ce", "maml"}
    assert {(row["method"], row["region"]) for row in rows} == {
        (method, region) for method in methods for region in REGIONS
    }
    printed = {(row["method"], row["region"]): row["published_mean"] for row in rows}
    assert float(printed["maml", "tumour_core"]) == 83.36
    assert all(row["status"] == "ok" for row in rows if row["region"] == "whole_tumour")


def test_the_regions_are_nested(brats):
    voxels = {
        (row["case"], row["method"], row["scenario"], row["region"]): int(row["truth_voxels"])
        for row in cells(brats, "metrics")
    }
    assert voxels
    for (case, method, scenario, _), _ in voxels.items():
        enhancing, core, whole = (
            voxels[case, method, scenario, region]
            for region in ("enhancing_tumour", "tumour_core", "whole_tumour")
        )
        assert enhancing <= core < whole


def test_the_report_says_that_the_brains_are_simulated_and_that_test_sets_differ(brats):
    page = (brats / "report/index.html").read_text(encoding="utf-8")
    assert "Simulated brains with gliomas" in page
    assert "Do the rows of Table 3 share their test cases?" in page
    assert "Which phase is fixed" not in page
