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
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

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
        trainings: of each method in each fold.
        folds: in which a patient is tested once; 1: one test set.
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
    """Values of two equal methods: (2, trainings, patients)."""
    s = situation
    cases = rng.normal(0, s.case_sd / np.sqrt(2), (2, 1, s.patients))
    moved = rng.normal(0, s.seed_sd, (2, s.trainings, s.folds))
    if s.set_sd:
        moved = moved + s.set_sd * _of_training_sets(rng, s.folds)
    return cases + np.repeat(moved, s.sizes, axis=2)


def _of_training_sets(rng: np.random.Generator, folds: int) -> np.ndarray:
    """What the patients of each training add to two methods, with a deviation of 1: (2, 1, folds).

    A fold is trained on the patients of all others, so that any two share those of the rest.
    """
    if folds == 1:
        return rng.normal(0, 1, (2, 1, 1))
    parts = rng.normal(0, 1, (2, 1, folds))
    return (parts.sum(axis=2, keepdims=True) - parts) / np.sqrt(folds - 1)


def decided(first: np.ndarray, second: np.ndarray, sizes: Sequence[int]) -> tuple[float, float]:
    """Estimate of first minus second, and its p, as `remodal.metrics.contrasts.contrast` has them.

    Args:
        first: values (trainings, patients).
        second: those of the other method.
        sizes: patients of each fold, in the order of the columns.
    """
    differences = first.mean(axis=0) - second.mean(axis=0)
    estimate = float(differences.mean())
    if len(sizes) >= FEWEST_TRAININGS:
        means = np.array([part.mean() for part in np.split(differences, np.cumsum(sizes)[:-1])])
        return estimate, student(estimate, [of_folds(means, np.asarray(sizes))])[2]
    sources = [of_mean(differences)]
    if len(first) >= FEWEST_TRAININGS:
        sources.append(added([of_mean(values.mean(axis=1)) for values in (first, second)]))
    return estimate, student(estimate, sources)[2]


def share_that_holds(situation: Situation, difference: float, studies: int) -> float:
    """Share of studies in which "the first is better" holds, uncorrected at 5 % two-sided."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(studies):
        first, second = study(rng, situation)
        estimate, p = decided(first + difference, second, situation.sizes)
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
            p_values.append(decided(rival, reference, situation.sizes)[1])
        wrong += min(holm(p_values)) < 0.05
    return wrong / studies


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
        in_folds = [replace(one_set, trainings=1, folds=folds) for folds in FOLDS]
        shares = [
            share
            for one in (one_set, *in_folds)
            for share in (share_that_holds(one, 0.0, STUDIES), share_with_any_verdict(one, STUDIES))
        ]
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
        "verdict, without and with a difference by the patients that a method was trained on.\n"
    )
    designs = ["1 test set, 3 trainings", *(f"{folds} folds" for folds in FOLDS)]
    columns = [text for one in designs for text in (one, "any of 5 claims")]
    print(f"| sd of training patients | patients | sd of trainings | {' | '.join(columns)} |")
    print(f"| ---: | ---: | ---: |{' ---: |' * len(columns)}")
    print("\n".join(fold_rows()))


if __name__ == "__main__":
    main()
