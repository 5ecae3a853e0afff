"""Groups of cases, such as lesion types, that a set of a fold has no case of."""

from collections.abc import Mapping
from typing import Any


def missing_groups(splits: Mapping[str, Any]) -> list[str]:
    """One sentence for each training or test set that lacks a group which other sets have.

    A group that is tested in no fold has no value in any table; one that is missing from the
    training set is new to the models of that fold.

    Args:
        splits: content of splits.json.
    """
    groups = splits["groups"]
    used = {case for fold in splits["folds"] for part in fold.values() for case in part}
    known = sorted({groups[case] for case in used if groups.get(case)})
    said = []
    for number, fold in enumerate(splits["folds"]):
        for part, name in (("train", "training"), ("test", "test")):
            there = {groups.get(case, "") for case in fold[part]}
            if missing := [group for group in known if group not in there]:
                said.append(f"Fold {number}: the {name} set has no case of {_listed(missing)}.")
    return said


def _listed(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
