"""A new study is new files: a YAML, published numbers, and a package with a data set and a method.

No file of remodal mentions them, and none is changed. The study has three sequences, not two,
nested regions, folds, a method that predicts from any subset, and preparation that depends on no
fold.
"""

import os
import shutil
from itertools import permutations
from pathlib import Path

import pytest

from remodal.results.files import read_json
from tests.test_extensions import describe_package
from tests.workflow.table_files import cells, rows_of
from tests.workspace import ROOT, Workspace

pytestmark = pytest.mark.xdist_group("toy study")

TOY = Path(__file__).parent / "toy_study"
POINTS = """
[remodal.datasets]
toy_heads = toy_package.heads
[remodal.methods]
toy_mean = toy_package.mean_of_sequences
toy_entropy = toy_package.entropy
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    """A clone with the toy studies, in which their package is installed."""
    workspace = Workspace(tmp_path_factory.mktemp("toy"))
    config = workspace.folder / "config"
    for study in TOY.glob("*.yaml"):
        shutil.copy(study, config / "studies")
    shutil.copy(TOY / "toy.csv", config / "published")
    site = workspace.folder / "site"
    shutil.copytree(TOY / "toy_package", site / "toy_package")
    describe_package(site, "toy_package", POINTS)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    workspace.environment["PYTHONPATH"] = os.pathsep.join(paths)
    return workspace


def finished(workspace: Workspace, study: str) -> Path:
    """Folder of a study, after a run."""
    done = workspace.snakemake("--config", f"study={study}", "preset=smoke")
    assert "Done" in done.stdout + done.stderr
    return workspace.folder / f"results/studies/{study}-smoke"


@pytest.fixture(scope="module")
def toy(workspace) -> Path:
    """The first study."""
    return finished(workspace, "toy")


@pytest.fixture(scope="module")
def partly_labelled(workspace) -> Path:
    """A study one of whose patients has no label, with images of other patients at inference."""
    return finished(workspace, "toy_partly_labelled")


@pytest.fixture(scope="module")
def masked(workspace, toy) -> Path:
    """A study whose cases are registered and cropped by what the first one predicted."""
    return finished(workspace, "toy_masked")


def test_every_subset_is_a_row_of_the_table(toy):
    rows = cells(toy, "subsets")
    assert {row["scenario"] for row in rows if row["metric"] == "dice"} == {
        "all",
        "without_t2",
        "t1",
    }
    assert {row["region"] for row in rows if row["metric"] == "dice"} == {"whole", "core"}


def test_regions_are_measured_as_unions(toy):
    rows = cells(toy, "metrics")
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


@pytest.mark.slow
def test_an_unlabelled_case_trains_every_fold_and_is_never_tested(partly_labelled):
    splits = read_json(partly_labelled / "splits.json")
    for fold in (0, 1):
        training = read_json(partly_labelled / f"models/mean/fold{fold}-seed0/training.json")
        assert training["cases"]["unlabelled"] == ["head4"]
        assert "head4" in splits["folds"][fold]["train"]
        predicted = partly_labelled / f"predictions/mean/fold{fold}-seed0/all/predictions.json"
        assert len(read_json(predicted)["cases"]) == 2
    losses = rows_of(partly_labelled / "models/mean/fold0-seed0/curves.csv")
    assert losses
    assert all(float(row["entropy"]) > 0 for row in losses)
    rows = cells(partly_labelled, "metrics")
    assert {row["case"] for row in rows} == {f"head{number}" for number in range(4)}
    page = (partly_labelled / "report/index.html").read_text(encoding="utf-8")
    assert "1 of them had no label, and served for training only" in page


@pytest.mark.slow
def test_each_case_is_segmented_with_the_foreign_image_of_its_fold_s_other_patient(partly_labelled):
    rows = cells(partly_labelled, "metrics")
    pairs = {(row["case"], row["foreign"]) for row in rows if row["scenario"] == "foreign"}
    folds = read_json(partly_labelled / "splits.json")["folds"]
    assert pairs == {pair for fold in folds for pair in permutations(fold["test"], 2)}
    assert {row["foreign"] for row in rows if row["scenario"] == "all"} == {""}
    (cost,) = [r for r in cells(partly_labelled, "subsets") if r["minus"] == "all"]
    assert cost["n"] == "4"
    dice = {
        scenario: [
            float(row["dice"])
            for row in rows
            if (row["scenario"], row["region"]) == (scenario, "whole")
        ]
        for scenario in ("all", "foreign")
    }
    difference = sum(dice["foreign"]) / 4 - sum(dice["all"]) / 4
    assert float(cost["mean"]) == pytest.approx(difference, abs=1e-4)


@pytest.mark.slow
def test_masks_of_the_first_study_come_from_models_that_did_not_see_the_patient(toy, masked):
    folds = read_json(toy / "splits.json")["folds"]
    tested = {case: number for number, fold in enumerate(folds) for case in fold["test"]}
    assert len(tested) == 4
    data = masked.parents[1] / "data/masked_heads-smoke"
    for case, fold in tested.items():
        model = read_json(toy / f"models/mean/fold{fold}-seed0/model.json")
        assert case not in model["fingerprint"]["cases"]
        registered = read_json(data / f"registered/{case}/registration.json")["details"]["masks"]
        assert registered.keys() == {"t1", "t2", "flair"}
        cropping = read_json(masked / f"preprocessed/all/{case}.json")["details"]["mask"]
        for origin in (*registered.values(), cropping):
            assert (origin["study"], origin["fold"]) == ("toy-smoke", fold)
            assert origin["weights"] == model["weights_sha256"]


@pytest.mark.slow
def test_cases_are_cropped_by_the_mask_and_measured_as_a_whole(toy, masked):
    cropped = {
        path.stem: read_json(path)["details"] for path in masked.glob("preprocessed/all/*.json")
    }
    assert {details["cropped_by"] for details in cropped.values()} <= {"mask", "body"}
    assert any(details["cropped_by"] == "mask" for details in cropped.values())
    rows = cells(masked, "metrics")
    whole = {row["case"]: row["truth_voxels"] for row in cells(toy, "metrics")}
    assert {row["case"]: row["truth_voxels"] for row in rows}.items() <= whole.items()
    assert {row["region"] for row in rows} == {"whole", "core"}
    page = (masked / "report/index.html").read_text(encoding="utf-8")
    assert "a structure predicted by study toy-smoke, by models that had not seen" in page


@pytest.mark.slow
def test_a_finished_study_with_masks_of_another_plans_nothing(workspace, masked):
    said = workspace.snakemake("-n", "--config", "study=toy_masked", "preset=smoke")
    assert "Nothing to be done" in said.stdout + said.stderr
