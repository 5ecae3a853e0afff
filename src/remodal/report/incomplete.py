"""Cases that lack an image or the label of one: what each lacks, and what it was used for."""

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
    """A case that lacks an image or, where each has a truth of its own, the label of one.

    Attributes:
        case: its name.
        images: its missing modalities.
        labels: its images without a label; empty if none has one.
        sets: the set that it is in, by fold if there are several.
        trained: the methods that were trained on it.
        tested: the scenarios that it was tested in.
    """

    case: str
    images: list[str]
    labels: list[str]
    sets: list[str]
    trained: list[str]
    tested: list[str]

    @property
    def lacks(self) -> list[str]:
        """What it lacks, in words."""
        return [*self.images, *(f"label of {name}" for name in self.labels)]


def incomplete_cases(
    settings: Settings, splits: Mapping[str, Any], runs: Sequence[Run], cases: pd.DataFrame
) -> list[IncompleteCase]:
    """The usable cases that lack something, by name, with their use as recorded with the models.

    Args:
        settings: the study.
        splits: content of splits.json.
        runs: the trained models.
        cases: per-case rows of what was measured.
    """
    found = [
        IncompleteCase(
            case,
            lacking(splits["modalities"][case], settings.data.modalities),
            without_label(settings, splits, case),
            _sets(case, splits),
            _trained(case, runs),
            _tested(case, cases),
        )
        for case in sorted(splits["patients"])
    ]
    return [case for case in found if case.lacks]


def training_cases(run: Run) -> list[str]:
    """The cases that a model was trained on; empty for one that was only assembled."""
    return run.details.get("cases", {}).get("train", [])


def without_label(settings: Settings, splits: Mapping[str, Any], case: str) -> list[str]:
    """The images of a case without a label, if another has one; a copy's is its original's."""
    there, labels = splits["modalities"][case], splits["labels"][case]
    if settings.data.truth == "case" or not labels:
        return []
    return lacking(labels, [name for name in settings.data.originals if name in there])


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
