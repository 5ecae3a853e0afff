"""The tables stage: files and formats; equal inputs give equal bytes."""

import csv
import io
import json
import shutil
import statistics
import subprocess

import pytest

from remodal.errors import UserError
from remodal.report.tables import tabulate
from remodal.splits import write_splits


def read_csv(path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.fixture
def no_tests(tmp_path, make_splits):
    """A splits.json that names no test case."""
    write_splits(tmp_path / "splits.json", make_splits([]))
    return tmp_path / "splits.json"


@pytest.fixture(scope="module")
def tables(whole_study, tmp_path_factory):
    """Folder of the whole study's tables."""
    settings, study, _ = whole_study
    folder = tmp_path_factory.mktemp("tables")
    tabulate(settings, study, folder)
    return folder


def test_all_files_are_written_and_another_run_gives_the_same_bytes(whole_study, tables, tmp_path):
    settings, study, _ = whole_study
    tabulate(settings, study, tmp_path)
    names = sorted(str(path.relative_to(tables)) for path in tables.rglob("*") if path.is_file())
    rows = [
        f"rows/{name}.{row.name}.json"
        for name, table in settings.tables.items()
        for row in table.rows
    ]
    assert names == [
        "claims.json",
        "metrics.csv",
        *sorted(rows),
        "summary.json",
        *(f"{name}.{suffix}" for name in settings.tables for suffix in ("csv", "md", "tex")),
    ]
    for name in names:
        assert (tables / name).read_bytes() == (tmp_path / name).read_bytes()


def test_every_format_says_in_its_title_that_data_are_simulated_and_only_then(
    make_settings, tables, tmp_path, write_cell, case_row, no_tests
):
    title = "Segmentation of liver tumours with both phases"  # LaTeX counts by itself
    write_cell(tmp_path / "metrics", "maml", "both", [case_row("a", dice=60.0)])
    tabulate(make_settings(data={"simulated": False}), tmp_path, tmp_path)
    for suffix in ("csv", "md", "tex"):
        assert f"{title} (simulated data)" in (tables / f"table1.{suffix}").read_text()
        real = (tmp_path / f"table1.{suffix}").read_text()
        assert title in real
        assert "simulated" not in real


def test_the_csv_holds_published_ours_and_the_comparison(tables):
    rows = read_csv(tables / "table2.csv")
    assert len(rows) == 4 * 3
    arterial = rows[0]
    assert (arterial["method"], arterial["metric"]) == ("nnunet_arterial", "dice")
    assert (arterial["published_mean"], arterial["published_sd"]) == ("71.210000", "25.870000")
    assert (arterial["reproducibility"], arterial["reference"]) == ("C", "maml")
    assert arterial["difference_to_published"] == ""  # of simulated data it would mean nothing
    assert float(arterial["interval_low"]) < float(arterial["difference_to_reference"])
    assert float(arterial["p_holm"]) >= float(arterial["p"])


def test_each_spread_in_the_csv_is_over_what_its_column_says(
    make_settings, tmp_path, write_cell, case_row, make_splits
):
    """Two folds of two cases and two seeds; by hand, with no two spreads alike."""
    folds = {0: {"a": 60.0, "b": 70.0}, 1: {"c": 80.0, "d": 96.0}}
    for fold, dice in folds.items():
        for seed, more in ((0, 0.0), (1, 4.0)):
            rows = [case_row(case, dice=value + more) for case, value in dice.items()]
            write_cell(tmp_path / "metrics", "maml", "both", rows, fold=fold, seed=seed)
    write_splits(tmp_path / "splits.json", make_splits([]))
    kfold = {"scheme": "kfold", "folds": 2}
    tabulate(make_settings(seeds=[0, 1], splits=kfold), tmp_path, tmp_path)
    table = read_csv(tmp_path / "table1.csv")
    [found] = [row for row in table if (row["method"], row["metric"]) == ("maml", "dice")]
    assert float(found["mean"]) == pytest.approx(78.5)  # of 62, 72, 82 and 98
    assert float(found["case_sd"]) == pytest.approx(statistics.stdev([62, 72, 82, 98]), abs=1e-5)
    assert float(found["seed_sd"]) == pytest.approx(statistics.stdev([76.5, 80.5]), abs=1e-5)
    assert float(found["fold_sd"]) == pytest.approx(statistics.stdev([67, 90]), abs=1e-5)


def test_latex_marks_the_best_escapes_and_balances(tables):
    text = (tables / "table1.tex").read_text()
    assert r"\textbf{81.25 $\pm$ 17.02}" in text
    assert r"Dice [\%]" in text
    assert "±" not in text
    assert "−" not in text
    assert text.count("{") == text.count("}")
    header = text[text.index(r"\cmidrule") : text.index(r"\midrule")].splitlines()[1]
    rows = text[text.index(r"\midrule") :].splitlines()[1:6]
    # The method; published, ours and p of two metrics; ours and p of MASD, which the paper does not
    # print. The counts are the same in all rows.
    assert {row.count(" & ") for row in rows} == {header.count(" & ")} == {8}
    title = "Segmentation of liver tumours with both phases (simulated data)"
    assert f"\\caption{{{title}. Preset smoke: 2 epochs, 1 seed.}}" in text
    assert "In every row: n = 14, 0 missed, 0 undefined." in text


def test_latex_has_a_column_for_a_count_that_differs_between_rows(
    settings, tmp_path, write_cell, case_row, no_tests
):
    for method, missed in (("nnunet", 0), ("maml", 1)):
        rows = [case_row("a", dice=50.0, missed=missed), case_row("b", dice=70.0)]
        write_cell(tmp_path / "metrics", method, "both", rows)
    tabulate(settings, tmp_path, tmp_path)
    text = (tmp_path / "table1.tex").read_text()
    header = text[text.index(r"\cmidrule") : text.index(r"\midrule")].splitlines()[1]
    assert header.endswith(r"& n & missed & undefined \\")  # most rows were not run
    assert "In every row" not in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_fits_a_page(tables, tmp_path):
    inputs = "".join(f"\\input{{{tables / name}}}" for name in ("table1.tex", "table2.tex"))
    head = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "paper.tex").write_text(head + inputs + r"\end{document}")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout


def test_markdown_rows_have_the_headers_cells(tables):
    lines = (tables / "table2.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("|")][:8]
    assert {line.count("|") for line in table} == {table[0].count("|")}
    assert "*Arterial phase*" in table[2]
    assert "**79.55 ± 19.06**" in table[4]


def test_a_study_with_one_measured_cell_still_has_its_tables(
    settings, tmp_path, write_cell, case_row, no_tests
):
    nothing_found = case_row("a", dice=0.0, missed=1, truth_voxels=10)
    write_cell(tmp_path / "metrics", "maml", "both", [nothing_found])
    tabulate(settings, tmp_path, tmp_path)
    text = (tmp_path / "table1.md").read_text()
    assert "| nnUNet | 78.76 ± 18.91 | not run |" in text
    assert "| MAML | **81.25 ± 17.02** | 0.00 |" in text
    assert "| undefined | undefined | 1 / 0 / 0 | 1 | 0 / 1 / 1 |" in text
    claims = json.loads((tmp_path / "claims.json").read_text())
    assert {claim["verdict"] for claim in claims} == {"undecided"}


def test_summary_is_flat_and_leaves_out_what_was_not_run(
    settings, tmp_path, write_cell, case_row, no_tests
):
    rows = [case_row(case, dice=dice) for case, dice in (("a", 60.0), ("b", 70.0))]
    write_cell(tmp_path / "metrics", "maml", "both", rows)
    tabulate(settings, tmp_path, tmp_path)
    numbers = json.loads((tmp_path / "summary.json").read_text())
    assert numbers["table1.maml.both.dice"] == 65.0
    assert numbers["table1.maml.both.dice.n"] == 2
    assert numbers["table1.maml.both.assd_voxel"] is None
    assert numbers["claims.undecided"] == 5
    assert not any("nnunet" in key for key in numbers)


def test_each_row_of_a_table_is_a_row_of_dvcs_metrics(
    settings, tmp_path, write_cell, case_row, no_tests
):
    rows = [case_row(case, dice=dice) for case, dice in (("a", 60.0), ("b", 70.0))]
    write_cell(tmp_path / "metrics", "maml", "both", rows)
    tabulate(settings, tmp_path, tmp_path)
    shown = json.loads((tmp_path / "rows/table1.maml.both.json").read_text())
    assert shown == {"dice": 65.0, "assd_voxel": None, "masd_voxel": None, "missed": 0}
    assert json.loads((tmp_path / "rows/table1.nnunet.both.json").read_text()) == {}


def test_a_row_counts_each_missed_case_once(settings, tmp_path, write_cell, case_row, no_tests):
    """Its columns are metrics of the same cases."""
    rows = [case_row("a", dice=0.0, missed=1), case_row("b", dice=70.0)]
    write_cell(tmp_path / "metrics", "maml", "both", rows)
    tabulate(settings, tmp_path, tmp_path)
    assert json.loads((tmp_path / "rows/table1.maml.both.json").read_text())["missed"] == 1


def test_all_per_case_rows_are_kept(whole_study, tables):
    rows = read_csv(tables / "metrics.csv")
    assert len(rows) == 9 * 14
    written = read_csv(whole_study[1] / "metrics" / "maml" / "fold0-seed0" / "venous.csv")
    mine = [row for row in rows if (row["method"], row["scenario"]) == ("maml", "venous")]
    assert [row["dice"] for row in mine] == [row["dice"] for row in written]


def test_claims_come_with_verdict_and_evidence(settings, tables):
    claims = json.loads((tables / "claims.json").read_text())
    assert [claim["text"] for claim in claims] == [claim.text for claim in settings.claims]
    assert all(claim["verdict"] in {"holds", "does not hold", "undecided"} for claim in claims)
    assert all("14 patients, 1 training of each row" in claim["evidence"] for claim in claims)


def test_nothing_measured_is_one_clear_line(settings, tmp_path, write_cell, case_row, no_tests):
    with pytest.raises(UserError, match="evaluate"):
        tabulate(settings, tmp_path, tmp_path / "tables")
    write_cell(tmp_path / "metrics", "maml", "both", [case_row("a")], seed=9)
    with pytest.raises(UserError, match="no measurement of this study's"):
        tabulate(settings, tmp_path, tmp_path / "tables")
