"""Which case is shown as surfaces, of which methods, and how the page has them."""

from dataclasses import replace

import numpy as np
import pytest

from remodal.errors import UserError
from remodal.report import page as page_module
from remodal.report.page import write_report
from remodal.report.surface_figures import SCALE, surface_figures
from remodal.report.tables import study_cases
from remodal.report.views import Source
from remodal.settings.figures import FigureSettings

ASKED = {"surfaces": [{"table": "table1"}]}
METHODS = ["nnunet", "octopusnet", "ms_ensemble", "ms_ma", "maml"]


@pytest.fixture(scope="module")
def asked(whole_study):
    """The study with surfaces, and its per-case rows."""
    settings, study, data = whole_study
    with_surfaces = settings.model_copy(update={"figures": FigureSettings.model_validate(ASKED)})
    return Source(with_surfaces, study, data), study_cases(settings, study / "metrics")


@pytest.fixture(scope="module")
def figure(asked):
    (drawn,) = surface_figures(*asked)
    return drawn


def mean_dice(cases):
    of_table = cases[(cases["scenario"] == "both") & cases["method"].isin(METHODS)]
    return of_table.groupby("case")["dice"].mean().sort_values()


def test_it_is_the_case_of_the_median_dice_with_the_truth_and_every_method(asked, figure):
    source, cases = asked
    dice = mean_dice(cases)
    assert figure.heading == f"Case {dice.index[(len(dice) - 1) // 2]}"
    titles = [source.settings.title_of(method) for method in METHODS]
    assert [panel.heading for panel in figure.panels] == ["Ground truth", *titles]
    assert all(panel.note.startswith("Dice ") for panel in figure.panels[1:])
    assert len({panel.source for panel in figure.panels}) > 2
    assert figure.end in (1, 2, 3, 5, 10, 20, 30, 50, 100)


def test_rows_of_the_same_name_are_told_apart_by_their_methods(asked):
    source, cases = asked
    content = source.settings.model_dump()
    for row in content["tables"]["table1"]["rows"]:
        row["label"] = "Alike"
    settings = type(source.settings).model_validate(content)
    (figure,) = surface_figures(replace(source, settings=settings), cases)
    assert figure.panels[1].heading == settings.title_of("nnunet")


def test_a_case_that_one_method_failed_on_is_not_shown(asked, figure):
    source, cases = asked
    chosen = figure.heading.removeprefix("Case ")
    lost = (cases["case"] == chosen) & (cases["method"] == "ms_ma") & (cases["scenario"] == "both")
    failed = cases.assign(dice=cases["dice"].where(~lost))
    (other,) = surface_figures(source, failed)
    assert other.heading != figure.heading


def test_a_method_that_was_not_run_is_said_to_be_so(asked):
    source, cases = asked
    (figure,) = surface_figures(source, cases[cases["method"] != "octopusnet"])
    assert [panel.note for panel in figure.panels if panel.heading == "OctopusNet"] == ["not run"]
    assert surface_figures(source, cases[~cases["method"].isin(METHODS)]) == []


def test_the_page_shows_them_with_their_scale(asked, figure, tmp_path, monkeypatch):
    source, _ = asked
    monkeypatch.setattr(page_module, "surface_figures", lambda source, cases: [figure])
    monkeypatch.setattr(page_module, "failure_examples", lambda source, cases: [])
    monkeypatch.setattr(page_module, "attention_examples", lambda source, cases: [])
    write_report(source.settings, source.study, source.data, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="#surfaces"' in page
    shown = page.partition('<section id="surfaces">')[2].partition("</section>")[0]
    assert shown.count("<img") == 1 + len(METHODS)
    assert ", ".join(SCALE) in shown
    assert "mm or more" in shown


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"table": "table9"}, "figures.surfaces 1, table: `table9` is not one of"),
        ({"table": "table2"}, "figures.surfaces 1, scenario: `` is not one of arterial, venous"),
        ({"table": "table1", "scenario": "venous"}, "scenario: `venous` is not one of both"),
        ({"table": "table1", "region": "liver"}, "region: `liver` is not one of tumour"),
    ],
)
def test_surfaces_of_what_is_not_in_the_study_are_an_error(make_settings, wanted, says):
    with pytest.raises(UserError, match=says):
        make_settings(figures={"surfaces": [wanted]})


def test_one_scenario_of_several_is_named(asked, make_settings):
    source, cases = asked
    settings = make_settings(figures={"surfaces": [{"table": "table2", "scenario": "venous"}]})
    (figure,) = surface_figures(Source(settings, source.study, source.data), cases)
    labels = [settings.title_of(method) for method in ("nnunet_venous", "maml")]
    assert [panel.heading for panel in figure.panels[1:]] == labels
    assert np.all([panel.source.startswith("data:image/png") for panel in figure.panels])
