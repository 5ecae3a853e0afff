from math import isnan, nan

import numpy as np
import pytest

from remodal.errors import UserError
from remodal.metrics.cases import COUNTS, read_cases, write_cases


def row(case, **values):
    keys = {"case": case, "patient": "p", "group": "", "region": "tumour"}
    return {**keys, **dict.fromkeys(COUNTS, 0), **values}


def test_names_stay_text_and_undefined_stays_undefined(tmp_path):
    rows = [row("007", dice=1 / 3, missed=1), row("NA", dice=nan)]
    write_cases(tmp_path / "maml/fold1-seed20/both.csv", ["dice"], rows)
    cases = read_cases(tmp_path)
    assert list(cases["case"]) == ["007", "NA"]
    assert list(cases["group"]) == ["", ""]
    assert cases.loc[0, "dice"] == 0.333333
    assert isnan(cases.loc[1, "dice"])
    first = cases.iloc[0]
    assert (first["method"], first["fold"], first["seed"]) == ("maml", 1, 20)
    assert (first["scenario"], first["missed"]) == ("both", 1)


def test_the_table_is_plain_text_with_six_decimals(tmp_path):
    write_cases(tmp_path / "cases.csv", ["dice", "assd_mm"], [row("a", dice=50.0, assd_mm=nan)])
    assert b"\r" not in (tmp_path / "cases.csv").read_bytes()
    header, line = (tmp_path / "cases.csv").read_text().splitlines()
    assert header == "case,patient,group,region,dice,assd_mm," + ",".join([*COUNTS, "failed"])
    assert line == "a,p,,tumour,50.000000,," + ",".join("0" * len(COUNTS)) + ","


def test_tables_of_all_models_in_order(tmp_path):
    for method in ("b", "a"):
        for scenario in ("venous", "both"):
            path = tmp_path / method / "fold0-seed0" / f"{scenario}.csv"
            write_cases(path, ["dice"], [row("x", dice=1.0)])
    cases = read_cases(tmp_path)
    found = list(zip(cases["method"], cases["scenario"]))
    assert found == [("a", "both"), ("a", "venous"), ("b", "both"), ("b", "venous")]
    assert list(cases.index) == [0, 1, 2, 3]


def test_a_folder_that_is_no_model_s_is_left_out(tmp_path):
    for folder in ("a/fold0-seed0", "a/fold0-seed0-old", "a/fold-seed"):
        write_cases(tmp_path / folder / "both.csv", ["dice"], [row("x", dice=1.0)])
    assert len(read_cases(tmp_path)) == 1


def test_numbers_are_read_as_they_are_written(tmp_path):
    values = (
        np.random.default_rng(0).uniform(-1, 1, 500) * 10.0 ** np.arange(-5, 5).repeat(50)
    ).tolist()
    rows = [row(f"{number:03d}", dice=value) for number, value in enumerate(values)]
    write_cases(tmp_path / "a/fold0-seed0/both.csv", ["dice"], rows)
    assert read_cases(tmp_path)["dice"].tolist() == [float(f"{value:.6f}") for value in values]


def test_no_table(tmp_path):
    with pytest.raises(UserError, match="holds no per-case table"):
        read_cases(tmp_path)


def test_a_foreign_table_is_named(tmp_path):
    path = tmp_path / "maml/fold0-seed0/both.csv"
    path.parent.mkdir(parents=True)
    path.write_text("case,dice\na,1\n")
    with pytest.raises(UserError, match=r"both\.csv: lacks the columns patient, group, region"):
        read_cases(tmp_path)


def test_a_fold_without_a_case_for_the_scenario_changes_no_column(tmp_path):
    write_cases(tmp_path / "a/fold0-seed0/venous.csv", ["dice"], [])
    write_cases(tmp_path / "a/fold1-seed0/venous.csv", ["dice"], [row("x", dice=1.0)])
    cases = read_cases(tmp_path)
    assert list(cases["fold"]) == [1]
    assert cases["dice"].dtype == float
    assert all(cases[name].dtype == int for name in COUNTS)
