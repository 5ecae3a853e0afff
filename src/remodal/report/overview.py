"""The overview at the top of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from remodal.counting import counted
from remodal.metrics.claims import DOES_NOT_HOLD, HOLDS, UNDECIDED
from remodal.report.incomplete import IncompleteCase
from remodal.report.runs import Run
from remodal.splits import unlabelled_cases


@dataclass(frozen=True)
class Glance:
    """One number of the overview."""

    title: str
    value: str
    note: str = ""


def at_a_glance(
    cases: pd.DataFrame,
    splits: dict[str, Any],
    runs: Sequence[Run],
    claims: Sequence[dict[str, Any]],
    stopped: int,
    incomplete: Sequence[IncompleteCase],
) -> list[Glance]:
    """What stands above everything else: cases, trainings, and how many claims hold.

    Args:
        cases: per-case rows.
        splits: content of splits.json.
        runs: the trained models.
        claims: as evaluated.
        stopped: number of quarantined cases.
        incomplete: cases that lack an image, or the label of one.
    """
    verdicts = [claim["verdict"] for claim in claims]
    patients = set(splits["patients"].values())
    tested = {case for fold in splits["folds"] for case in fold["test"]}
    used = counted(len(splits["patients"]), "case")
    if lacking := sum(bool(case.images) for case in incomplete):
        used += f", {counted(lacking, 'lacks an image', 'lack an image')}"
    if lacking := sum(bool(case.labels) for case in incomplete):
        used += f", {counted(lacking, 'lacks a label of an image', 'lack a label of an image')}"
    if unlabelled := unlabelled_cases(splits):
        used += f", {len(unlabelled)} without a label"
    items = [
        Glance("Patients", str(len(patients)), used),
        Glance("Test cases", str(len(tested)), counted(len(splits["folds"]), "fold")),
        Glance("Trained models", str(len(runs)), counted(cases["seed"].nunique(), "seed")),
        Glance("Quarantined cases", str(stopped), "listed below" if stopped else ""),
    ]
    if claims:
        rest = [
            counted(verdicts.count(verdict), *words)
            for verdict, words in (
                (DOES_NOT_HOLD, ("does not hold", "do not hold")),
                (UNDECIDED, ("undecided", "undecided")),
            )
            if verdict in verdicts
        ]
        held = f"{verdicts.count(HOLDS)} of {len(claims)}"
        items.append(Glance("Claims that hold", held, ", ".join(rest)))
    return items
