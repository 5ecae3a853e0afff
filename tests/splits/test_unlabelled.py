"""Cases without a label: they are in training sets, but in no set that is measured."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remodal.errors import UserError
from remodal.settings import SplitSettings
from remodal.splits import SETS, SplitCase, make_splits

LABELLED = [SplitCase(f"c{n}", f"p{n}", "HCC" if n % 2 else "cyst") for n in range(12)]


@st.composite
def more_cases(draw: st.DrawFn) -> list[SplitCase]:
    """Unlabelled cases, some of them of patients who have labelled ones too."""
    patients = draw(st.lists(st.integers(0, 20), max_size=12))
    return [SplitCase(f"u{n}", f"p{patient}", labelled=False) for n, patient in enumerate(patients)]


@given(more_cases(), st.sampled_from(["holdout", "kfold"]), st.integers(0, 5))
def test_they_train_where_their_patient_is_not_measured_and_change_nothing_else(more, scheme, seed):
    settings = SplitSettings(scheme=scheme, seed=seed, folds=3)
    alone, mixed = make_splits(LABELLED, settings), make_splits([*LABELLED, *more], settings)
    patients = {case.case: case.patient for case in [*LABELLED, *more]}
    names = {case.case for case in more}
    for without, fold in zip(alone["folds"], mixed["folds"], strict=True):
        assert {part: [c for c in fold[part] if c not in names] for part in SETS} == without
        measured = {patients[case] for part in ("validation", "test") for case in fold[part]}
        trained = {case for case in names if patients[case] not in measured}
        assert set(fold["train"]) - set(without["train"]) == trained
        assert fold["train"] == sorted(fold["train"])
        assert not names & {*fold["validation"], *fold["test"]}
    used = {case for fold in mixed["folds"] for case in fold["train"]}
    assert set(mixed["quarantined"]) == names - used
    assert set(mixed["patients"]) == set(patients)


def test_a_case_that_can_train_in_no_fold_is_listed_with_the_reason():
    settings = SplitSettings(validation_fraction=0)
    tested = make_splits(LABELLED, settings)["folds"][0]["test"][0]
    case = SplitCase("u", tested.replace("c", "p"), labelled=False)
    splits = make_splits([*LABELLED, case], settings)
    assert splits["quarantined"] == {
        "u": "u: has no label, and its patient is validated or tested in every fold"
    }


def imported(tmp_path: Path, **fold: list[str]) -> dict:
    (tmp_path / "shared.json").write_text(json.dumps([fold]))
    settings = SplitSettings(scheme="file", file=tmp_path / "shared.json", folds=1)
    return make_splits([*LABELLED[:3], SplitCase("u", "pu", labelled=False)], settings)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_an_imported_split_that_measures_one_is_refused_in_one_line(tmp_path, part):
    fold = {"train": ["c0"], "validation": ["c1"], "test": ["c2"]}
    fold[part] = [*fold[part], "u"]
    with pytest.raises(UserError, match=f"`{part}` has the unlabelled case `u`.*expected") as said:
        imported(tmp_path, **fold)
    assert "\n" not in str(said.value)


def test_an_imported_split_says_which_of_them_train(tmp_path):
    splits = imported(tmp_path, train=["c0", "c1", "u"], test=["c2"])
    assert splits["folds"][0]["train"] == ["c0", "c1", "u"]
    splits = imported(tmp_path, train=["c0", "c1"], test=["c2"])
    assert splits["folds"][0]["train"] == ["c0", "c1"]
    assert "is in no fold of" in splits["quarantined"]["u"]
