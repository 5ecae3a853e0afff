"""Differences with a term for patients and one for trainings, by hand, by SciPy, by simulation."""

from math import isnan, sqrt

import numpy as np
import pandas as pd
import pytest
from benchmarks.verdicts import (
    Situation,
    decided,
    decided_in_folds,
    share_that_holds,
    share_with_any_verdict,
    shares_in_folds,
    study,
)
from scipy import stats

from remodal.metrics.contrasts import (
    Term,
    Variance,
    contrast,
    of_folds,
    of_mean,
    smaller_in_size,
    student,
)


def rows(values, method="m", folds=None, examinations=1):
    """Per-case rows of one method from Dice of (trainings, cases); a patient has examinations."""
    count = values.shape[1]
    return pd.DataFrame(
        [
            {"method": method, "seed": seed, "case": f"case{case:03}", "dice": values[seed, case]}
            | {"patient": f"patient{case // examinations:03}"}
            | {"fold": 0 if folds is None else folds[case]}
            for seed in range(len(values))
            for case in range(count)
        ]
    )


def difference(first, second, **described):
    return contrast(
        [Term(1, rows(first, "a", **described)), Term(-1, rows(second, "b", **described))], "dice"
    )


def two_methods(trainings=3, cases=12, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 10, cases)
    return [
        mean + shared + rng.normal(0, 3, (trainings, cases)) + rng.normal(0, 2, (trainings, 1))
        for mean in (80, 76)
    ]


def test_one_training_is_the_paired_t_test_of_scipy():
    first, second = two_methods(trainings=1)
    found = difference(first, second)
    expected = stats.ttest_rel(first[0], second[0])
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert (found.patients, found.cases, found.trainings) == (12, 12, 1)


def test_three_trainings_of_one_method_do_not_make_up_for_a_single_one_of_the_other():
    first, second = two_methods(trainings=3)
    for found in (difference(first, second[:1]), difference(first[:1], second)):
        assert found.trainings == 1
        assert len(found.sources) == 1
    expected = stats.ttest_rel(first.mean(axis=0), second[0])
    assert difference(first, second[:1]).p == pytest.approx(expected.pvalue)


def check_by_hand(found, differences, trainings):
    """Cochran and Cox: the two t quantiles, weighted by their variances.

    Args:
        found: a contrast.
        differences: of the patients.
        trainings: variance that each method's trainings add, and its degrees of freedom.
    """
    of_patients = differences.var(ddof=1) / len(differences)
    added = sum(variance for variance, _ in trainings)
    freedom = added**2 / sum(variance**2 / free for variance, free in trainings)
    error = sqrt(of_patients + added)

    def quantile(p):
        parts = [(of_patients, len(differences) - 1), (added, freedom)]
        return sum(v * stats.t.isf(p / 2, f) for v, f in parts) / error**2

    assert found.estimate == pytest.approx(differences.mean())
    half = quantile(0.05) * error
    assert (found.low, found.high) == pytest.approx((found.estimate - half, found.estimate + half))
    assert quantile(found.p) == pytest.approx(abs(found.estimate) / error)


def test_trainings_add_their_variance_by_hand():
    first, second = two_methods(trainings=3)
    trainings = [(values.mean(axis=1).var(ddof=1) / 3, 2) for values in (first, second)]
    differences = first.mean(axis=0) - second.mean(axis=0)
    check_by_hand(difference(first, second), differences, trainings)


def test_one_training_serves_all_scenarios_of_its_method():
    """What a training adds to both scenarios alike cancels in their difference."""
    rng = np.random.default_rng(0)
    cases = rng.normal(80, 5, (2, 1, 10))
    moved = np.array([[-9.0], [0.0], [9.0]])
    found = contrast([Term(1, rows(cases[0] + moved)), Term(-1, rows(cases[1] + moved))], "dice")
    alone = stats.ttest_rel(cases[0, 0], cases[1, 0])
    assert found.p > alone.pvalue * 0.99
    assert found.high - found.low == pytest.approx(np.ptp(alone.confidence_interval()), rel=1e-6)


def test_from_three_folds_on_the_fold_is_the_unit():
    """With equal folds it is SciPy's t test of the folds' mean differences."""
    folds = np.repeat([0, 1, 2], 4)
    first, second = two_methods(trainings=1)
    found = difference(first, second, folds=folds)
    means = [(first - second)[0, folds == fold].mean() for fold in range(3)]
    expected = stats.ttest_1samp(means, 0)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert found.trainings == 3


def test_a_patient_of_several_folds_counts_in_each_with_that_folds_models():
    """As in U-HVED's splits, whose test sets overlap; the estimate is over patients."""
    tested_in = {0: [0, 1, 2], 1: [2, 3, 4], 2: [0, 4, 5, 6]}
    rng = np.random.default_rng(0)
    first, second = (
        pd.concat(
            rows(rng.normal(mean, 5, (1, 7)), name).assign(fold=fold).iloc[cases]
            for fold, cases in tested_in.items()
        )
        for name, mean in (("a", 80), ("b", 76))
    )
    found = contrast([Term(1, first), Term(-1, second)], "dice")
    differences = first.assign(dice=first["dice"] - second["dice"])
    means = differences.groupby("fold")["dice"].mean().to_numpy()
    assert found.sources == (of_folds(means, np.array([3, 3, 4])),)
    assert found.estimate == pytest.approx(differences.groupby("patient")["dice"].mean().mean())


def test_two_folds_of_two_seeds_by_hand():
    folds = np.repeat([0, 1], 6)
    first, second = two_methods(trainings=2)
    trainings = []
    for values in (first, second):
        halves = [values[:, folds == fold].mean(axis=1).var(ddof=1) / 2 for fold in (0, 1)]
        trainings.append((sum(halves) / 4, 2))
    found = difference(first, second, folds=folds)
    assert found.trainings == 4
    check_by_hand(found, first.mean(axis=0) - second.mean(axis=0), trainings)


def test_examinations_of_a_patient_are_averaged():
    first, second = two_methods(trainings=1, cases=12)
    found = difference(first, second, examinations=4)
    of_patients = (first - second)[0].reshape(3, 4).mean(axis=1)
    assert (found.patients, found.cases) == (3, 12)
    assert found.p == pytest.approx(stats.ttest_1samp(of_patients, 0).pvalue)


def test_repeated_examinations_are_no_new_evidence():
    """Ten equal patients of four examinations: at most 5 % of studies find a difference."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(150):
        of_patients = np.repeat(rng.normal(0, 10, 10), 4)[None]
        first = of_patients + rng.normal(0, 2, (1, 40))
        found += difference(first, np.zeros_like(first), examinations=4).p < 0.05
    assert found / 150 <= 0.05 + 2 * sqrt(0.05 * 0.95 / 150)


def test_only_cases_that_all_cells_have_count():
    first, second = two_methods()
    first[:, 2] = np.nan  # undefined in every training
    first[0, 3] = np.nan  # in one of three
    found = difference(first, second)
    assert found.cases == 11
    assert not isnan(found.p)


def test_no_common_case_and_no_training_decide_nothing():
    first, second = two_methods()
    apart = rows(second, "b").assign(case="other")
    for found in (
        contrast([Term(1, rows(first, "a")), Term(-1, apart)], "dice"),
        contrast([Term(1, rows(first, "a").iloc[:0]), Term(-1, rows(second, "b"))], "dice"),
    ):
        assert found.patients == 0
        assert all(map(isnan, (found.estimate, found.low, found.high, found.p)))


def test_equal_values_are_no_difference():
    same = np.full((3, 8), 70.0)
    found = difference(same, same)
    assert (found.estimate, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_swapping_the_methods_turns_the_interval_round():
    first, second = two_methods()
    there, back = difference(first, second), difference(second, first)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == pytest.approx(back.p)


def test_unknown_variance_has_no_interval():
    assert all(map(isnan, student(1.0, [of_mean(np.array([2.0]))])))
    assert student(1.0, [Variance(0.0, 3)]) == (1.0, 1.0, 0.0)


def test_folds_count_by_their_size():
    unequal = of_folds(np.array([0.0, 1.0, 5.0]), np.array([10, 10, 1]))
    equal = of_folds(np.array([0.0, 1.0, 5.0]), np.array([7, 7, 7]))
    assert unequal.variance < equal.variance
    assert equal.variance == pytest.approx(np.var([0, 1, 5], ddof=1) / 3)


@pytest.mark.parametrize("own", [-6.0, -1.0, 0.5, 4.0])
@pytest.mark.parametrize("rival", [-5.0, -2.0, 1.0, 3.0])
def test_smaller_in_size_by_hand(own, rival):
    """Gaps known almost exactly: the estimate is |rival| - |own|, and its sign is told."""
    noise = np.random.default_rng(0).normal(0, 0.01, (2, 3, 30))
    gaps = {"own": own + noise[0], "rival": rival + noise[1]}
    zero = np.zeros((3, 30))
    contrasts = []
    for sign in (-1, 1):
        contrasts.append(
            contrast(
                [
                    Term(sign, rows(gaps["own"], "own")),
                    Term(-sign, rows(zero, "own")),
                    Term(1, rows(gaps["rival"], "rival")),
                    Term(-1, rows(zero, "rival")),
                ],
                "dice",
            )
        )
    estimate, low, high, p = smaller_in_size(*contrasts)
    truth = abs(rival) - abs(own)
    assert estimate == pytest.approx(truth, abs=0.02)
    assert low <= estimate <= high
    assert high - low < 0.2
    assert (p < 1e-3) == (truth != 0)


def test_gaps_around_zero_are_not_told_apart():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 3, (2, 3, 20))
    terms = [Term(1, rows(noise[0], "a")), Term(1, rows(noise[1], "b"))]
    total = contrast(terms, "dice")
    terms[0] = Term(-1, terms[0].rows)
    estimate, low, high, p = smaller_in_size(contrast(terms, "dice"), total)
    assert low < 0 < high
    assert low <= estimate <= high
    assert p > 0.05


def test_the_simulated_verdicts_are_those_of_the_product():
    """The simulation has the rule in a shorter form: a thousand tables would take minutes."""
    first, second = study(np.random.default_rng(0), Situation(9, 11.0, 2.0))
    found = difference(first, second)
    assert decided(first, second) == pytest.approx((found.estimate, found.p))
    folds, sizes = np.repeat([0, 1, 2], [4, 3, 3]), np.array([4, 3, 3])
    first, second = two_methods(trainings=1, cases=10)
    means = [(first - second)[0, folds == fold].mean() for fold in range(3)]
    found = difference(first, second, folds=folds)
    (estimate,), (p,) = decided_in_folds(np.array([means]), sizes)
    assert (estimate, p) == pytest.approx((found.estimate, found.p))


@pytest.mark.parametrize(("patients", "seed_sd"), [(6, 0.0), (20, 2.0), (65, 5.0)])
def test_equal_methods_are_seldom_told_apart(patients, seed_sd):
    """docs/benchmarks.md has all situations; with few studies here, bars are three sigma higher."""
    studies, situation = 400, Situation(patients, 11.0, seed_sd)
    wrong = share_that_holds(situation, 0.0, studies)
    assert wrong <= 0.03 + 3 * sqrt(0.03 * 0.97 / studies)
    any_wrong = share_with_any_verdict(situation, studies // 2)
    assert any_wrong <= 0.05 + 3 * sqrt(0.05 * 0.95 / (studies // 2))


@pytest.mark.parametrize("folds", [3, 5])
@pytest.mark.parametrize(("patients", "seed_sd"), [(20, 0.0), (65, 2.0)])
def test_equal_methods_are_seldom_told_apart_in_folds(patients, seed_sd, folds):
    studies = 4000
    wrong, any_wrong = shares_in_folds(Situation(patients, 11.0, seed_sd, folds=folds), studies)
    assert wrong <= 0.03
    assert any_wrong <= 0.05 + 3 * sqrt(0.05 * 0.95 / studies)


def test_patients_alone_would_call_equal_methods_different():
    """The simulation shows the fault that the term for trainings removes."""
    assert share_that_holds(Situation(65, 8.0, 5.0, trainings=1), 0.0, 300) > 0.1


def test_true_differences_are_seen():
    assert share_that_holds(Situation(65, 11.0, 2.0, trainings=5), 10.0, 200) > 0.9


def test_no_verdict_covers_other_training_patients():
    """Which every interval says of itself."""
    situation = Situation(65, 11.0, 0.0, folds=5, set_sd=2.0)
    assert shares_in_folds(situation, 1000)[0] > 0.08
