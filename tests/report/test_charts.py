"""Charts are inline SVG in the page's colours, the same bytes for the same numbers."""

import re
from math import nan
from random import Random
from xml.etree import ElementTree

import kiwisolver
import pytest

from remodal.report.charts import Box, Curve, Line, box_plots, histograms, lines, training_curves

CHARTS = {
    "boxes": lambda: box_plots(
        {"Both": [Box("A", [1.0, 2.0, 3.0]), Box("B", [2.0], True), Box("C", [])]}, "Dice [%]"
    ),
    "curves": lambda: training_curves(
        {"A": [Curve([1, 2, 3], [0.1, nan, 0.3])], "B": [Curve([1], [0.2])]}, "Dice"
    ),
    "lines": lambda: lines(
        {"Core": [Line("A", [1, 2, 4], [10.0, nan, 30.0], True), Line("B", [4], [20.0])]},
        "n",
        "Dice",
    ),
    "histograms": lambda: histograms({"one": [1.0, 2.0, 2.5], "two": [nan, 3.0]}),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_well_formed_svg_without_placeholders_or_links(name):
    svg = CHARTS[name]()
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert "width" not in root.attrib
    assert not re.search(r"#0[1-4]0[1-4]0[1-4]", svg)
    assert "currentColor" in svg
    links = re.findall(r'(?:href|src)="([^"]*)"', svg)
    assert all(link.startswith("#") for link in links)
    ids = re.findall(r' id="([^"]*)"', svg)
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in links} <= set(ids)


@pytest.mark.parametrize("name", CHARTS)
def test_the_same_numbers_give_the_same_bytes(name):
    assert CHARTS[name]() == CHARTS[name]()


def test_a_line_is_broken_where_a_method_has_no_value():
    """A is joined from 1 to 3; B, which has nothing at 2, is not."""

    def steps(*drawn):
        svg = lines({"": drawn}, "", "")
        joined = re.findall(r'<path d="([^"]*)" clip-path=[^>]*stroke: currentColor', svg)
        return [re.findall("[ML]", path) for path in joined]

    whole = Line("A", [1, 2, 3], [10.0, 20.0, 30.0])
    assert steps(whole) == [["M", "L", "L"]]
    assert steps(whole, Line("B", [1, 3], [10.0, 20.0])) == [["M", "L", "L"], ["M", "M"]]


def test_where_variables_lie_in_memory_does_not_change_a_chart(monkeypatch):
    boxes = [Box(f"method {number}", [10.0, 20.0 + number]) for number in range(7)]
    panels = dict.fromkeys(("Both phases", "Arterial only", "Venous only"), boxes)
    before = box_plots(panels, "Dice [%]")
    variable, random, kept = kiwisolver.Variable, Random(1), []

    def scattered(*given):
        others = [variable() for _ in range(200)]
        random.shuffle(others)
        kept.extend(others[:100])
        del others
        return variable(*given)

    monkeypatch.setattr(kiwisolver, "Variable", scattered)
    assert {box_plots(panels, "Dice [%]") for _ in range(6)} == {before}


def test_two_charts_of_a_page_share_no_id():
    found = [set(re.findall(r' id="([^"]*)"', CHARTS[name]())) for name in ("boxes", "curves")]
    assert not found[0] & found[1]


def test_a_method_without_a_value_says_so():
    assert "no defined value" in CHARTS["boxes"]()


def test_curves_that_cannot_be_compared_have_axes_of_their_own_after_the_first_epoch():
    panels = {
        "A": [Curve([1, 2, 3], [1700.0, 1.2, 1.0])],
        "B": [Curve([1, 2, 3], [0.5, -0.2, -0.6])],
    }
    together, apart = (training_curves(panels, "Loss", comparable) for comparable in (True, False))
    assert re.search(r">1500<", together)
    assert not re.search(r">1500<", apart)
    assert ">1.1" in apart
    assert "−0.4" in apart


def test_curves_of_two_epochs_lie_inside_their_axis():
    svg = training_curves({"A": [Curve([1, 2], [5.5, 5.1])]}, "Loss", comparable=False)
    assert ">5.2" in svg
    assert ">0.8" not in svg
