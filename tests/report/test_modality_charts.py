import pandas as pd
import pytest
from tests.report.conftest import empty_row
from tests.report.test_layouts import SUBSETS, toy_settings

from remodal.report import modality_charts
from remodal.report.charts import Line
from remodal.report.modality_charts import modality_charts as drawn

#: Dice of the only case in each subset; t1 and t2 alone differ, so their mean shows.
DICE = {name: 10.0 * len(present) for name, present in SUBSETS.items()} | {"t1": 4.0}


@pytest.fixture
def shown(monkeypatch):
    """The panels that the chart was drawn from."""
    panels = {}
    monkeypatch.setattr(
        modality_charts, "lines", lambda found, *_: panels.update(found) or "<svg></svg>"
    )
    return panels


def measured(method: str, scenarios) -> pd.DataFrame:
    of_run = {"method": method, "fold": 0, "seed": 0}
    return pd.DataFrame(
        of_run | empty_row("a", dice=DICE[name], region="whole") | {"scenario": name}
        for name in scenarios
    )


@pytest.fixture
def settings_of(settings):
    def build(reference="ours"):
        rows = [{"method": "ours", "scenario": "t1", "region": "whole"}]
        table = {"rows": rows, "metrics": ["dice"], "reference": {"t1": reference}}
        return toy_settings(settings, table, {})

    return build


def test_a_point_is_the_mean_of_the_scenarios_with_that_many_modalities(settings_of, shown):
    cases = pd.concat([measured("ours", SUBSETS), measured("fusion", ["t1_t2_flair"])])
    (chart,) = drawn(settings_of(), cases)
    assert "number of modalities" in chart.title
    fusion, ours = shown["Whole"]
    assert ours == Line("Ours", [1, 2, 3], [(4 + 10 + 10) / 3, 20.0, 30.0], highlighted=True)
    assert fusion == Line("Fusion", [3], [30.0])
    assert shown["Core"] == []


def test_a_method_has_a_point_where_it_was_tested_in_all_scenarios_with_as_many(settings_of, shown):
    """Of one modality alone, the best one would stand beside the others' means over all."""
    singles_and_all = ["t1", "t2", "flair", "t1_t2_flair"]
    for scenarios, numbers in ((["t2", "t1_t2_flair"], [3]), (singles_and_all, [1, 3])):
        list(
            drawn(
                settings_of(), pd.concat([measured("ours", SUBSETS), measured("fusion", scenarios)])
            )
        )
        fusion, _ = shown["Whole"]
        assert fusion.numbers == numbers


def test_methods_of_one_name_are_told_apart_by_their_modalities(settings_of, shown):
    settings = settings_of()
    of_one = settings.methods["fusion"].model_copy(update={"modalities": ["t1"]})
    settings = settings.model_copy(update={"methods": settings.methods | {"fusion_t1": of_one}})
    of_each = {"fusion": ["t1_t2_flair"], "ours": SUBSETS, "fusion_t1": ["t1", "t2", "flair"]}
    list(drawn(settings, pd.concat([measured(*one) for one in of_each.items()])))
    assert [line.label for line in shown["Whole"]] == ["Fusion", "Ours", "Fusion (t1)"]


def test_two_numbers_of_modalities_make_no_chart(settings_of, shown):
    assert not list(drawn(settings_of(), measured("ours", ["t1", "t2", "t1_t2"])))
