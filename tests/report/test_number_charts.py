"""A metric against a number of the case."""

import pytest
from tests.report.paired_study import cell, paired_study

from remodal.report import number_charts as module
from remodal.report.number_charts import number_charts


def test_each_case_is_a_point_at_its_record_s_number(tmp_path, monkeypatch):
    drawn = {}

    def watched(panels, across, up):
        drawn.update(panels)
        return f"{across}; {up}"

    monkeypatch.setattr(module, "scatter", watched)
    wanted = {
        "number": "label-t1.displacement_mm",
        "cells": [cell("one", "t1"), cell("two", "t1_with_t2")],
    }
    called = {"label-t1.displacement_mm": "Displacement [mm]"}
    source, cases = paired_study(tmp_path, {"against": [wanted], "numbers": called})
    (chart,) = number_charts(source, cases)
    assert chart.title == "Dice [%] against Displacement [mm]"
    assert chart.svg == "Displacement [mm]; Dice [%]"
    assert list(drawn) == ["One input\nT1", "Two inputs\nT1 with T2"]
    points = drawn["One input\nT1"]
    assert points.across == [10.0, 40.0, 60.0, 20.0, 30.0]
    assert points.up == [88.0, 68.0, 48.0, 78.0, 73.0]
    assert points.rho == pytest.approx(-1)


def test_a_number_that_no_record_has_leaves_an_empty_panel(tmp_path):
    wanted = {"number": "label-t1.depth", "cells": [cell("one", "t1")]}
    source, cases = paired_study(tmp_path, {"against": [wanted]})
    (chart,) = number_charts(source, cases)
    assert "n = 0" in chart.svg
