from math import isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from remodal.errors import UserError
from remodal.metrics import statistics
from remodal.metrics.statistics import (
    case_values,
    holm,
    signed_rank,
    summarise,
)


def rows(values, **columns):
    """Per-case rows of one method: {(case, seed): Dice}."""
    return pd.DataFrame(
        [
            {"method": "m", "scenario": "both", "region": "tumour", "case": case, "seed": seed}
            | {"dice": dice, "missed": 0, "intersection": 3}
            | {"prediction_voxels": 4, "truth_voxels": 8}
            | columns
            for (case, seed), dice in values.items()
        ]
    )


def test_a_case_counts_once_however_many_seeds():
    cases = rows({("a", 0): 60, ("a", 1): 80, ("b", 0): 90, ("b", 1): 100})
    assert case_values(cases, "dice").to_dict() == {"a": 70, "b": 95}
    found = summarise(cases, "dice")
    assert (found.mean, found.n, found.cases) == (82.5, 2, 2)
    assert found.sd == pytest.approx(25 / sqrt(2))  # of 70 and 95
    assert found.seed_sd == pytest.approx(15 / sqrt(2))  # of 75 and 90


def test_the_mean_of_fold_means_and_that_of_pairs_by_hand():
    """Folds of 60 and 80, and of 100; of the case that was tried with two others, pairs count."""
    cases = rows({("a", 0): 50, ("a", 1): 70, ("b", 0): 80, ("c", 0): 100})
    cases = cases.assign(fold=[0, 0, 0, 1], seed=0, foreign=["b", "c", "a", "d"])
    found = summarise(cases, "dice")
    assert (found.mean, found.n, found.cases) == (80, 3, 3)
    assert found.fold_mean == 85
    assert found.fold_sd == pytest.approx(15 * sqrt(2))  # of 70 and 100
    assert found.pair_mean == 75
    assert found.pair_sd == pytest.approx(sqrt((25**2 + 5**2 + 5**2 + 25**2) / 3))


def test_undefined_and_missed_are_counted_and_left_out():
    cases = rows({("a", 0): 80.0, ("b", 0): nan, ("c", 0): 60.0})
    cases.loc[1, "missed"] = 1
    found = summarise(cases, "dice")
    assert (found.mean, found.n, found.cases) == (70, 2, 3)
    assert (found.missed, found.undefined) == (1, 1)


def test_one_case_and_one_seed_have_no_spread():
    found = summarise(rows({("a", 0): 80.0}), "dice")
    assert found.mean == 80
    assert isnan(found.sd)
    assert isnan(found.seed_sd)


def test_no_defined_value_is_an_undefined_mean():
    found = summarise(rows({("a", 0): nan}), "dice")
    assert isnan(found.mean)
    assert (found.n, found.cases) == (0, 1)


def test_global_dice_pools_the_cases():
    cases = rows({("a", 0): 0.0, ("b", 0): 0.0})
    cases["intersection"] = [10, 0]
    cases["prediction_voxels"], cases["truth_voxels"] = [10, 0], [10, 20]
    found = summarise(cases, "dice_global")
    assert found.mean == pytest.approx(100 * 2 * 10 / 40)
    assert found.n == 2
    assert isnan(found.sd)


def test_lesion_precision_and_recall_pool_the_lesions():
    cases = rows({("a", 0): 0.0, ("b", 0): 0.0})
    cases["lesions"], cases["lesions_found"] = [3, 1], [2, 1]
    cases["lesions_predicted"], cases["lesions_false"] = [5, 0], [1, 0]
    assert summarise(cases, "lesion_recall").mean == pytest.approx(75)
    assert summarise(cases, "lesion_precision").mean == pytest.approx(80)


def test_rows_of_two_methods_are_not_mixed():
    cases = pd.concat([rows({("a", 0): 1.0}), rows({("a", 0): 1.0}, method="other")])
    with pytest.raises(ValueError, match="several method"):
        summarise(cases, "dice")


def test_unknown_metric():
    with pytest.raises(UserError, match="unknown metric `dise`"):
        summarise(rows({("a", 0): 1.0}), "dise")


def test_signed_rank_by_hand():
    """Six differences of one sign: only 2 of the 64 sign patterns are as extreme."""
    assert signed_rank(np.array([1.0, 2, 3, 4, 5, 6])) == pytest.approx(2 / 64)
    # Ranks 1..5, the negative one is rank 2: patterns with a sum of at most 2, both tails.
    assert signed_rank(np.array([1.0, -2, 3, 4, 5])) == pytest.approx(2 * 3 / 32)


def test_zero_differences_are_ranked_but_keep_no_sign():
    """By hand: zeros take ranks 1 and 2, the others 3 to 8; the negative one has rank 5.

    Of the 64 sign patterns of six, the empty one and those of a single 3, 4 or 5 are as extreme.
    """
    with_zeros = np.array([0.0, 0, 1, 2, -3, 4, 5, 6])
    assert signed_rank(with_zeros) == pytest.approx(2 * 4 / 64)


def test_without_a_pair_there_is_no_p_and_without_a_difference_it_is_one():
    assert isnan(signed_rank(np.empty(0)))
    assert signed_rank(np.zeros(1)) == signed_rank(np.zeros(8)) == 1


def test_differences_that_balance_have_a_p_of_one():
    """Of -1 and 1, three of four patterns have a sum of ranks as small, and three as large."""
    assert signed_rank(np.array([-1.0, 1.0])) == 1


def test_many_zero_differences_are_repeatable():
    differences = np.append(np.arange(1.0, 20), [0.0] * 10)
    assert signed_rank(differences) == signed_rank(differences[::-1])


@pytest.mark.parametrize("seed", range(6))
def test_signed_rank_with_ties_and_zeros_is_exact(seed):
    """Every sign pattern is counted, as SciPy's permutation test of the same statistic does."""
    differences = np.random.default_rng(seed).integers(-4, 5, 12).astype(float)
    expected = stats.wilcoxon(
        differences, zero_method="pratt", method=stats.PermutationMethod(n_resamples=np.inf)
    )
    assert signed_rank(differences) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("count", [14, 25, 50])
def test_signed_rank_without_ties_is_scipys_exact_one(count):
    differences = np.random.default_rng(count).normal(0.4, 1, count)
    assert signed_rank(differences) == pytest.approx(
        stats.wilcoxon(differences, method="exact").pvalue
    )


def test_one_tie_among_many_pairs_does_not_change_the_test():
    """If 14 or more pairs with a tie were approximated, this would give 0.0495, not 0.0515."""
    differences = np.array([1.0, 1, -2, 3, 4, 5, -6, 7, 8, -9, 10, 11, -12, 13, 14])
    every = stats.wilcoxon(differences, method=stats.PermutationMethod(n_resamples=np.inf))
    approximate = stats.wilcoxon(differences, method="approx")
    assert signed_rank(differences) == pytest.approx(every.pvalue)
    assert signed_rank(differences) != pytest.approx(approximate.pvalue, rel=1e-3)


def test_hundreds_of_pairs_are_approximated():
    differences = np.random.default_rng(0).normal(0.1, 1, 400)
    exact = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank(differences) == pytest.approx(exact, rel=0.02)


def test_zeros_among_hundreds_of_pairs_are_ranked_too(monkeypatch):
    """The approximation is one of the same test, which leaving the zeros out would change."""
    differences = np.append(np.random.default_rng(3).normal(0.2, 1, 130), np.zeros(120))
    approximate = signed_rank(differences)
    monkeypatch.setattr(statistics, "MOST_EXACT", 1000)
    assert approximate == pytest.approx(signed_rank(differences), rel=0.02)
    assert approximate != pytest.approx(signed_rank(differences[differences != 0]), rel=0.2)


def test_holm_by_hand():
    """0.01 * 4; 0.02 * 3; 0.03 * 2, which may not fall below 0.06; 0.04 likewise."""
    assert holm([0.02, 0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.06, 0.04, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_leaves_undefined_comparisons_out():
    corrected = holm([0.02, nan, 0.5])
    assert corrected[0] == pytest.approx(0.04)
    assert isnan(corrected[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_helps(p_values):
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected))
    by_p = [q for _, q in sorted(zip(p_values, corrected))]
    assert by_p == sorted(by_p)
