"""Charts show what the tables show, and no more."""

from itertools import product

import pandas as pd
import pytest

from remodal.metrics.averages import with_averages
from remodal.metrics.cases import COUNTS, FAILED
from remodal.report.breakdowns import distributions
from remodal.settings.composition import compose


def charts(study, metrics):
    """The box plots of a study whose every cell has three cases."""
    settings = compose({"study": study, "preset": "smoke"})
    rows = [
        {"method": method, "fold": 0, "seed": 0, "scenario": scenario, "region": region}
        | {"case": f"case{number}", "patient": f"patient{number}", "group": "", FAILED: ""}
        | dict.fromkeys(metrics, 50.0 + number)
        | dict.fromkeys(COUNTS, 1)
        for method in settings.methods
        for scenario, region, number in product(
            settings.scenarios_of(method), settings.data.regions, range(3)
        )
    ]
    cases = with_averages(pd.DataFrame(rows), settings.averages)
    return settings, {chart.title: chart.svg for chart in distributions(settings, cases)}


def test_a_metric_is_drawn_for_each_region_but_its_variants_are_left_to_the_tables():
    _, drawn = charts("brats", ["dice", "dice_brats"])
    assert list(drawn) == [
        f"{region}: Dice [%]" for region in ("Enhancing tumour", "Tumour core", "Whole tumour")
    ]


@pytest.mark.parametrize(("study", "panels"), [("brats", ["T1ce", "All"]), ("brats_subsets", None)])
def test_of_many_scenarios_the_averages_alone_are_drawn(study, panels):
    settings, drawn = charts(study, ["dice", "dice_brats"])
    expected = panels or [name.replace("_", " ").capitalize() for name in settings.averages]
    [svg] = [svg for title, svg in drawn.items() if title == "Whole tumour: Dice [%]"]
    found = [word for word in expected if f">{word}<" in svg]
    assert found == expected
    assert panels or f">{next(iter(settings.scenarios)).capitalize()}<" not in svg
