"""What is said of the training curves."""

import re

import pandas as pd

from remodal.report.curve_charts import curve_charts
from remodal.report.runs import Run

CURVES = pd.DataFrame({"epoch": [1, 2], "loss": [0.5, -0.2], "validation_dice": [0.3, 0.6]})
RUNS = [Run("maml", "MAML", 0, 0, CURVES, {}), Run("nnunet", "nnUNet", 0, 0, CURVES, {})]


def test_a_checkpoint_that_the_validation_dice_chooses_is_said_to_be_chosen_by_it(make_settings):
    watched, _ = curve_charts(make_settings(), RUNS)
    assert "only watched, and never chooses a checkpoint" in watched.caption
    best = {"checkpoint": "best_validation"}
    chosen, _ = curve_charts(make_settings(methods={"maml": {"recipe": best}}), RUNS)
    assert "it chooses the checkpoint of MAML, and is only watched in the others" in chosen.caption
    every, _ = curve_charts(make_settings(recipe=best), RUNS)
    assert "patches of the validation cases; it chooses the checkpoint. Each" in every.caption


def test_a_curve_that_nobody_recorded_has_no_chart(make_settings):
    unwatched = Run("maml", "MAML", 0, 0, CURVES.assign(validation_dice=None), {})
    assert [one.title for one in curve_charts(make_settings(), [unwatched])] == ["Training loss"]
    assert curve_charts(make_settings(), []) == []


def test_a_long_label_stands_in_several_lines_above_its_panel(make_settings):
    long = Run("maml", "1 out, prereg. (t2, t1_registered)", 0, 0, CURVES, {})
    watched, loss = curve_charts(make_settings(), [long, RUNS[1]])
    for chart in (watched, loss):
        texts = re.findall(r"<text[^>]*>(.*?)</text>", chart.svg)
        assert [text for text in texts if "1 out" in text] == ["1 out, prereg."]
        assert "(t2, t1_registered)" in texts
        assert "nnUNet" in texts
