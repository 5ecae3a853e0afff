"""A split made by others: a shared file, checked against the cases at hand."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.results.files import read_json
from remodal.settings import SplitSettings

SETS = ("train", "validation", "test")
Fold = dict[str, list[str]]


def imported(
    patients: Mapping[str, str], quarantined: Mapping[str, str], settings: SplitSettings
) -> tuple[list[Fold], list[str]]:
    """Folds of a shared file, checked against the cases, without the quarantined ones.

    The cases stay in the file's order: a recipe may take the labels of the first ones.
    The file is a splits.json, or just its list of folds; `validation` may be left out. It must have
    as many folds as the settings, so that none is silently left out. A published split that trains
    on patients whom it tests may be imported if the file names them under `separates`.

    Returns:
        The folds, and the patients who are in several sets of one although the file is right.
    """
    if settings.file is None:
        raise UserError("no split file", where="splits.file", expected="a path to splits.json")
    read, separates = _read_folds(settings.file)
    folds = [_set_names(fold, settings.file) for fold in read]
    if len(folds) != settings.fold_count:
        raise UserError(
            f"holds {len(folds)} folds",
            where=str(settings.file),
            expected=f"{settings.fold_count}, as `splits.folds` says",
            remedy=f"set splits.folds to {len(folds)}",
        )
    for number, fold in enumerate(folds):
        for part in SETS:
            fold[part] = [case for case in fold[part] if case not in quarantined]
        _check_fold(fold, patients, separates, f"{settings.file}, fold {number}")
    there = set().union(*(_separated(fold, patients) for fold in folds))
    return folds, [patient for patient in separates if patient in there]


def _separated(fold: Fold, patients: Mapping[str, str]) -> set[str]:
    """The patients with cases in several sets of a fold."""
    count = Counter(patient for part in SETS for patient in {patients[case] for case in fold[part]})
    return {patient for patient in count if count[patient] > 1}


def unused(splits: Mapping[str, Any], settings: SplitSettings) -> dict[str, str]:
    """Usable cases that no fold names, with the reason, so that none is dropped silently."""
    used = {case for fold in splits["folds"] for part in SETS for case in fold[part]}
    return {
        case: f"is in no fold of {settings.file}" for case in splits["patients"] if case not in used
    }


def _read_folds(file: Path) -> tuple[list[Any], list[str]]:
    """The folds of a file, and the patients that it names as separated."""
    try:
        content = read_json(file)
    except OSError as error:
        raise UserError("cannot be read", where=str(file), expected="a split file") from error
    except ValueError as error:
        raise UserError(f"is not valid JSON ({error})", where=str(file)) from error
    folds = content.get("folds") if isinstance(content, dict) else content
    if not isinstance(folds, list) or not folds:
        raise UserError("holds no folds", where=str(file), expected="a list under `folds`")
    return folds, list(map(str, content.get("separates", []) if isinstance(content, dict) else []))


def _set_names(fold: Any, file: Path) -> Fold:
    """A fold as the file has it, with its validation set present."""
    if isinstance(fold, dict) and {"train", "test"} <= set(fold) <= set(SETS):
        sets = {part: fold.get(part, []) for part in SETS}
        if all(isinstance(cases, list) for cases in sets.values()):
            return {part: list(map(str, cases)) for part, cases in sets.items()}
    raise UserError(
        "a fold is not understood",
        where=str(file),
        expected="lists of case names under `train`, `test` and, if wanted, `validation`",
    )


def _check_fold(
    fold: Fold, patients: Mapping[str, str], separates: Collection[str], where: str
) -> None:
    for part in SETS:
        if unknown := [case for case in fold[part] if case not in patients]:
            raise UserError(
                f"unknown cases in `{part}`: {_listed(unknown)}",
                where=where,
                expected="names of this data set's cases",
            )
        if part != "validation" and not fold[part]:
            raise UserError(f"`{part}` has no usable case", where=where)
    home: dict[str, str] = {}
    for part in SETS:
        for case in fold[part]:
            if home.setdefault(patients[case], part) != part and patients[case] not in separates:
                raise UserError(
                    f"leakage: the patient of case `{case}` is in `{home[patients[case]]}` and in "
                    f"`{part}`",
                    where=where,
                    expected="every patient in one set",
                    remedy="move the case, or name the patient under `separates` if the split was "
                    "published so",
                )
        if len(set(fold[part])) < len(fold[part]):
            raise UserError(f"a case is twice in `{part}`", where=where)


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
