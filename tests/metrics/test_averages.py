import pandas as pd
import pytest
from tests.report.conftest import empty_row

from remodal.metrics.averages import with_averages
from remodal.metrics.statistics import summarise


def measured(scenario: str, **dice: float) -> list[dict]:
    """Rows of one method's only training in a scenario."""
    of_run = {"method": "ours", "fold": 0, "seed": 0, "scenario": scenario, "failed": ""}
    return [of_run | empty_row(case, dice=value) for case, value in dice.items()]


def averaged(*rows: list[dict], **averages: list[str]) -> pd.DataFrame:
    cases = pd.DataFrame([row for part in rows for row in part])
    found = with_averages(cases, averages)
    pd.testing.assert_frame_equal(found[: len(cases)], cases)
    return found[len(cases) :].set_index("case")


def test_each_case_is_averaged_over_the_scenarios():
    rows = averaged(
        measured("t1", a=10.0, b=50.0), measured("t2", a=40.0, b=60.0), any_of=["t1", "t2"]
    )
    assert rows["dice"].to_dict() == {"a": 25.0, "b": 55.0}
    assert set(rows["scenario"]) == {"any_of"}
    summary = summarise(rows.reset_index(), "dice")
    assert (summary.mean, summary.n) == (40.0, 2)


def test_a_case_that_is_missing_in_one_scenario_has_no_average():
    rows = averaged(measured("t1", a=10.0, b=50.0), measured("t2", a=40.0), any_of=["t1", "t2"])
    assert list(rows.index) == ["a"]


def test_what_is_undefined_in_one_scenario_is_undefined_on_average():
    rows = averaged(
        measured("t1", a=float("nan"), b=50.0), measured("t2", a=40.0, b=60.0), any_of=["t1", "t2"]
    )
    assert pd.isna(rows.loc["a", "dice"])
    assert rows.loc["b", "dice"] == 55.0


def test_other_patients_images_count_once_for_each_scenario():
    mixed = [row | {"foreign": other} for other in "cde" for row in measured("mixed", a=10.0)]
    own = [row | {"foreign": ""} for row in measured("own", a=40.0)]
    rows = averaged(own, mixed, any_of=["own", "mixed"])
    assert rows["dice"].to_dict() == {"a": 25.0}
    assert rows["foreign"].to_dict() == {"a": ""}


def test_counts_are_summed():
    t1, t2 = measured("t1", a=0.0), measured("t2", a=0.0)
    t1[0]["missed"], t2[0]["missed"] = 1, 1
    assert averaged(t1, t2, any_of=["t1", "t2"]).loc["a", "missed"] == 2


@pytest.mark.parametrize("averages", [{}, {"any_of": ["t1", "t2"]}])
def test_the_measured_rows_stay_as_they_are(averages):
    cases = pd.DataFrame(measured("t1", a=10.0) + measured("t2", a=20.0))
    pd.testing.assert_frame_equal(with_averages(cases, averages)[:2], cases)
