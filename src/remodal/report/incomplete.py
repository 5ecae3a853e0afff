"""Cases that lack a modality: what each lacks, and what it was used for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from remodal.report.runs import Run
from remodal.settings import Settings
from remodal.splits import SETS
from remodal.splits.completeness import lacking

_SET_NAMES = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class IncompleteCase:
    """A case that lacks a modality.

    Attributes:
        case: its name.
        lacks: its missing modalities.
        sets: the set that it is in, by fold if there are several.
        trained: the methods that were trained on it.
        tested: the scenarios that it was tested in.
    """

    case: str
    lacks: list[str]
    sets: list[str]
    trained: list[str]
    tested: list[str]


def incomplete_cases(
    settings: Settings, splits: Mapping[str, Any], runs: Sequence[Run], cases: pd.DataFrame
) -> list[IncompleteCase]:
    """The usable cases that lack a modality, by name, with their use as recorded with the models.

    Args:
        settings: the study.
        splits: content of splits.json.
        runs: the trained models.
        cases: per-case rows of what was measured.
    """
    wanted = settings.data.modalities
    missing = {case: lacking(splits["modalities"][case], wanted) for case in splits["patients"]}
    return [
        IncompleteCase(case, names, _sets(case, splits), _trained(case, runs), _tested(case, cases))
        for case, names in sorted(missing.items())
        if names
    ]


def training_cases(run: Run) -> list[str]:
    """The cases that a model was trained on; empty for one that was only assembled."""
    return run.details.get("cases", {}).get("train", [])


def _sets(case: str, splits: Mapping[str, Any]) -> list[str]:
    folds = splits["folds"]
    return [
        f"{_SET_NAMES[part]} of fold {number}" if len(folds) > 1 else _SET_NAMES[part]
        for number, fold in enumerate(folds)
        for part in SETS
        if case in fold[part]
    ]


def _trained(case: str, runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(run.label for run in runs if case in training_cases(run)))


def _tested(case: str, cases: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(cases[cases["case"] == case]["scenario"]))
