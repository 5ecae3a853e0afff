"""Mean Dice and mean Jaccard of the same cases bound each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remodal.errors import FaultOfOurs
from remodal.report import comparison
from remodal.report.comparison import build_tables
from remodal.report.consistency import least_jaccard
from remodal.report.published import COLUMNS, FOLDER, read_published
from remodal.report.tables import study_cases
from remodal.report.wording import notes

DICE = [55.0, 80.0, 92.0]
TABLE = {
    "title": "Table 1. Overlap",
    "rows": [{"method": "maml", "scenario": "both", "label": "Ours"}],
    "metrics": ["dice", "jaccard"],
}


@pytest.fixture
def make(tmp_path, make_settings, make_splits, write_cell, case_row, monkeypatch):
    """The table of these Dice and Jaccard values, and of published ones."""

    def build(jaccard, printed=(), table=TABLE):
        lines = [
            f"table1,maml,both,tumour,,{metric},,,{mean},,none,B,a paper"
            for metric, mean in zip(("dice", "jaccard"), printed)
        ]
        (tmp_path / "paper.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
        known = read_published("paper", tmp_path)
        monkeypatch.setattr(comparison, "printed_numbers", lambda name: known)
        rows = [
            case_row(f"case{i}", dice=d, jaccard=j) for i, (d, j) in enumerate(zip(DICE, jaccard))
        ]
        write_cell(tmp_path / "metrics", "maml", "both", rows)
        settings = make_settings()
        chosen = type(settings.tables["table1"]).model_validate(table)
        settings = settings.model_copy(update={"tables": {"table1": chosen}, "claims": []})
        cases = study_cases(settings, tmp_path / "metrics")
        return build_tables(settings, cases, make_splits([]), tmp_path)

    return build


@given(st.lists(st.floats(0, 100), min_size=1))
def test_the_bound_holds_for_any_cases_and_is_met_by_equal_ones(dice):
    jaccard = [least_jaccard(value) for value in dice]
    assert np.mean(jaccard) >= least_jaccard(np.mean(dice)) - 1e-9
    assert least_jaccard(70.63) == pytest.approx(100 * 0.7063 / (2 - 0.7063))


def test_consistent_means_pass(make):
    assert make([least_jaccard(value) for value in DICE])


def test_impossible_means_of_ours_are_a_fault_of_ours_and_are_named(make):
    with pytest.raises(FaultOfOurs, match=r"table `table1`, row `maml.both`: .*Jaccard of 50.00 %"):
        make([40.0, 50.0, 60.0])


def test_they_are_found_where_the_rows_name_the_metrics(make):
    turned = {
        "title": TABLE["title"],
        "rows": [{"metric": "jaccard"}, {"metric": "dice"}],
        "columns": [{"method": "maml", "scenario": "both"}],
    }
    with pytest.raises(FaultOfOurs, match=r"row `dice`"):
        make([40.0, 50.0, 60.0], table=turned)


def test_means_over_other_cases_do_not_bound_each_other(make):
    assert make([40.0, float("nan"), 60.0])


@pytest.mark.parametrize(("jaccard", "noted"), [(56.72, 0), (54.60, 0), (54.58, 1)])
def test_impossible_published_means_are_noted(make, jaccard, noted):
    """The least mean Jaccard of a mean Dice of 70.63 % is 54.595 %; printed with two decimals."""
    (table,) = make([least_jaccard(value) for value in DICE], printed=(70.63, jaccard))
    found = [note for note in notes(table) if "cannot be of the same cases" in note]
    assert len(found) == noted
    if noted:
        assert "Ours has a mean Dice of 70.63 % but a Jaccard of 54.58 %" in found[0]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.csv")), ids=lambda path: path.stem)
def test_no_paper_of_ours_prints_impossible_means(path):
    numbers = read_published(path.stem)
    for key, jaccard in numbers.items():
        if key.metric.startswith("jaccard"):
            dice = numbers[key._replace(metric=key.metric.replace("jaccard", "dice"))]
            assert jaccard.mean >= least_jaccard(dice.mean), key
