"""Cases that lack an image or a label, from the sheet to the report."""

import csv
import re

import pytest
import yaml

from remodal.results.files import read_json
from tests.workflow.test_bad_input import good_case
from tests.workspace import Workspace

pytestmark = pytest.mark.xdist_group("workflow")

STUDY = "results/studies/partial-smoke"
REPORT = f"{STUDY}/report/index.html"
COMPLETE = [f"c{number}" for number in range(4)]
#: The path of an image is one cell of the sheet: empty where the case lacks it.
LACKS = {"a": "venous", "v": "arterial"}
#: It has both images; no method of this study takes samples without a label.
UNLABELLED = "u"


def write_sheet(workspace, lacks):
    """Six cases, each label drawn on an image that the case has, and one without a label."""
    lines = ["case\tmodality\tpath\tlabel\tlabel_on"]
    for case in (*COMPLETE, "a", "v", UNLABELLED):
        drawn_on = "arterial" if lacks.get(case) == "venous" else "venous"
        for modality in ("arterial", "venous"):
            path = "" if lacks.get(case) == modality else f"scans/{case}/{modality}.nii.gz"
            labelled = modality == drawn_on and case != UNLABELLED
            label = f"scans/{case}/label.nii.gz" if labelled else ""
            lines.append(f"{case}\t{modality}\t{path}\t{label}\t")
    (workspace.folder / "config/partial.tsv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of two methods in three scenarios, run to its report."""
    workspace = Workspace(tmp_path_factory.mktemp("partial"))
    for seed, case in enumerate((*COMPLETE, "a", "v", UNLABELLED)):
        good_case(workspace.folder / "scans" / case, seed)
    write_sheet(workspace, LACKS)
    cells = [("maml", "both"), ("maml", "arterial"), ("nnunet_venous", "venous")]
    rows = [{"method": method, "scenario": scenario} for method, scenario in cells]
    study = {
        "title": "Some patients lack a phase",
        "data": {
            "name": "partial",
            "source": "sheet",
            "sheet": "config/partial.tsv",
            "modalities": ["arterial", "venous"],
            "classes": {"tumour": [2]},
        },
        "registration": {"fixed": "venous", "method": "none"},
        "scenarios": {"both": ["arterial", "venous"], "arterial": ["arterial"]}
        | {"venous": ["venous"]},
        "methods": {
            "nnunet_venous": {"type": "nnunet", "modalities": ["venous"]},
            "maml": {"type": "maml", "scenarios": ["both", "arterial"]},
        },
        "tables": {"table": {"title": "Phases", "metrics": ["dice"], "rows": rows}},
    }
    (workspace.folder / "config/studies/partial.yaml").write_text(yaml.safe_dump(study))
    splits = {"test_fraction": 0.5, "validation_fraction": 0.0}
    config = {"study": "partial", "preset": "smoke", "splits": splits}
    (workspace.folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    workspace.snakemake(REPORT)
    return workspace


def read(workspace, name):
    return read_json(workspace.folder / STUDY / name)


def test_an_incomplete_case_is_not_quarantined_but_split_with_its_modalities(finished):
    splits = read(finished, "splits.json")
    assert set(splits["quarantined"]) == {UNLABELLED}
    whole = [*COMPLETE, UNLABELLED]
    assert splits["modalities"] == {case: ["arterial", "venous"] for case in whole} | {
        "a": ["arterial"],
        "v": ["venous"],
    }
    (fold,) = splits["folds"]
    assert len(set(COMPLETE) & set(fold["train"])) == len(set(COMPLETE) & set(fold["test"])) == 2
    assert {"a", "v"} <= {*fold["train"], *fold["test"]}


def test_methods_train_on_the_cases_that_have_their_images(finished):
    (fold,) = read(finished, "splits.json")["folds"]
    for method, lacking in {"maml": {"a", "v"}, "nnunet_venous": {"a"}}.items():
        trained = read(finished, f"models/{method}/fold0-seed0/training.json")
        assert trained["cases"]["train"] == [c for c in fold["train"] if c not in lacking]
        assert set(trained["incomplete"]) == lacking & set(fold["train"])


@pytest.mark.parametrize(
    ("cell", "lacking"),
    [
        ("maml/fold0-seed0/both", {"a", "v"}),
        ("maml/fold0-seed0/arterial", {"v"}),
        ("nnunet_venous/fold0-seed0/venous", {"a"}),
    ],
)
def test_scenarios_test_the_cases_that_have_their_images(finished, cell, lacking):
    (fold,) = read(finished, "splits.json")["folds"]
    expected = [case for case in fold["test"] if case not in lacking]
    found = read(finished, f"predictions/{cell}/predictions.json")
    assert sorted(found["cases"]) == expected
    assert set(found["not_applicable"]) == lacking & set(fold["test"])
    with open(finished.folder / STUDY / f"metrics/{cell}.csv") as file:
        assert [row["case"] for row in csv.DictReader(file)] == expected


def test_tables_and_report_say_which_cases_are_where_and_why(finished):
    (fold,) = read(finished, "splits.json")["folds"]
    (tested,) = {"a", "v"} & set(fold["test"])
    note = f"{tested} lacks {LACKS[tested]}"
    assert note in (finished.folder / STUDY / "tables/table.md").read_text()
    page = (finished.folder / REPORT).read_text()
    assert note in page
    assert "Cases that lack a modality" in page
    assert "u: the label is missing; expected a label on one of its images" in page


def test_a_case_without_a_label_is_prepared_without_one(finished):
    prepared = finished.folder / STUDY / "preprocessed/fold0"
    record = read_json(prepared / f"{UNLABELLED}.json")
    assert (record["status"], record["details"]["labels"]) == ("ok", [])
    assert (prepared / f"{UNLABELLED}.label-venous.npy").stat().st_size == 0
    assert (prepared / f"{UNLABELLED}.npy").stat().st_size > 0
    splits = read(finished, "splits.json")
    assert splits["labels"] == {case: ["venous"] for case in (*COMPLETE, "v")} | {
        "a": ["arterial"],
        UNLABELLED: [],
    }
    assert UNLABELLED not in str(splits["folds"])


def test_a_file_is_empty_where_there_is_no_image(finished):
    registered = finished.folder / "results/data/partial/registered"
    for case, modality in LACKS.items():
        assert (registered / case / f"{modality}.nii.gz").stat().st_size == 0
        record = read_json(registered / case / "registration.json")
        assert (record["status"], record["details"]["fixed"]) == (
            "ok",
            *record["details"]["modalities"],
        )
        assert not list((finished.folder / f"results/data/partial/converted/{case}").glob(modality))


def planned(workspace):
    """(rule, case, modality) of every planned job that prepares a single case's data."""
    said = workspace.snakemake("-n", REPORT).stdout
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)", said, re.MULTILINE)
    names = [
        (
            rule,
            *(re.findall(rf"wildcards: .*\b{name}=(\w+)", block) for name in ("case", "modality")),
        )
        for rule, block in blocks
    ]
    kept = [(r, *c, *m) for r, c, m in names if r in ("convert", "convert_label", "register")]
    assert not blocks or any(rule == "report" for rule, _ in blocks)
    return sorted(kept)


def test_a_changed_cell_of_the_sheet_plans_the_jobs_of_its_case(finished):
    assert planned(finished) == []
    write_sheet(finished, LACKS | {"c0": "arterial"})
    assert planned(finished) == [("register", "c0")]
    write_sheet(finished, {"a": "venous"})
    assert planned(finished) == [("convert", "v", "arterial"), ("register", "v")]
    write_sheet(finished, LACKS)
    assert planned(finished) == []


def test_a_sheet_with_one_complete_patient_is_refused_before_anything_runs(finished):
    write_sheet(finished, LACKS | {f"c{number}": "arterial" for number in range(1, 4)})
    failed = finished.snakemake("-n", REPORT, check=False)
    write_sheet(finished, LACKS)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "patients with arterial and venous images, which method `maml` needs: 1" in said
    assert "Traceback" not in said
