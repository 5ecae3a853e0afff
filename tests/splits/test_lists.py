"""The published lists of cases in config/splits: what they hold, and that they can be imported."""

import json
from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.pancreas_ct import SAME_PATIENT
from remodal.settings import SplitSettings
from remodal.splits import SplitCase, make_splits

SPLITS = Path(__file__).parents[2] / "config/splits"
PANCREAS = [f"PANCREAS_{number:04d}" for number in range(1, 83)]


def lists(name: str) -> tuple[list[str], list[str]]:
    (fold,) = json.loads((SPLITS / name).read_text())["folds"]
    return fold["train"], fold["test"]


def split(name: str, cases: list[str]) -> dict:
    settings = SplitSettings(scheme="file", file=SPLITS / name, folds=1)
    return make_splits([SplitCase(one, SAME_PATIENT.get(one, one)) for one in cases], settings)


def test_mc_nets_lists_are_all_82_cases_of_pancreas_ct():
    train, test = lists("pancreas_ct_mcnet.json")
    assert (len(train), len(test)) == (62, 20)
    assert sorted(train + test) == PANCREAS
    # The labelled ones of the papers, of which the 11th is a copy of case 2.
    assert train[:3] == ["PANCREAS_0057", "PANCREAS_0018", "PANCREAS_0062"]
    assert train[10:12] == ["PANCREAS_0070", "PANCREAS_0019"]
    imported = split("pancreas_ct_mcnet.json", PANCREAS)
    assert imported["folds"][0]["train"] == train
    assert imported["separates"] == ["PANCREAS_0002"]


def test_the_list_without_the_copies_of_case_2_separates_nobody():
    train, test = lists("pancreas_ct_60_20.json")
    published, tested = lists("pancreas_ct_mcnet.json")
    assert (len(train), len(test)) == (60, 20)
    today = [case for case in PANCREAS if case not in SAME_PATIENT]
    assert sorted(train + test) == today
    assert train == [case for case in published if case not in {*SAME_PATIENT, *test}]
    assert set(test) - set(tested) == {published[-1]}
    assert "separates" not in split("pancreas_ct_60_20.json", today)


def test_mc_nets_lists_do_not_fit_what_tcia_distributes_today():
    today = [case for case in PANCREAS if case not in SAME_PATIENT]
    with pytest.raises(UserError, match="unknown cases in `train`: PANCREAS_0070"):
        split("pancreas_ct_mcnet.json", today)


def test_ua_mts_lists_of_the_left_atrium_are_100_cases():
    train, test = lists("left_atrium_uamt.json")
    assert (len(train), len(test)) == (80, 20)
    assert len({*train, *test}) == 100
    assert train == sorted(train)
    assert split("left_atrium_uamt.json", train + test)["folds"][0]["train"] == train
