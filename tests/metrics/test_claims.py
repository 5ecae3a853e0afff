import json
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from remodal.errors import UserError
from remodal.metrics.claim_kinds import KINDS
from remodal.metrics.claims import DOES_NOT_HOLD, HOLDS, UNDECIDED, evaluate_claims
from remodal.metrics.noise import NoiseFloor, noise_floor
from remodal.metrics.registry import require_case_metric
from remodal.settings import Cell, ClaimSettings


def test_the_settings_know_every_kind_of_claim():
    assert list(get_args(ClaimSettings.model_fields["kind"].annotation)) == list(KINDS)


def cell(method, scenario="both"):
    return Cell(method=method, scenario=scenario)


def better(first, second, metric="dice"):
    return ClaimSettings(
        text="A beats B.", kind="better", metric=metric, first=[cell(first)], second=[cell(second)]
    )


def evaluate(claim, cases):
    (found,) = evaluate_claims([claim], cases, "trend")
    json.dumps(found, allow_nan=False)
    return found


def measured(n=20, metric="dice", seeds=3, **means):
    """Rows of methods whose values differ by their means and a little noise of their own."""
    cases = np.random.default_rng(0).normal(0, 10, n)
    frames = []
    for number, (name, mean) in enumerate(means.items(), 1):
        method, _, scenario = name.partition("_")
        for seed in range(seeds):
            noise = np.random.default_rng((number, seed)).normal(0, 1, n)
            frames.append(
                pd.DataFrame(
                    {
                        "method": method,
                        "scenario": scenario or "both",
                        "fold": 0,
                        "seed": seed,
                        "case": [f"case{i:02}" for i in range(n)],
                        "patient": [f"patient{i:02}" for i in range(n)],
                        "region": "tumour",
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
    found = evaluate(better("a", "b"), measured(a=means[0], b=means[1]))
    assert found["verdict"] == verdict
    assert found["estimate"] == pytest.approx(means[0] - means[1], abs=0.6)
    assert found["low"] <= found["estimate"] <= found["high"]
    assert (found["patients"], found["cases"], found["trainings"]) == (20, 20, 3)


def test_lower_is_better_for_a_distance():
    cases = measured(metric="assd_mm", a=4, b=8)
    found = evaluate(better("a", "b", "assd_mm"), cases)
    assert found["verdict"] == HOLDS
    assert found["estimate"] == pytest.approx(4, abs=0.6)


def test_signed_errors_are_compared_by_their_size():
    cases = measured(metric="rvd", a=0, b=-60)
    assert evaluate(better("a", "b", "rvd"), cases)["verdict"] == HOLDS


def test_smaller_gap_is_of_the_means():
    claim = ClaimSettings(
        text="A differs less between the phases.",
        kind="smaller_gap",
        first=[cell("a", "arterial"), cell("a", "venous")],
        second=[cell("b", "arterial"), cell("b", "venous")],
    )
    cases = measured(a_arterial=80, a_venous=79, b_arterial=70, b_venous=76)
    found = evaluate(claim, cases)
    assert found["verdict"] == HOLDS
    assert found["estimate"] == pytest.approx(5, abs=1)
    swapped = claim.model_copy(update={"first": claim.second, "second": claim.first})
    assert evaluate(swapped, cases)["verdict"] == DOES_NOT_HOLD


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_trainings_decide_nothing(seeds):
    found = evaluate(better("a", "b"), measured(seeds=seeds, a=90, b=10))
    assert (found["verdict"], found["p_holm"]) == (UNDECIDED, None)
    assert "these trainings only" in found["evidence"]
    assert "advantage" in found["evidence"]


def test_too_few_patients_decide_nothing():
    found = evaluate(better("a", "b"), measured(n=5, a=90, b=10))
    assert found["verdict"] == UNDECIDED
    assert "at least 6 patients are needed" in found["evidence"]


def test_patients_count_and_not_their_examinations():
    cases = measured(n=20, a=90, b=10)
    cases["patient"] = cases["case"].str[:5]  # case0x and case1x: two patients
    found = evaluate(better("a", "b"), cases)
    assert (found["verdict"], found["patients"], found["cases"]) == (UNDECIDED, 2, 20)


def test_the_evidence_names_what_stands_behind_it():
    evidence = evaluate(better("a", "b"), measured(a=80, b=75))["evidence"]
    assert "20 patients, 3 trainings of each row, preset trend" in evidence
    assert "after Holm's correction" in evidence


def test_the_evidence_has_real_minus_signs():
    evidence = evaluate(better("a", "b"), measured(a=70, b=75))["evidence"]
    assert "advantage −5." in evidence
    assert "-" not in evidence


def test_claims_are_corrected_together():
    cases = measured(n=12, a=80, b=79.3)
    alone = evaluate(better("a", "b"), cases)
    together = evaluate_claims([better("a", "b"), better("b", "a")] * 5, cases, "trend")
    assert alone["p"] == together[0]["p"]
    assert together[0]["p_holm"] == pytest.approx(min(1, 10 * alone["p"]))


def test_a_claim_that_cannot_be_decided_costs_the_others_nothing():
    cases = measured(a=80, b=75)
    found = evaluate_claims([better("a", "b"), better("a", "absent")], cases, "trend")
    assert found[0]["p_holm"] == found[0]["p"]
    assert (found[1]["verdict"], found[1]["patients"]) == (UNDECIDED, 0)
    assert found[1]["estimate"] is None


def test_only_cases_that_all_cells_have_count():
    cases = measured(a=80, b=75)
    cases.loc[cases["case"].isin(["case00", "case01"]) & (cases["method"] == "a"), "dice"] = np.nan
    assert evaluate(better("a", "b"), cases)["patients"] == 18


def test_a_claim_is_of_the_region_and_the_group_that_its_cells_name():
    """Everywhere else the other method is better, and its trainings differ by more."""
    worse = measured(a=60, b=95).assign(group="HCC")
    better_there = measured(a=80, b=75).assign(group="ICC", region="core")
    cases = pd.concat(
        [
            better_there,
            worse,
            worse.assign(region="core"),
            better_there.assign(region="tumour", dice=0),
        ]
    )
    cells = [Cell(method=name, scenario="both", region="core", group="ICC") for name in "ab"]
    claim = ClaimSettings(text="t", kind="better", first=cells[:1], second=cells[1:])
    found = evaluate(claim, cases)
    assert found["verdict"] == HOLDS
    assert found["estimate"] == pytest.approx(5, abs=0.6)


def test_the_noise_floor_of_a_claim_is_that_of_its_region():
    cases = of_seeds({(name, seed): 80.0 + (name == "b") for name in "ab" for seed in range(3)})
    repeats = of_seeds({("r", 0): 60.0, ("r", 1): 66.0})
    elsewhere = of_seeds({("r", 0): 60.0, ("r", 1): 90.0}).assign(region="core")
    cells = [Cell(method=name, scenario="both", region="tumour") for name in "ab"]
    claim = NOISE.model_copy(update={"first": cells[:1], "second": cells[1:]})
    (found,) = evaluate_claims(
        [claim], pd.concat([cases, elsewhere, repeats]), "trend", [("r", "both")]
    )
    assert found["estimate"] == pytest.approx(6 - 1)


def test_the_mean_of_each_cell_counts_a_case_once():
    """Cases of 70 and 90, the second of which was predicted in two trainings of three."""
    rows = of_seeds({("a", seed): 80.0 for seed in range(3)})
    rows = rows[rows["case"].isin(["case00", "case01"])]
    rows = rows.assign(dice=rows["case"].map({"case00": 70.0, "case01": 90.0}))
    rows.loc[(rows["case"] == "case01") & (rows["seed"] == 2), "dice"] = np.nan
    found = evaluate(better("a", "b"), pd.concat([rows, rows.assign(method="b", dice=50.0)]))
    assert [cell["mean"] for cell in found["cells"]] == [80, 50]
    assert found["cells"][0] | {"mean": 0} == {"method": "a", "scenario": "both", "mean": 0}


def test_a_verdict_needs_a_p_below_five_per_cent():
    found = [
        evaluate(better("a", "b"), measured(a=80 + more, b=80)) for more in (0.45, 0.6, 0.75, 0.9)
    ]
    assert [one["p"] for one in found] == pytest.approx([0.193, 0.097, 0.053, 0.032], abs=1e-3)
    assert [one["verdict"] for one in found] == [UNDECIDED, UNDECIDED, UNDECIDED, HOLDS]


@pytest.mark.parametrize(("patients", "decided"), [(5, False), (6, True)])
def test_six_patients_are_enough(patients, decided):
    found = evaluate(better("a", "b"), measured(n=patients, a=90, b=10))
    assert (found["verdict"] == HOLDS) is decided


def test_mistakes_in_a_claim():
    with pytest.raises(UserError, match="has no value for a single case"):
        evaluate(better("a", "b", "dice_global"), measured(a=1, b=1))
    one_cell = ClaimSettings(text="t", kind="smaller_gap", first=[cell("a")], second=[cell("b")])
    with pytest.raises(UserError, match="2 each for `smaller_gap`"):
        evaluate(one_cell, measured(a=1, b=1))


def of_seeds(means):
    """Rows of twelve cases whose Dice is the mean of their (method, seed) plus a little more."""
    spread = np.linspace(-1, 1, 12)
    frames = [
        pd.DataFrame(
            {"method": method, "scenario": "both", "fold": 0, "seed": seed, "region": "tumour"}
            | {"case": [f"case{i:02}" for i in range(12)], "dice": mean + spread}
        )
        for (method, seed), mean in means.items()
    ]
    cases = pd.concat(frames, ignore_index=True)
    return cases.assign(patient=cases["case"])


def test_the_noise_floor_is_the_mean_gap_of_trainings_of_a_fold():
    """Seeds 80, 81, 83: gaps 1, 3, 2; a second fold with one seed says nothing."""
    rows = of_seeds({("a", 0): 80.0, ("a", 1): 81.0, ("a", 2): 83.0})
    assert noise_floor([rows], DICE) == NoiseFloor(pytest.approx(2), trainings=3, folds=1)
    other = of_seeds({("a", 0): 70.0}).assign(fold=1)
    both = pd.concat([rows, other])
    assert noise_floor([both], DICE) == NoiseFloor(pytest.approx(2), trainings=3, folds=1)
    again = pd.concat([both, of_seeds({("a", 1): 76.0}).assign(fold=1)])
    assert noise_floor([again], DICE) == NoiseFloor(pytest.approx(4), trainings=5, folds=2)
    assert np.isnan(noise_floor([other], DICE).value)


def test_the_noise_floor_of_several_cells_is_their_mean():
    one, two = (of_seeds({("a", 0): 80.0, ("a", 1): 80.0 + gap}) for gap in (1, 5))
    assert noise_floor([one, two], DICE) == NoiseFloor(pytest.approx(3), trainings=2, folds=1)


def test_the_noise_floor_of_a_signed_metric_is_of_its_size():
    """Trainings that are too large by 10 % and too small by 12 % differ by 2 in size, not by 22."""
    rows = of_seeds({("a", 0): 10.0, ("a", 1): -12.0}).rename(columns={"dice": "rvd"})
    assert noise_floor([rows], require_case_metric("rvd", "a test")).value == pytest.approx(2)


@pytest.mark.parametrize("mean", [0.4, -0.4, 1.2, 1.6, -1.6, 3.0, -3.0])
def test_within_noise_is_tested_as_by_scipys_one_sided_t_tests(mean):
    """Inside the floor of 1.5 both ends must be ruled out, beyond it only the nearer one."""
    differences = np.random.default_rng(4).normal(0, 1, 12)
    differences += mean - differences.mean()
    second = of_seeds({("b", 0): 80.0})
    first = second.assign(method="a", dice=second["dice"] + differences)
    repeats = of_seeds({("c", 0): 80.0, ("c", 1): 81.5})
    found = KINDS["within_noise"].measure([first, second], DICE, [repeats])

    def one_sided(end, side):
        return stats.ttest_1samp(differences, end, alternative=side).pvalue

    if abs(mean) < 1.5:
        p = max(one_sided(1.5, "less"), one_sided(-1.5, "greater"))
    else:
        p = one_sided(1.5, "greater") if mean > 0 else one_sided(-1.5, "less")
    assert found.p == pytest.approx(2 * p, rel=1e-6)
    assert found.estimate == pytest.approx(1.5 - abs(mean))
    sizes = abs(np.linspace(*stats.ttest_1samp(differences, 0).confidence_interval(), 20_001))
    assert found.low == pytest.approx(1.5 - sizes.max())
    assert found.high == pytest.approx(1.5 - sizes.min(), abs=1e-4)


DICE = require_case_metric("dice", "a test")


NOISE = ClaimSettings(
    text="No difference.", kind="within_noise", first=[cell("a")], second=[cell("b")]
)


def test_a_difference_within_the_noise_floor():
    """Gaps of 4 on average, a difference of 0.1, and much less chance in the means of 20 seeds."""
    seeds = {seed: 80 + 3 * (-1) ** seed for seed in range(20)}
    means = {("a", seed): mean for seed, mean in seeds.items()}
    means |= {("b", seed): mean + 0.1 for seed, mean in seeds.items()}
    found = evaluate(NOISE, of_seeds(means))
    floor = 6 * 100 / 190  # of 190 pairs of seeds 100 differ, by 6
    assert found["estimate"] == pytest.approx(floor - 0.1)
    assert found["verdict"] == HOLDS
    assert found["low"] < found["estimate"] < found["high"] <= floor
    assert "difference below the noise floor by 3.06 %" in found["evidence"]


def test_a_difference_far_beyond_the_noise_floor():
    means = {("a", seed): 80 + seed / 10 for seed in range(3)}
    means |= {("b", seed): 70 + seed / 10 for seed in range(3)}
    found = evaluate(NOISE, of_seeds(means))
    assert found["verdict"] == DOES_NOT_HOLD
    assert found["estimate"] == pytest.approx(0.4 / 3 - 10)


def test_a_study_may_name_the_method_whose_repeats_are_the_noise_floor():
    """The cells' own trainings differ by nothing, those of the named method by 6."""
    means = {(name, seed): 80.0 + (name == "b") for name in "ab" for seed in range(3)}
    cases = of_seeds(means | {("r", 0): 60.0, ("r", 1): 66.0})
    (own,) = evaluate_claims([NOISE], cases, "trend")
    (named,) = evaluate_claims([NOISE], cases, "trend", [("r", cases["scenario"].iloc[0])])
    assert own["estimate"] == pytest.approx(-1)
    assert named["estimate"] == pytest.approx(6 - 1)


def test_without_a_second_training_there_is_no_noise_floor():
    found = evaluate(NOISE, of_seeds({("a", 0): 80.0, ("b", 0): 80.0}))
    assert (found["verdict"], found["estimate"]) == (UNDECIDED, None)
