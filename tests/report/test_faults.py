"""Faults of ours in a study's cases: who is told about them, and when."""

import json
from pathlib import Path

import pytest

from remodal.errors import ExitCode
from remodal.metrics.cases import COUNTS, write_cases
from remodal.report.faults import Fault, FaultsLeft, find_faults, require_no_faults
from remodal.results.files import write_json
from remodal.results.records import Record, write_record
from remodal.settings.composition import compose

ROOT = Path(__file__).parents[2]
SETTINGS = compose({"study": "liver", "preset": "smoke"}, folder=ROOT / "config")
REASON = "a fault of ours (ValueError); the stage's log holds the traceback"


def note(path: Path, case: str, stage: str, **fields) -> None:
    write_record(path, Record(case=case, stage=stage, status="quarantined", **fields))


@pytest.fixture
def folders(tmp_path):
    """A study and a data set with one good case and one of bad data."""
    study, data = tmp_path / "study", tmp_path / "data"
    good = Record(case="patient001", stage="register")
    write_record(data / "registered/patient001/registration.json", good)
    note(data / "registered/patient002/registration.json", "patient002", "convert", reason="bent")
    return study, data


def test_without_a_fault_the_study_is_done(folders, tmp_path):
    require_no_faults(SETTINGS, *folders, tmp_path / "faults.json")
    assert json.loads((tmp_path / "faults.json").read_text()) == []


def test_a_fault_is_named_with_its_log_and_ends_the_run_until_it_is_gone(folders, tmp_path):
    study, data = folders
    record = data / "registered/patient003/registration.json"
    note(record, "patient003", "register", reason=REASON, fault=True)
    (tmp_path / "faults.json").write_text("[]")
    with pytest.raises(FaultsLeft) as raised:
        require_no_faults(SETTINGS, study, data, tmp_path / "faults.json")
    said = str(raised.value).splitlines()
    assert "1 case met a fault of ours" in said[0]
    assert "report" in said[0]
    assert said[1:] == [f"  patient003, register: {REASON}: {data}/logs/register/patient003.log"]
    assert raised.value.exit_code == ExitCode.INTERNAL
    assert not (tmp_path / "faults.json").exists()
    write_record(record, Record(case="patient003", stage="register"))
    require_no_faults(SETTINGS, study, data, tmp_path / "faults.json")


def test_a_fault_of_the_simulation_is_found_where_it_leaves_its_record(folders):
    study, data = folders
    note(data / "scans/patient005/record.json", "patient005", "simulate", reason=REASON, fault=True)
    log = data / "logs/simulate/patient005.log"
    assert find_faults(SETTINGS, study, data) == [Fault("patient005", "simulate", REASON, log)]


def test_a_fault_that_later_stages_pass_on_is_one_with_the_log_of_its_stage(folders):
    study, data = folders
    fault = {"case": "patient004", "reason": REASON, "fault": True}
    for modality in ("arterial", "venous"):
        path = data / f"converted/patient004/{modality}.json"
        note(path, stage="convert", modality=modality, **fault)
    fault |= {"stage": "convert", "modality": "arterial"}
    note(data / "registered/patient004/registration.json", **fault)
    for fold in range(2):
        note(study / f"preprocessed/fold{fold}/patient004.json", **fault)
    label = {"stage": "convert-label", "modality": "venous", "reason": REASON, "fault": True}
    note(data / "converted/patient005/label-venous.json", case="patient005", **label)
    late = {"stage": "preprocess", "reason": REASON, "fault": True}
    note(study / "preprocessed/fold0/patient006.json", case="patient006", **late)
    assert [
        str(fault.log.relative_to(study.parent)) for fault in find_faults(SETTINGS, *folders)
    ] == [
        "data/logs/convert/patient004-arterial.log",
        "data/logs/convert/patient004-venous.log",
        "data/logs/convert-label/patient005-venous.log",
        "study/logs/preprocess/patient006.log",
    ]


def test_test_cases_without_a_value_are_faults_of_inference_or_of_measuring(folders):
    study, data = folders
    row = {"patient": "p", "group": "", "region": "tumour", "dice": 0.5, **dict.fromkeys(COUNTS, 0)}
    rows = [
        {"case": case, "failed": reason} | row
        for case, reason in {"a": REASON, "b": REASON, "c": ""}.items()
    ]
    write_cases(study / "metrics/maml/fold0-seed0/both.csv", ["dice"], rows)
    predictions = study / "predictions/maml/fold0-seed0/both/predictions.json"
    write_json(predictions, {"cases": ["b", "c"], "failed": {"a": REASON}})
    assert find_faults(SETTINGS, study, data) == [
        Fault("a", "infer", REASON, study / "logs/infer/maml-fold0-seed0-both.log"),
        Fault("b", "evaluate", REASON, study / "logs/evaluate/maml-fold0-seed0-both.log"),
    ]


def test_a_case_that_was_taken_out_of_the_study_is_not_told_any_more(folders):
    study, data = folders
    path = data / "registered/patient999/registration.json"
    note(path, "patient999", "register", reason=REASON, fault=True)
    assert find_faults(SETTINGS, study, data) == []
