"""How often a verdict on a claim is wrong, and how often a true difference is seen.

Simulated Dice of methods whose means are equal (or apart by a known difference): each patient's
difference between two methods varies with the given standard deviation, and each training of a
method moves its mean by another. Bars: a wrong "holds" in at most 3 % of studies, and any wrong
verdict in at most 5 % of studies with five claims (Holm). One training is always "undecided"; its
column says what an interval over patients alone would have made of it.

The last table is about folds, in each of which a method is trained once, and about what no verdict
covers: had the methods been trained on other patients, their means would be others too. Seeds are
trained on the same patients, and folds share most of theirs. If the patients that a method was
trained on move its mean, equal methods differ on them, and the verdict is about these patients.
Beyond the bar without that: 6 patients in 5 folds, one or two in each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import stats

from remodal.metrics.contrasts import FEWEST_TRAININGS, added, of_folds, of_mean, student
from remodal.metrics.statistics import holm
from remodal.process.progress import progress

PATIENTS = (6, 20, 65)
CASE_SDS = (8.0, 11.0, 18.0)
SEED_SDS = (0.0, 2.0, 5.0)
TRAININGS = (1, 3, 5)
FOLDS = (3, 5)
SET_SDS = (0.0, 2.0)
FOLD_CASE_SD = 11.0
FOLD_STUDIES = 20_000
DIFFERENCES = (2.0, 5.0, 10.0)
CLAIMS = 5
STUDIES = 2000


@dataclass(frozen=True)
class Situation:
    """What a study is like.

    Attributes:
        patients: tested, in all folds together.
        case_sd: standard deviation of the patients' differences between two methods, in Dice.
        seed_sd: of what a training adds to a method's mean.
        trainings: of each method on one test set.
        folds: instead of one test set; each has one training of each method.
        set_sd: of what the patients of a training add to a method's mean.
    """

    patients: int
    case_sd: float
    seed_sd: float
    trainings: int = 3
    folds: int = 1
    set_sd: float = 0.0

    @property
    def sizes(self) -> np.ndarray:
        """Patients of each fold."""
        return np.array(
            [len(part) for part in np.array_split(np.arange(self.patients), self.folds)]
        )


def study(rng: np.random.Generator, situation: Situation) -> np.ndarray:
    """Values of two equal methods on one test set: (2, trainings, patients)."""
    s = situation
    cases = rng.normal(0, s.case_sd / np.sqrt(2), (2, 1, s.patients))
    moved = rng.normal(0, s.seed_sd, (2, s.trainings, 1))
    if s.set_sd:
        moved = moved + rng.normal(0, s.set_sd, (2, 1, 1))
    return cases + moved


def decided(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Estimate of first minus second, and its p, from values (trainings, patients).

    As `remodal.metrics.contrasts.contrast` has them.
    """
    differences = first.mean(axis=0) - second.mean(axis=0)
    sources = [of_mean(differences)]
    if len(first) >= FEWEST_TRAININGS:
        sources.append(added([of_mean(values.mean(axis=1)) for values in (first, second)]))
    estimate = float(differences.mean())
    return estimate, student(estimate, sources)[2]


def fold_means(rng: np.random.Generator, situation: Situation, studies: int) -> np.ndarray:
    """One method's mean in each fold: (studies, folds).

    A fold's model is trained on the patients of all other folds, so that any two share those of the
    rest.
    """
    s, shape = situation, (studies, situation.folds)
    parts = rng.normal(0, 1, shape)
    of_others = (parts.sum(axis=1, keepdims=True) - parts) / np.sqrt(s.folds - 1)
    of_patients = rng.normal(0, s.case_sd / np.sqrt(2 * s.sizes), shape)
    return of_patients + rng.normal(0, s.seed_sd, shape) + s.set_sd * of_others


def decided_in_folds(differences: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and their p from the folds' mean differences (studies, folds), as `contrast`."""
    estimates = differences @ (sizes / sizes.sum())
    errors = np.sqrt([of_folds(means, sizes).variance for means in differences])
    return estimates, 2 * stats.t.sf(np.abs(estimates) / errors, len(sizes) - 1)


def share_that_holds(situation: Situation, difference: float, studies: int) -> float:
    """Share of studies in which "the first is better" holds, uncorrected at 5 % two-sided."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(studies):
        first, second = study(rng, situation)
        estimate, p = decided(first + difference, second)
        held += p < 0.05 and estimate > 0
    return held / studies


def share_with_any_verdict(situation: Situation, studies: int) -> float:
    """Share of studies of equal methods with any verdict among five claims after Holm."""
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(studies):
        p_values = []
        reference = study(rng, situation)[0]
        for _ in range(CLAIMS):
            rival = study(rng, situation)[0]
            p_values.append(decided(rival, reference)[1])
        wrong += min(holm(p_values)) < 0.05
    return wrong / studies


def shares_in_folds(situation: Situation, studies: int) -> tuple[float, float]:
    """`share_that_holds` of equal methods, over five claims, and `share_with_any_verdict`."""
    rng = np.random.default_rng(2)
    reference = fold_means(rng, situation, studies)
    held, least = 0.0, np.ones(studies)
    for _ in range(CLAIMS):
        rival = fold_means(rng, situation, studies)
        estimates, p = decided_in_folds(rival - reference, situation.sizes)
        held += np.mean((p < 0.05) & (estimates > 0)) / CLAIMS
        least = np.minimum(least, p)
    # Holm's first step decides whether there is any verdict.
    return held, np.mean(CLAIMS * least < 0.05)


def error_rows() -> Iterator[str]:
    """How often verdicts on equal methods are wrong, one row for each situation."""
    for cell in progress(list(product(PATIENTS, CASE_SDS, SEED_SDS)), "equal methods"):
        designs = [Situation(*cell, trainings) for trainings in TRAININGS]
        wrong = [share_that_holds(one, 0.0, STUDIES) for one in designs]
        decidable = [one for one in designs if one.trainings >= FEWEST_TRAININGS]
        any_wrong = [share_with_any_verdict(one, STUDIES) for one in decidable]
        yield _row(cell, [f"{100 * share:.1f}" for share in [*wrong, *any_wrong]])


def power_rows() -> Iterator[str]:
    """How often true differences are detected, one row for each situation."""
    for cell in progress(list(product(PATIENTS, CASE_SDS, SEED_SDS)), "true differences"):
        seen = [
            share_that_holds(Situation(*cell, trainings), difference, STUDIES // 4)
            for trainings in TRAININGS
            if trainings >= FEWEST_TRAININGS
            for difference in DIFFERENCES
        ]
        yield _row(cell, [f"{100 * share:.0f}" for share in seen])


def fold_rows() -> Iterator[str]:
    """The same as `error_rows` for one test set and for folds, with other training patients."""
    cells = list(product(SET_SDS, PATIENTS, SEED_SDS))
    for set_sd, patients, seed_sd in progress(cells, "folds"):
        one_set = Situation(patients, FOLD_CASE_SD, seed_sd, set_sd=set_sd)
        shares = [share_that_holds(one_set, 0.0, STUDIES), share_with_any_verdict(one_set, STUDIES)]
        for folds in FOLDS:
            shares += shares_in_folds(replace(one_set, folds=folds), FOLD_STUDIES)
        yield _row((set_sd, patients, seed_sd), [f"{100 * share:.1f}" for share in shares])


def _row(cell: Sequence[float], texts: Sequence[str]) -> str:
    return f"| {' | '.join([*(f'{value:g}' for value in cell), *texts])} |"


def main() -> None:
    """Print the tables."""
    situation = "| patients | sd of case differences | sd of trainings |"
    print(f"Equal methods, {STUDIES} studies a row: percent with a wrong verdict.\n")
    print(f"{situation} 1 training | 3 | 5 | any of 5 claims, 3 trainings | 5 |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print("\n".join(error_rows()))
    columns = [f"+{d:g}, {s} trainings" for s in TRAININGS[1:] for d in DIFFERENCES]
    print(f"\nTrue differences in Dice, {STUDIES // 4} studies a row: percent that hold.\n")
    print(f"{situation} {' | '.join(columns)} |")
    print(f"| ---: | ---: | ---: |{' ---: |' * len(columns)}")
    print("\n".join(power_rows()))
    print(
        f"\nEqual methods again, sd of case differences {FOLD_CASE_SD:g}: percent with a wrong "
        "verdict, without and with a difference by the patients that a method was trained on; "
        f"{FOLD_STUDIES} studies of folds.\n"
    )
    designs = ["1 test set, 3 trainings", *(f"{folds} folds" for folds in FOLDS)]
    columns = [text for one in designs for text in (one, "any of 5 claims")]
    print(f"| sd of training patients | patients | sd of trainings | {' | '.join(columns)} |")
    print(f"| ---: | ---: | ---: |{' ---: |' * len(columns)}")
    print("\n".join(fold_rows()))


if __name__ == "__main__":
    main()
