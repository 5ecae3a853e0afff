"""What the workflow makes of a study, asked without Snakemake."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from remodal.run.plan import Plan, plan_of, taking_wildcards
from remodal.settings import Settings
from remodal.settings.composition import compose

ROOT = Path(__file__).parents[2]


def plan(**changes) -> Plan:
    return plan_of(compose({"study": "liver", "preset": "smoke"} | changes, ROOT / "config"))


def sheet_of(folder: Path, *rows: tuple[str, str, str, str]) -> dict:
    """Settings of a data set of a sample sheet with these rows: case, modality, path, label."""
    path = folder / "samples.tsv"
    head = ("case", "modality", "path", "label")
    path.write_text("".join("\t".join(row) + "\n" for row in (head, *rows)))
    return {"name": "own", "source": "sheet", "sheet": str(path), "simulated": False}


def test_a_case_is_made_of_what_it_has(tmp_path):
    rows = [("a", "arterial", "a-a", ""), ("a", "venous", "a-v", "a-l"), ("b", "venous", "b-v", "")]
    found = plan(data=sheet_of(tmp_path, *rows))
    folder = Path("results/data/own/converted/a")
    names = ["arterial.json", "venous.json", "label-venous.json"]
    assert found.converted_records("a") == [folder / name for name in names]
    assert found.case_options("b") == ["--modality venous"]
    assert found.case_options("a")[-1] == "--label venous"
    assert found.label_source("a", "venous").files == (Path("a-l"),)
    assert found.registered_images(Path("b")) == [
        Path("b", f"{name}.nii.gz") for name in ("arterial", "venous", "label-venous")
    ]


def test_a_copy_of_an_image_has_no_file_of_its_own_and_is_neither_converted_nor_simulated(tmp_path):
    rows = [("a", "t1", "a-1", "l-1"), ("a", "t2", "a-2", "l-2"), ("b", "t2", "b-2", "l-b")]
    changes = {
        "data": sheet_of(tmp_path, *rows)
        | {"modalities": ["t1", "t2", "again"], "copies": {"again": "t1"}, "truth": "image"},
        "registration": {"fixed": "t2", "method": "header", "by_modality": {"again": "elastix"}},
    }
    found = plan_of(toy(changes))
    names = [path.stem for path in found.converted_records("a")]
    assert names == ["t1", "t2", "label-t1", "label-t2"]
    assert found.case_options("a")[:3] == ["--modality t1", "--modality t2", "--modality again"]
    assert found.case_options("a")[3:] == ["--label t1", "--label t2", "--label again"]
    assert found.case_options("b") == ["--modality t2", "--label t2"]
    assert Path("c/label-again.nii.gz") in found.registered_images(Path("c"))


def toy(changes: dict) -> Settings:
    """The liver study with other data, one method and one scenario."""
    content = compose({"study": "liver", "preset": "smoke"}, ROOT / "config").model_dump()
    for section, change in changes.items():
        content[section] |= change
    return Settings.model_validate(
        content
        | {"methods": {"one": {"type": "nnunet", "scenarios": ["t1"]}}, "compute": {}}
        | {"scenarios": {"t1": {"present": ["t1"]}}, "tables": {}, "claims": [], "averages": {}}
        | {"figures": {}, "published": ""}
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"copies": {"t3": "t1"}}}, "copies: `t3` is not one of"),
        ({"data": {"copies": {"again": "again"}}}, "copies.again: `again` is not one of t1, t2"),
        ({"registration": {"fixed": "again"}}, "registration.fixed: `again` is not one of t1, t2"),
        ({"registration": {"by_modality": {"t3": "none"}}}, "by_modality: `t3` is not one of"),
        ({"registration": {"by_modality": {"t2": "none"}}}, "`t2` is fixed"),
    ],
)
def test_a_copy_is_of_another_image_and_the_fixed_one_is_not_moved(changes, said):
    data = {"modalities": ["t1", "t2", "again"], "copies": {"again": "t1"}, "truth": "image"}
    with pytest.raises(ValidationError, match=said):
        toy(
            {
                "data": data | changes.get("data", {}),
                "registration": {"fixed": "t2"} | changes.get("registration", {}),
            }
        )


def test_simulated_cases_depend_on_the_options_of_their_own_simulation_alone():
    before = plan().simulation_depends_on()
    assert plan(simulation={"another": {"cases": 3}}).simulation_depends_on() == before
    assert plan(simulation={"phantom": {"seed": 3}}).simulation_depends_on() != before


def test_a_source_is_known_by_its_state_and_a_simulated_one_is_not_looked_at(tmp_path):
    source = tmp_path / "scan.nii.gz"
    source.write_text("one")
    rows = [("a", "arterial", str(source), ""), ("a", "venous", str(source), str(source))]
    own = sheet_of(tmp_path, *rows)
    before = plan(data=own).image_state("a", "venous")
    assert before == plan(data=own).label_state("a", "venous")
    source.write_text("another")
    assert plan(data=own).image_state("a", "venous") != before
    assert plan(data=own).simulated_scans("a") == []
    simulated = plan()
    case = next(iter(simulated.cases))
    assert simulated.image_state(case, "venous") == "simulated"
    assert simulated.simulated_scans(case) == [simulated.data / "scans" / case]


def test_folds_that_do_not_differ_share_their_prepared_cases():
    folds = {"splits": {"scheme": "kfold", "folds": 3}}
    fixed = {"preprocessing": {"clip": {"range": [-70, 180]}, "spacing": [2, 2, 2]}}
    each, shared = plan(**folds), plan(**folds, **fixed)
    assert len(each.preprocessed_cases()) == 3 * len(each.cases)
    assert len(each.fingerprint_options()) == 3
    assert shared.fingerprint_options() == []
    assert shared.preprocessed_files(Path("s"), "{case}") == [
        Path("s/preprocessed/all", f"{{case}}{end}")
        for end in (".npy", ".label-venous.npy", ".json")
    ]
    assert shared.preprocessed_cases() == shared.preprocessed_cases_of("1")
    assert shared.preprocessed_folder("2") == shared.preprocessed_folder(0)
    assert len(shared.inventories()) == 6


def test_a_training_is_given_models_of_its_own_fold_and_seed():
    found = plan(splits={"scheme": "kfold", "folds": 2})
    folder = found.study / "models"
    options = found.input_options("ms_ensemble", "1", "0")
    assert options == [
        f"--input {phase}={folder}/nnunet_{phase}/fold1-seed0" for phase in ("arterial", "venous")
    ]
    assert set(found.input_weights("ms_ensemble", 1, 0)) < set(found.trained_models())
    assert found.input_options("maml", "1", "0") == []


def test_each_model_is_measured_in_the_scenarios_of_its_method():
    found = plan(splits={"scheme": "kfold", "folds": 2})
    measured = found.measured_scenarios()
    assert len(measured) == len(found.predicted_scenarios()) == 2 * 11
    of_maml = [path.stem for path in measured if "maml/fold0-seed0" in str(path)]
    assert of_maml == ["both", "arterial", "venous", "arterial_native"]


def test_each_row_of_each_table_has_its_file():
    found = plan()
    rows = found.table_rows(found.study)
    assert len(rows) == 11
    assert {row.name.partition(".")[0] for row in rows} == {"table1", "table2", "table2_native"}
    assert len(found.tables(found.study)) == 9


def test_a_gpu_is_asked_for_unless_the_study_wants_none():
    assert plan(compute={"device": "cpu"}).gpus(2) == 0
    assert plan(compute={"device": "cuda"}).gpus(2) == 2


def test_masks_of_another_study_are_inputs_from_every_fold_of_it():
    found = plan(study="mpct_fll")
    region = Path("results/studies/liver_region-smoke")
    predicted = [
        region / f"predictions/{phase}/fold{fold}-seed0/{phase}"
        for phase in ("arterial", "venous")
        for fold in range(2)
    ]
    assert found.registration_masks() == [region / "splits.json", *predicted]
    assert found.crop_masks() == found.registration_masks()
    oracle = plan(study="mpct_fll_oracle")
    assert oracle.registration_masks() == oracle.crop_masks() == []
    assert set(oracle.cases["patient001"].labels) == {"arterial", "venous"}
    files = [str(file) for file, _ in found.settings_files()]
    assert "results/studies/liver_region-smoke/settings.yaml" in files
    assert "results/data/phantom_liver-smoke/settings.yaml" in files


def test_wildcards_are_taken_by_the_names_of_the_parameters():
    wildcards = SimpleNamespace(case="a", modality="venous", other="x")
    assert taking_wildcards(lambda modality, case: (case, modality))(wildcards) == ("a", "venous")


def test_a_plan_imports_nothing_heavy():
    program = (
        "import sys; from remodal.run.plan import plan_of;"
        "from remodal.settings.composition import compose;"
        "plan_of(compose({'study': 'liver', 'preset': 'smoke'}));"
        "heavy = {'torch', 'SimpleITK', 'numpy', 'scipy'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
