"""A new study is new files: a YAML, published numbers, and a package with a data set and a method.

No file of remodal mentions them, and none is changed. The study has three sequences, not two,
nested regions, folds, a method that predicts from any subset, and preparation that depends on no
fold.
"""

import csv
import os
import shutil
from pathlib import Path

import pytest

from remodal.results.files import read_json
from tests.test_extensions import describe_package
from tests.workspace import ROOT, Workspace

pytestmark = pytest.mark.xdist_group("toy study")

TOY = Path(__file__).parent / "toy_study"
POINTS = """
[remodal.datasets]
toy_heads = toy_package.heads
[remodal.methods]
toy_mean = toy_package.mean_of_sequences
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    """Folder of the study, after a run."""
    workspace = Workspace(tmp_path_factory.mktemp("toy"))
    config = workspace.folder / "config"
    shutil.copy(TOY / "toy.yaml", config / "studies")
    shutil.copy(TOY / "toy.csv", config / "published")
    site = workspace.folder / "site"
    shutil.copytree(TOY / "toy_package", site / "toy_package")
    describe_package(site, "toy_package", POINTS)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    workspace.environment["PYTHONPATH"] = os.pathsep.join(paths)
    done = workspace.snakemake("--config", "study=toy", "preset=smoke")
    assert "Done" in done.stdout + done.stderr
    return workspace.folder / "results/studies/toy-smoke"


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_subset_is_a_row_of_the_table(toy):
    rows = rows_of(toy / "tables/subsets.csv")
    assert {row["scenario"] for row in rows if row["metric"] == "dice"} == {
        "all",
        "without_t2",
        "t1",
    }
    assert {row["region"] for row in rows if row["metric"] == "dice"} == {"whole", "core"}


def test_regions_are_measured_as_unions(toy):
    rows = rows_of(toy / "tables/metrics.csv")
    assert {row["region"] for row in rows} == {"whole", "core"}
    assert {row["case"] for row in rows} == {f"head{number}" for number in range(4)}


def test_the_method_is_trained_by_its_own_recipe(toy):
    training = read_json(toy / "models/mean/fold0-seed0/training.json")
    assert training["parameters"]["recipe"]["weight_decay"] == 0.01


def test_the_report_shows_the_published_number_and_the_table(toy):
    page = (toy / "report/index.html").read_text(encoding="utf-8")
    assert "Any of the sequences" in page
    assert "88.5" in page


def test_no_file_of_the_package_names_the_study():
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("workflow/**/*"), ROOT / "Snakefile"]
    assert not [f for f in files if f.is_file() and "toy_" in f.read_text(encoding="utf-8")]
