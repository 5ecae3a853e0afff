"""Predictions of several methods beside each other, with both truths."""

from tests.report.paired_study import CASES, cell, paired_study

from remodal.report import sections
from remodal.report.prediction_figures import prediction_figures

CELLS = [cell("one", "t1"), cell("two", "t1_with_t2"), cell("one", "t2")]


def test_each_cell_is_shown_on_the_image_that_it_segments_with_both_truths(tmp_path, monkeypatch):
    drawn = []
    draw = sections.draw

    def watched(image, *others, outlines):
        drawn.append([mask.sum() for mask in outlines])
        return draw(image, *others, outlines=outlines)

    monkeypatch.setattr(sections, "draw", watched)
    wanted = {"title": "Strategies", "cells": CELLS, "most": "label-t1.displacement_mm"}
    source, cases = paired_study(tmp_path, {"predictions": [wanted]})
    (figure,) = prediction_figures(source, cases)
    assert figure.heading == "Strategies: case c"
    titles = ["One input: T1", "Two inputs: T1 with T2", "One input: T2"]
    for row in figure.rows:
        assert [panel.heading for panel in row.panels] == titles
        assert row.panels[0].note == "Dice 48.0 %"
    assert [len(outlines) for outlines in drawn] == [3] * 6
    for first, _, last in (drawn[:3], drawn[3:]):
        assert first[1:] == last[:0:-1]  # the truths of T1 and T2 change places


def test_otherwise_the_case_has_the_median_dice(tmp_path):
    source, cases = paired_study(tmp_path, {"predictions": [{"cells": CELLS}]})
    (figure,) = prediction_figures(source, cases)
    assert figure.heading == "Case e"
    assert sorted(dice for _, dice in CASES.values())[2] == CASES["e"][1]


def test_nothing_is_shown_where_no_case_has_all_predictions(tmp_path):
    source, cases = paired_study(tmp_path, {"predictions": [{"cells": CELLS}]})
    assert prediction_figures(source, cases[cases["method"] != "two"]) == []
