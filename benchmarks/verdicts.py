"""How often a verdict on a claim is wrong, and how often a true difference is seen.

Simulated Dice of methods whose means are equal (or apart by a known difference): each patient's
difference between two methods varies with the given standard deviation, and each training of a
method moves its mean by another. Bars: a wrong "holds" in at most 3 % of studies, and any wrong
verdict in at most 5 % of studies with five claims (Holm). One training is always "undecided"; its
column says what an interval over patients alone would have made of it.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from remodal.metrics.contrasts import FEWEST_TRAININGS, added, of_mean, student
from remodal.metrics.statistics import holm
from remodal.process.progress import progress

PATIENTS = (6, 20, 65)
CASE_SDS = (8.0, 11.0, 18.0)
SEED_SDS = (0.0, 2.0, 5.0)
TRAININGS = (1, 3, 5)
DIFFERENCES = (2.0, 5.0, 10.0)
CLAIMS = 5
STUDIES = 2000


def study(
    rng: np.random.Generator, patients: int, case_sd: float, seed_sd: float, trainings: int
) -> np.ndarray:
    """Values of two equal methods: (2, trainings, patients)."""
    cases = rng.normal(0, case_sd / np.sqrt(2), (2, 1, patients))
    return cases + rng.normal(0, seed_sd, (2, trainings, 1))


def tested(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Estimate of first minus second, and its p, from values (trainings, patients)."""
    differences = first.mean(axis=0) - second.mean(axis=0)
    sources = [of_mean(differences)]
    if len(first) >= FEWEST_TRAININGS:
        sources.append(added([of_mean(values.mean(axis=1)) for values in (first, second)]))
    estimate = float(differences.mean())
    return estimate, student(estimate, sources)[2]


def share_that_holds(
    patients: int, case_sd: float, seed_sd: float, trainings: int, difference: float, studies: int
) -> float:
    """Share of studies in which "the first is better" holds, uncorrected at 5 % two-sided."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(studies):
        first, second = study(rng, patients, case_sd, seed_sd, trainings)
        estimate, p = tested(first + difference, second)
        held += p < 0.05 and estimate > 0
    return held / studies


def share_with_any_verdict(
    patients: int, case_sd: float, seed_sd: float, trainings: int, studies: int
) -> float:
    """Share of studies of equal methods with any verdict among five claims after Holm."""
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(studies):
        p_values = []
        reference = study(rng, patients, case_sd, seed_sd, trainings)[0]
        for _ in range(CLAIMS):
            rival = study(rng, patients, case_sd, seed_sd, trainings)[0]
            p_values.append(tested(rival, reference)[1])
        wrong += min(holm(p_values)) < 0.05
    return wrong / studies


def error_rows() -> Iterator[str]:
    """How often verdicts on equal methods are wrong, one row for each situation."""
    cells = list(product(PATIENTS, CASE_SDS, SEED_SDS))
    for patients, case_sd, seed_sd in progress(cells, "equal methods"):
        wrong = [share_that_holds(patients, case_sd, seed_sd, s, 0.0, STUDIES) for s in TRAININGS]
        any_wrong = [
            share_with_any_verdict(patients, case_sd, seed_sd, s, STUDIES)
            for s in TRAININGS
            if s >= FEWEST_TRAININGS
        ]
        shares = " | ".join(f"{100 * share:.1f}" for share in [*wrong, *any_wrong])
        yield f"| {patients} | {case_sd:g} | {seed_sd:g} | {shares} |"


def power_rows() -> Iterator[str]:
    """How often true differences are detected, one row for each situation."""
    cells = list(product(PATIENTS, CASE_SDS, SEED_SDS))
    for patients, case_sd, seed_sd in progress(cells, "true differences"):
        seen = [
            share_that_holds(patients, case_sd, seed_sd, s, difference, STUDIES // 4)
            for s in TRAININGS
            if s >= FEWEST_TRAININGS
            for difference in DIFFERENCES
        ]
        shares = " | ".join(f"{100 * share:.0f}" for share in seen)
        yield f"| {patients} | {case_sd:g} | {seed_sd:g} | {shares} |"


def main() -> None:
    """Print both tables."""
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


if __name__ == "__main__":
    main()
