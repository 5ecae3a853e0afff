"""The study of SAM and URIM, from simulated scans to its report, at the smallest size."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from remodal.intake.nifti import read_geometry
from remodal.results.files import read_json
from remodal.settings.composition import compose
from tests.workflow.table_files import cells
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


def test_one_command_finds_the_liver_first_in_patients_new_to_the_network(workspace, lesions):
    studies = workspace.folder / "results/studies"
    folds = read_json(studies / "liver_region-smoke/splits.json")["folds"]
    prepared = list(lesions.glob("preprocessed/*/patient*.json"))
    assert prepared
    for path in prepared:
        mask = read_json(path)["details"]["mask"]
        assert mask["study"] == "liver_region-smoke"
        assert path.stem in folds[mask["fold"]]["test"]


def test_the_report_says_how_the_liver_was_found(workspace, lesions):
    page = (lesions / "report/index.html").read_text(encoding="utf-8")
    assert "predicted by study liver_region-smoke, by models that had not seen the patient" in page
    assert "Labels of test cases were used" not in page
    assert "How is the liver found?" in page


def test_nothing_is_left_to_do_after_the_one_command(workspace, lesions):
    again = workspace.snakemake("-n", "--config", "study=mpct_fll", "preset=smoke")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_the_phases_were_laid_on_each_other_by_the_livers_that_networks_found(workspace, lesions):
    registered = list(workspace.folder.glob("results/data/phantom_fll-smoke/registered/*/*.json"))
    assert registered
    for path in registered:
        masks = read_json(path)["details"]["masks"]
        assert {name: mask["method"] for name, mask in masks.items()} == {
            "arterial": "arterial",
            "venous": "venous",
        }


def label_masks(workspace: Workspace, study: str) -> list[dict]:
    """Masks that a variant's cases were registered by, after its preparation."""
    workspace.snakemake("--until", "preprocess", "--config", f"study={study}", "preset=smoke")
    data = compose({"study": study, "preset": "smoke"}, workspace.folder / "config").data_id
    files = workspace.folder.glob(f"results/data/{data}/registered/*/registration.json")
    return [mask for path in files for mask in read_json(path)["details"]["masks"].values()]


@pytest.mark.slow
def test_the_oracle_is_told_where_the_liver_is_in_both_phases(workspace, lesions):
    masks = label_masks(workspace, "mpct_fll_oracle")
    prepared = workspace.folder / "results/studies/mpct_fll_oracle-smoke/preprocessed"
    masks += [read_json(path)["details"]["mask"] for path in prepared.glob("*/patient*.json")]
    assert len(masks) == 18
    assert all(mask == {"uses_label": True, "values": [1, 2]} for mask in masks)


@pytest.mark.slow
def test_the_papers_alignment_joins_the_tumours_of_both_phases(workspace, lesions):
    masks = label_masks(workspace, "mpct_fll_paper_alignment")
    assert masks == [{"uses_label": True, "values": [2]}] * 12


def predicted(workspace: Workspace, study: Path, phases: list[str]) -> CompletedProcess[str]:
    """`remodal predict` of a patient by SAM + URIM, with the livers of these phases as masks."""
    patient = "results/data/phantom_liver-smoke/converted/patient001"
    options = [f"--{phase}={patient}/{phase}.nii.gz" for phase in phases]
    options += [f"--mask={phase}={patient}/label-{phase}.nii.gz" for phase in phases]
    model = study / "models/sam_urim/fold0-seed0"
    command = ("remodal", "predict", "--model", model, "--output", "new.nii.gz", *options)
    return workspace.run(*command, check=False)


def test_a_new_patient_is_segmented_on_the_grid_of_the_venous_image(workspace, lesions):
    done = predicted(workspace, lesions, ["arterial", "venous"])
    assert done.returncode == 0, done.stderr
    assert "segmented from arterial + venous, on the grid of the venous image" in done.stderr
    patient = workspace.folder / "results/data/phantom_liver-smoke/converted/patient001"
    grids = [read_geometry(patient / f"{phase}.nii.gz") for phase in ("arterial", "venous")]
    found = read_geometry(workspace.folder / "new.nii.gz")
    assert found.agrees_with(grids[1])
    assert not found.agrees_with(grids[0])


def test_a_patient_without_the_venous_phase_is_told_in_one_line(workspace, lesions):
    done = predicted(workspace, lesions, ["arterial"])
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "venous" in done.stderr


def test_a_type_of_lesion_that_no_test_case_has_is_said_to_have_no_case(lesions):
    types = read_json(lesions / "splits.json")["groups"]
    tested = {types[case] for case in read_json(lesions / "splits.json")["folds"][0]["test"]}
    status = {row["group"]: row["status"] for row in cells(lesions, "table2") if row["group"]}
    assert {group for group, said in status.items() if said == "ok"} == tested
    assert {said for group, said in status.items() if group not in tested} == {"no case"}


def test_four_methods_are_shown_on_one_slice_and_the_initial_and_the_refined_answer(lesions):
    page = (lesions / "report/index.html").read_text(encoding="utf-8")
    assert "As in Fig. 3: four methods on one slice" in page
    for shown in ("Answer initial", "Answer refined", "Certainty initial", "Certainty refined"):
        assert shown in page
