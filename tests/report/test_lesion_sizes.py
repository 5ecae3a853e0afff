"""True lesions by their size, from the tables of the evaluate stage."""

from math import inf, pi

import pytest

from remodal.metrics.lesion_table import lesion_rows, write_lesions
from remodal.metrics.lesions import TrueLesion
from remodal.report.breakdowns import measured_cells
from remodal.report.lesion_sizes import SIZES, Found, by_size, diameter, size_chart, study_lesions
from remodal.report.tables import study_cases
from remodal.results.paths import Training, lesions_file


def ball(millimetres: float) -> float:
    """Volume in ml of a ball of this diameter."""
    return pi * millimetres**3 / 6000


@pytest.fixture
def study(tmp_path, write_cell, case_row):
    """Two cases and two seeds, in each a small lesion that is missed, and a large one."""
    for seed in (0, 1):
        rows = [case_row(case) for case in ("a", "b")]
        write_cell(tmp_path / "metrics", "maml", "both", rows, seed=seed)
        lesions = [TrueLesion(ball(9.9), False, float("nan")), TrueLesion(ball(30), True, 0.8)]
        write_lesions(
            lesions_file(tmp_path, Training("maml", 0, seed), "both"),
            [
                {"case": case, "patient": case, "group": group, "region": "tumour"} | row
                for case, group in (("a", "hcc"), ("b", "metastasis"))
                for row in lesion_rows(lesions)
            ],
        )
    return tmp_path


def test_a_lesion_is_as_large_as_a_ball_of_its_diameter():
    assert diameter(ball(12.5)) == pytest.approx(12.5)
    assert list(SIZES.values()) == [10, 20, inf]


def test_lesions_are_counted_by_size_over_cases_and_seeds(study, make_settings):
    settings = make_settings(seeds=[0, 1])
    cells = measured_cells(settings, study_cases(settings, study / "metrics"), ["both"])
    ((cell, counts),) = by_size(cells, study_lesions(settings, study))
    assert cell.label == settings.title_of("maml")
    small, middle, large = counts
    assert (small.lesions, small.found) == (4, 0)
    assert middle is None
    assert large == Found(4, 4, pytest.approx(80))


def test_another_seed_s_and_an_earlier_method_s_lesions_are_not_the_study_s(study, make_settings):
    settings = make_settings(seeds=[0])
    assert set(study_lesions(settings, study)["seed"]) == {0}
    older = lesions_file(study, Training("removed", 0, 0), "both")
    write_lesions(
        older, [{"case": "a", "region": "tumour", "lesion": 1, "volume_ml": 1, "found": 1}]
    )
    assert set(study_lesions(settings, study)["method"]) == {"maml"}


def test_each_lesion_of_the_truth_is_drawn_once_with_its_group(study, make_settings):
    settings = make_settings(seeds=[0, 1])
    (chart,) = size_chart(settings, study_lesions(settings, study), {"a": "hcc", "b": "metastasis"})
    assert "metastasis" in chart.svg
    assert "hcc" in chart.svg


def test_a_study_that_was_measured_before_has_no_lesions(tmp_path, make_settings):
    settings = make_settings()
    lesions = study_lesions(settings, tmp_path)
    assert lesions.empty
    assert by_size([], lesions) == []
    assert not list(size_chart(settings, lesions, {}))
