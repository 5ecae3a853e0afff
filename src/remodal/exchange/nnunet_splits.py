"""A study's folds as nnU-Net's splits_final.json has them, and back.

nnU-Net knows folds of the training cases (imagesTr) with `train` and `val`, and a test set
(imagesTs) that belongs to no fold. In a cross-validation the tested cases of a fold are its `val`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remodal.counting import counted
from remodal.errors import UserError
from remodal.results.files import read_json

NAME = "splits_final.json"
Fold = dict[str, list[str]]


@dataclass(frozen=True)
class RawSplit:
    """Cases of imagesTr and of imagesTs, the folds of the former, and what was not taken over."""

    training: list[str]
    test: list[str]
    folds: list[Fold]
    notes: list[str]


def raw_split(folds: Sequence[Mapping[str, list[str]]], usable: Collection[str]) -> RawSplit:
    """The folds of a study's splits.json as nnU-Net's.

    A fold without validation cases is validated on its training cases, as nnU-Net's fold `all` is.

    Args:
        folds: with `train`, `validation` and `test`.
        usable: the cases that are exported.
    """
    kept = [{part: [c for c in fold[part] if c in usable] for part in fold} for fold in folds]
    tested = {case for fold in kept for case in fold["test"]}
    trained = {case for fold in kept for part in ("train", "validation") for case in fold[part]}
    if tested & trained:
        aside = sum(len(fold["validation"]) for fold in kept)
        notes = [f"{counted(aside, 'validation case')} left out of train and val of the fold"]
        crossed = [{"train": fold["train"], "val": fold["test"]} for fold in kept]
        return RawSplit(sorted(tested | trained), [], crossed, notes if aside else [])
    held_out = [{"train": f["train"], "val": f["validation"] or f["train"]} for f in kept]
    return RawSplit(sorted(trained), sorted(tested), held_out, [])


def read_splits(path: Path, tested: Sequence[str]) -> list[Fold]:
    """The folds of a splits_final.json as a study's: `train`, `validation` and `test`.

    Args:
        path: of the file.
        tested: the cases of imagesTs that have labels; if there are none, a fold's `val` is tested.

    Raises:
        UserError: the file is none of nnU-Net.
    """
    try:
        content = read_json(path)
        folds = [{part: [str(case) for case in fold[part]] for part in _PARTS} for fold in content]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"is no {NAME} of nnU-Net",
            where=str(path),
            expected="a list of folds with `train` and `val`",
        ) from error
    return [_fold(fold, list(tested)) for fold in folds]


_PARTS = ("train", "val")


def _fold(fold: Mapping[str, list[str]], tested: list[str]) -> dict[str, Any]:
    if not tested:
        return {"train": fold["train"], "validation": [], "test": fold["val"]}
    validated = [] if set(fold["val"]) <= set(fold["train"]) else fold["val"]
    return {"train": fold["train"], "validation": validated, "test": tested}
