import json

import numpy as np
import pandas as pd
import pytest

from remodal.errors import UserError
from remodal.metrics.claims import DOES_NOT_HOLD, HOLDS, UNDECIDED, evaluate_claim
from remodal.settings import Cell, ClaimSettings, MetricsSettings

SETTINGS = MetricsSettings(bootstrap=500)


def cell(method, scenario="both"):
    return Cell(method=method, scenario=scenario)


def better(first, second, metric="dice"):
    return ClaimSettings(
        text="A beats B.", kind="better", metric=metric, first=[cell(first)], second=[cell(second)]
    )


def measured(n=20, metric="dice", **means):
    """Rows of methods whose values differ by their means and a little noise of their own."""
    cases = np.random.default_rng(0).normal(0, 10, n)
    frames = []
    for number, (name, mean) in enumerate(means.items(), 1):
        method, _, scenario = name.partition("_")
        noise = np.random.default_rng(number).normal(0, 1, n)
        frames.append(
            pd.DataFrame(
                {
                    "method": method,
                    "scenario": scenario or "both",
                    "seed": 0,
                    "case": [f"case{i:02}" for i in range(n)],
                    "class": "tumour",
                    metric: mean + cases + noise,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(
    ("means", "verdict"),
    [((80, 75), HOLDS), ((75, 80), DOES_NOT_HOLD), ((80, 80), UNDECIDED)],
)
def test_better(means, verdict):
    found = evaluate_claim(better("a", "b"), measured(a=means[0], b=means[1]), SETTINGS)
    assert found["verdict"] == verdict
    assert found["estimate"] == pytest.approx(means[0] - means[1], abs=0.6)
    assert found["low"] <= found["estimate"] <= found["high"]
    assert found["n"] == 20
    json.dumps(found, allow_nan=False)


def test_lower_is_better_for_a_distance():
    cases = measured(metric="assd_mm", a=4, b=8)
    found = evaluate_claim(better("a", "b", "assd_mm"), cases, SETTINGS)
    assert found["verdict"] == HOLDS
    assert found["estimate"] == pytest.approx(4, abs=0.6)


def test_signed_errors_are_compared_by_their_size():
    cases = measured(metric="rvd", a=0, b=-60)
    assert evaluate_claim(better("a", "b", "rvd"), cases, SETTINGS)["verdict"] == HOLDS


def test_smaller_gap_is_of_the_means():
    claim = ClaimSettings(
        text="A differs less between the phases.",
        kind="smaller_gap",
        first=[cell("a", "arterial"), cell("a", "venous")],
        second=[cell("b", "arterial"), cell("b", "venous")],
    )
    cases = measured(a_arterial=80, a_venous=79, b_arterial=70, b_venous=76)
    found = evaluate_claim(claim, cases, SETTINGS)
    assert found["verdict"] == HOLDS
    assert found["estimate"] == pytest.approx(5, abs=1)
    swapped = claim.model_copy(update={"first": claim.second, "second": claim.first})
    assert evaluate_claim(swapped, cases, SETTINGS)["verdict"] == DOES_NOT_HOLD


def test_too_few_cases_decide_nothing():
    found = evaluate_claim(better("a", "b"), measured(n=5, a=90, b=10), SETTINGS)
    assert found["verdict"] == UNDECIDED
    assert "only 5 cases" in found["evidence"]


def test_a_method_without_results_decides_nothing():
    found = evaluate_claim(better("a", "absent"), measured(a=90), SETTINGS)
    assert (found["verdict"], found["n"], found["estimate"]) == (UNDECIDED, 0, None)
    json.dumps(found, allow_nan=False)


def test_only_cases_that_all_cells_have_count():
    cases = measured(a=80, b=75)
    cases.loc[cases.index[:3], "dice"] = np.nan
    assert evaluate_claim(better("a", "b"), cases, SETTINGS)["n"] == 17


def test_seeds_of_a_case_are_averaged_first():
    once = measured(n=8, a=80, b=75)
    thrice = pd.concat([once.assign(seed=seed) for seed in range(3)])
    found = evaluate_claim(better("a", "b"), thrice, SETTINGS)
    assert found == evaluate_claim(better("a", "b"), once, SETTINGS)


def test_mistakes_in_a_claim():
    with pytest.raises(UserError, match="has no value for a single case"):
        evaluate_claim(better("a", "b", "dice_global"), measured(a=1, b=1), SETTINGS)
    one_cell = ClaimSettings(text="t", kind="smaller_gap", first=[cell("a")], second=[cell("b")])
    with pytest.raises(UserError, match="2 each for `smaller_gap`"):
        evaluate_claim(one_cell, measured(a=1, b=1), SETTINGS)
