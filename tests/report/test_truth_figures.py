"""Images of a case with all their truths, in sections in which both are seen."""

import numpy as np
import pytest
from pydantic import ValidationError
from tests.report.paired_study import liver, paired_settings, paired_study

from remodal.report.sections import PLANES, best_section
from remodal.report.truth_figures import truth_figures
from remodal.results.paths import registered_folder

FAR = "label-t1.displacement_mm"


def test_the_case_whose_labels_lie_farthest_apart_is_shown_with_both_outlines(tmp_path):
    wanted = {"truths": [{"title": "Apart", "images": ["t1", "t2"], "most": FAR}]}
    source, _ = paired_study(tmp_path, wanted)
    (figure,) = truth_figures(source)
    assert figure.heading == "Apart: case c"
    assert figure.text == (
        "Outlines of the liver: red in T1, green in T2. "
        "label-t1.displacement_mm: 60.0, the largest of all cases."
    )
    assert [row.heading for row in figure.rows] == ["Axial", "Coronal"]
    for row in figure.rows:
        assert [panel.heading for panel in row.panels] == ["T1", "T2"]
        assert row.panels[0].source != row.panels[1].source


def test_a_case_without_one_of_the_labels_is_not_shown(tmp_path):
    source, _ = paired_study(tmp_path, {"truths": [{"images": ["t1", "t2"], "most": FAR}]})
    (registered_folder(source.data, "c") / "label-t2.nii.gz").write_bytes(b"")
    (figure,) = truth_figures(source)
    assert figure.heading.startswith("Case b")


def test_the_section_shows_most_of_the_mask_that_it_shows_least_of():
    apart = [liver(0), liver(8)]
    index = best_section(apart, 0)
    areas = [mask.sum(axis=(1, 2)) for mask in apart]
    assert min(a[index] for a in areas) == max(map(min, zip(*areas)))
    none_together = [liver(-4), liver(13)]
    assert best_section(none_together, 0) == np.argmax(none_together[0].sum(axis=(1, 2)))


def test_in_a_coronal_section_the_head_is_up():
    volume = np.arange(24).reshape(4, 3, 2)
    assert PLANES[1].of(volume, 1)[0].tolist() == volume[3, 1].tolist()
    assert PLANES[0].of(volume, 1).tolist() == volume[1].tolist()


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"truths": [{"images": ["t3"]}]}, "figures.truths 1, images: `t3` is not one of"),
        ({"truths": [{"images": ["t1"], "region": "a"}]}, "region: `a` is not one of liver"),
        (
            {"predictions": [{"cells": [{"method": "one", "scenario": "t1_with_t2"}]}]},
            "figures.predictions 1: `t1_with_t2` is not one of t1, t2",
        ),
        (
            {"predictions": [{"cells": [{"method": "two", "scenario": "t1_foreign"}]}]},
            "a picture is of a scenario of registered images of the case itself",
        ),
        (
            {"against": [{"number": "x", "cells": [{"method": "no", "scenario": "t1"}]}]},
            "figures.against 1: `no` is not one of one, two",
        ),
    ],
)
def test_a_figure_of_what_the_study_does_not_have_is_one_clear_line(figures, said):
    with pytest.raises(ValidationError, match=said):
        paired_settings(figures)
