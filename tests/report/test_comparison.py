"""Tables computed by hand: means, best values, differences, what was not run or is undefined."""

from math import isnan

import pytest
from scipy import stats

from remodal.metrics.cases import write_cases
from remodal.report.comparison import build_tables
from remodal.report.tables import study_cases
from remodal.report.wording import notes

CASES = [f"case{number}" for number in range(8)]


@pytest.fixture
def make(tmp_path, make_settings, make_splits, write_cell, case_row):
    """Tables of cells given as {(method, scenario): [Dice of each case]}."""

    def build(cells, seeds=(0,), **overrides):
        for (method, scenario), dice in cells.items():
            for seed in seeds:
                rows = [
                    case_row(case, dice=value + seed, assd_voxel=100 - value)
                    for case, value in zip(CASES, dice)
                ]
                write_cell(tmp_path, method, scenario, rows, seed=seed)
        settings = make_settings(seeds=list(seeds), **overrides)
        return build_tables(settings, study_cases(settings, tmp_path), make_splits([]), tmp_path)

    return build


def entry(tables, table, method, scenario, metric="dice"):
    rows = {t.name: t for t in tables}[table].rows
    row = next(r for r in rows if r.name == f"{method}.{scenario}")
    return next(e for e in row.entries if e.column.name == metric)


def test_mean_spread_and_difference_to_the_published_value(make):
    tables = make({("maml", "both"): [70.0, 80.0, 90.0]}, data={"simulated": False})
    found = entry(tables, "table1", "maml", "both")
    assert (found.summary.mean, found.summary.sd, found.summary.n) == (80.0, 10.0, 3)
    assert found.published.mean == 81.25
    assert tables[0].difference(found) == pytest.approx(80 - 81.25)


def test_simulated_data_have_no_difference_to_the_published_value(make):
    tables = make({("maml", "both"): [70.0, 80.0, 90.0]})
    assert "difference" not in tables[0].parts(tables[0].columns[0])
    assert isnan(tables[0].difference(entry(tables, "table1", "maml", "both")))


def test_no_value_is_best_where_the_number_of_cases_differs(make):
    tables = make({("nnunet", "both"): [70.0, 80.0], ("maml", "both"): [80.0, float("nan")]})
    rows = {row.name: row for row in tables[0].rows}
    assert not rows["nnunet.both"].entries[0].best
    assert not rows["maml.both"].entries[0].best


@pytest.mark.parametrize("missed", [0, 1])
def test_a_distance_of_0_for_a_missing_prediction_is_not_best(
    missed, tmp_path, make_settings, make_splits, case_row
):
    for method, distance, lost in (("nnunet", 0.0, missed), ("maml", 2.0, 0)):
        rows = [case_row("case0", asd_voxel_dtc=distance, missed=lost)]
        write_cases(tmp_path / method / "fold0-seed0/both.csv", ["asd_voxel_dtc"], rows)
    table = {"title": "Table", "metrics": ["asd_voxel_dtc"]} | {
        "rows": [{"method": method, "scenario": "both"} for method in ("nnunet", "maml")]
    }
    settings = make_settings(tables={"table1": table}, metrics={"names": ["asd_voxel_dtc"]})
    cases = study_cases(settings, tmp_path)
    tables = build_tables(settings, cases, make_splits([]), tmp_path)
    assert entry(tables, "table1", "nnunet", "both", "asd_voxel_dtc").best == (not missed)


def test_the_caption_names_preset_epochs_and_seeds(make):
    caption = make({("maml", "both"): [70.0]}, seeds=(0, 1))[0].caption
    assert caption.endswith("(simulated data). Preset smoke: 2 epochs, 2 seeds.")


def test_a_method_without_measurements_is_not_run(make):
    tables = make({("maml", "both"): [70.0]})
    found = entry(tables, "table1", "nnunet", "both")
    assert found.status == "not run"
    assert found.summary is None
    assert isnan(tables[0].difference(found))
    assert found.published.mean == 78.76


def test_a_metric_undefined_in_every_case_is_undefined_and_counted(make):
    tables = make({("maml", "both"): [float("nan")] * 3})
    found = entry(tables, "table1", "maml", "both")
    assert found.status == "undefined"
    assert (found.summary.n, found.summary.undefined) == (0, 3)


def test_the_best_is_marked_by_the_metrics_direction_within_its_group(make):
    tables = make(
        {
            ("nnunet", "both"): [70.0],
            ("maml", "both"): [80.0],
            ("nnunet_arterial", "arterial"): [90.0],
            ("maml", "arterial"): [60.0],
            ("nnunet_venous", "venous"): [10.0],
            ("maml", "venous"): [20.0],
        }
    )
    best = {
        (table.name, row.entries[0].cell.method, row.entries[0].cell.scenario)
        for table in tables
        for row in table.rows
        if row.entries[0].best
    }
    assert best == {
        ("table1", "maml", "both"),
        ("table2", "nnunet_arterial", "arterial"),
        ("table2", "maml", "venous"),
    }
    assert {"table1", "table2"} <= {table.name for table in tables if table.has_best}
    assert entry(tables, "table1", "maml", "both", "assd_voxel").best  # 20 voxels against 30
    assert not entry(tables, "table1", "nnunet", "both", "assd_voxel").best


def test_values_that_print_alike_share_the_mark_and_a_lone_value_has_none(make):
    tables = make({("nnunet", "both"): [80.001], ("maml", "both"): [80.004]})
    assert entry(tables, "table1", "nnunet", "both").best
    assert entry(tables, "table1", "maml", "both").best
    tables = make({("nnunet_venous", "venous"): [50.0]})
    assert not entry(tables, "table2", "nnunet_venous", "venous").best


def test_the_papers_own_marks_are_those_it_prints(make):
    tables = make({("maml", "both"): [70.0]})
    marked = {
        (row.entries[0].cell.method, row.entries[0].cell.scenario)
        for table in tables
        for row in table.rows
        if any(e.published for e in row.entries)
        and all(e.published_best for e in row.entries if e.published)
    }
    assert marked == {("maml", "both"), ("maml", "arterial"), ("maml", "venous")}


def test_each_row_is_compared_with_its_scenarios_reference(make):
    ours = [80.0, 82, 84, 86, 88, 90, 92, 95]
    rival = [70.0, 74, 83, 80, 89, 81, 87, 90]
    tables = make({("maml", "both"): ours, ("nnunet", "both"): rival})
    tested = entry(tables, "table1", "nnunet", "both")
    found = tested.comparison
    differences = [b - a for a, b in zip(ours, rival)]
    assert found.estimate == pytest.approx(sum(differences) / 8)
    assert found.low < found.estimate < found.high
    expected = stats.wilcoxon(differences, zero_method="pratt").pvalue
    assert tested.p == pytest.approx(expected)
    assert entry(tables, "table1", "maml", "both").comparison is None


def test_signed_errors_are_compared_by_their_size(tmp_path, make_settings, make_splits, case_row):
    """10 % too large or 10 % too small is as bad; 12 % is worse by 2."""
    values = {"maml": [10.0, -10, 10, -10, 10, -10], "nnunet": [-12.0, 12, -12, 12, 12, -12]}
    for method, errors in values.items():
        rows = [case_row(case, rvd=error) for case, error in zip(CASES, errors)]
        write_cases(tmp_path / method / "fold0-seed0/both.csv", ["rvd"], rows)
    rows = [{"method": method, "scenario": "both"} for method in values]
    table = {"title": "Table", "metrics": ["rvd"], "rows": rows, "reference": {"both": "maml"}}
    settings = make_settings(tables={"table1": table}, metrics={"names": ["rvd"]})
    tables = build_tables(settings, study_cases(settings, tmp_path), make_splits([]), tmp_path)
    found = entry(tables, "table1", "nnunet", "both", "rvd")
    assert found.comparison.estimate == pytest.approx(2)
    assert found.p == pytest.approx(2 / 64)  # the most extreme of 64 patterns of signs, both ways


def test_p_is_corrected_over_all_comparisons_of_a_table(make):
    ours = [80.0, 82, 84, 86, 88, 90, 92, 95]
    rival = [value - 5 - i for i, value in enumerate(ours)]
    tables = make({("maml", "both"): ours, ("nnunet", "both"): rival})
    first = entry(tables, "table1", "nnunet", "both")
    second = entry(tables, "table1", "nnunet", "both", "assd_voxel")
    assert len([e for _, e in tables[0].compared if e.p == e.p]) == 2
    assert first.p == second.p
    assert first.p_holm == pytest.approx(2 * first.p)


def test_examinations_of_a_patient_are_averaged_before_they_are_tested(
    tmp_path, make_settings, make_splits, write_cell, case_row
):
    """Eight differences of one sign, of three patients: 2 of their 8 patterns are as extreme."""
    for method, dice in (("maml", 80.0), ("nnunet", 70.0)):
        rows = [
            case_row(case, dice=dice + number**2 * (method == "maml"), patient=f"p{number % 3}")
            for number, case in enumerate(CASES)
        ]
        write_cell(tmp_path, method, "both", rows)
    settings = make_settings()
    tables = build_tables(settings, study_cases(settings, tmp_path), make_splits([]), tmp_path)
    found = entry(tables, "table1", "nnunet", "both")
    assert (found.comparison.patients, found.comparison.cases) == (3, 8)
    assert found.p == pytest.approx(2 / 8)


def test_seeds_are_averaged_and_their_spread_reported_apart(make):
    tables = make({("maml", "both"): [70.0, 90.0]}, seeds=(0, 2))
    found = entry(tables, "table1", "maml", "both")
    assert found.summary.mean == pytest.approx(81.0)  # seed 2 adds 2 to every case
    assert found.summary.n == 2
    assert found.summary.seed_sd == pytest.approx(2**0.5)
    assert found.runs == tables[0].runs_expected == 2
    assert isnan(found.summary.fold_sd)


def test_what_an_earlier_configuration_left_behind_is_not_counted(
    tmp_path, make_settings, write_cell, case_row
):
    write_cell(tmp_path, "maml", "both", [case_row("a", dice=50.0)], seed=0)
    write_cell(tmp_path, "maml", "both", [case_row("a", dice=99.0)], seed=7)
    write_cell(tmp_path, "removed", "both", [case_row("a", dice=99.0)])
    settings = make_settings()
    cases = study_cases(settings, tmp_path)
    assert cases["dice"].tolist() == [50.0]


def test_titles_say_that_data_are_simulated_and_only_then(make):
    cells = {("maml", "both"): [70.0]}
    table, *_ = make(cells)
    assert "(simulated data)." in table.caption
    assert "(simulated data)" not in table.heading
    real = make(cells, data={"simulated": False})
    assert "simulated" not in real[0].caption


def test_several_classes_make_a_column_each(
    make_settings, make_splits, tmp_path, write_cell, case_row
):
    rows = [
        case_row("a", region=name, dice=dice)
        for name, dice in (("tumour", 60.0), ("portal_vein", 95.0))
    ]
    write_cell(tmp_path, "maml", "both", rows)
    settings = make_settings(data={"classes": {"portal_vein": [3]}})
    table = build_tables(settings, study_cases(settings, tmp_path), make_splits([]), tmp_path)[0]
    assert [column.title for column in table.columns] == [
        "Tumour: Dice [%]",
        "Tumour: ASSD [voxel]",
        "Tumour: MASD [voxel]",
        "Portal vein: Dice [%]",
        "Portal vein: ASSD [voxel]",
        "Portal vein: MASD [voxel]",
    ]
    maml = next(row for row in table.rows if row.name == "maml.both")
    assert [maml.entries[0].summary.mean, maml.entries[3].summary.mean] == [60.0, 95.0]
    assert maml.entries[0].published.mean == 81.25
    assert maml.entries[3].published is None


def test_rows_of_other_test_cases_have_no_best_and_it_is_said_why(
    make_settings, make_splits, tmp_path, write_cell, case_row
):
    """One table, one group, two scenarios; `case1` has no arterial image."""
    for scenario, cases in {"venous": CASES, "arterial": [CASES[0], *CASES[2:]]}.items():
        rows = [case_row(case, dice=60.0 + len(scenario)) for case in cases]
        write_cell(tmp_path, "maml", scenario, rows)
    rows = [{"method": "maml", "scenario": scenario} for scenario in ("arterial", "venous")]
    tables = {"table1": {"title": "One", "metrics": ["dice"], "rows": rows, "reference": {}}}
    settings = make_settings(tables=tables)
    measured = study_cases(settings, tmp_path)
    splits = make_splits(CASES)
    splits["modalities"]["case1"] = ["venous"]
    table = build_tables(settings, measured, splits, tmp_path)[0]
    assert [row.entries[0].summary.n for row in table.rows] == [7, 8]
    assert not any(row.entries[0].best for row in table.rows)
    said = notes(table)
    assert "Not in the rows of the scenario arterial: case1 lacks arterial." in said
    assert any("measured on other cases" in note for note in said)
    alike = measured[measured["case"] != "case1"]
    splits = make_splits([case for case in CASES if case != "case1"])
    table = build_tables(settings, alike, splits, tmp_path)[0]
    assert [row.entries[0].best for row in table.rows] == [True, False]
    assert not any("other cases" in note or "Not in" in note for note in notes(table))
