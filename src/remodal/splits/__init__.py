"""Which cases train and which test, decided by patient and written to a file that can be shared.

Patients are ordered by a hash of seed and name, so that a split depends neither on the order of the
sheet nor on any library's random generator; or as scikit-learn orders them, where a published split
was made so.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import floor
from pathlib import Path
from typing import Any, NamedTuple

from remodal.errors import UserError
from remodal.results.files import read_json, write_json
from remodal.settings import SplitSettings
from remodal.settings.names import label_name
from remodal.splits.imported import SETS, Fold, imported, unused
from remodal.splits.scikit_learn import shuffled_folds
from remodal.splits.unlabelled import add_unlabelled, require_measurable


class SplitCase(NamedTuple):
    """What a split considers about a case; an empty `group` means that it has none.

    `present` names its images and, if each image has its own label, its labels.
    """

    case: str
    patient: str
    group: str = ""
    present: tuple[str, ...] = ()
    labelled: bool = True


def make_splits(
    cases: Iterable[SplitCase],
    settings: SplitSettings,
    quarantined: Mapping[str, str] | None = None,
    everyone: Iterable[str] = (),
) -> dict[str, Any]:
    """Split cases into folds of training, validation and test cases, or import such a split.

    A patient's cases stay together. The hold-out takes `test_fraction` of the patients, rounded to
    the nearest number (the MAML paper's 327 patients give 65 for testing and 262 for training);
    k-fold tests every patient exactly once. Validation patients are taken from the training
    patients. With `stratify`, each stratum's number of patients in a set is within one of its
    proportional share; scikit-learn's test sets know no strata. A stratum combines a group with the
    images and labels that are present, so that complete cases are in all sets; patients with cases
    of several strata form strata of their own. All this holds for labelled cases: the others are
    only in training sets (see `add_unlabelled`).

    Args:
        cases: every usable case.
        settings: scheme, sizes and seed.
        quarantined: cases that cannot be used, with their reasons; an imported file may name them.
        everyone: for scikit-learn's order, the patients of all labelled cases, quarantined ones
            too; those of the usable cases need not be named.

    Returns:
        The content of splits.json: `scheme`, `seed`, `folds` (each with case names under `train`,
        `validation` and `test`; sorted, or in the imported file's order), `patients` and `groups`
        of the usable cases, and `quarantined`; `separates` names patients whom an imported split
        knowingly trains on and tests, if there are any.

    Raises:
        UserError: too few patients, or a split file that does not fit the cases.
    """
    cases = sorted(cases)
    splits: dict[str, Any] = {
        "scheme": settings.scheme,
        "seed": settings.seed,
        "patients": {case.case: case.patient for case in cases},
        "groups": {case.case: case.group for case in cases},
        "quarantined": dict(quarantined or {}),
    }
    labelled = [case for case in cases if case.labelled]
    unlabelled = [case.case for case in cases if not case.labelled]
    if settings.scheme == "file":
        return _completed_by_file(splits, unlabelled, settings)
    splits["folds"] = _folds(labelled, settings, splits["quarantined"], everyone)
    splits["quarantined"] |= add_unlabelled(splits["folds"], unlabelled, splits["patients"])
    return splits


def _completed_by_file(
    splits: dict[str, Any], unlabelled: Collection[str], settings: SplitSettings
) -> dict[str, Any]:
    """The content of splits.json with the folds of the file to import."""
    folds, separates = imported(splits["patients"], splits["quarantined"], settings)
    for number, fold in enumerate(folds):
        require_measurable(fold, unlabelled, f"{settings.file}, fold {number}")
    completed = {**splits, "folds": folds, **({"separates": separates} if separates else {})}
    completed["quarantined"] = splits["quarantined"] | unused(completed, settings)
    return completed


def _folds(
    labelled: Sequence[SplitCase],
    settings: SplitSettings,
    quarantined: Mapping[str, str],
    everyone: Iterable[str],
) -> list[Fold]:
    """The sets of labelled cases, drawn by patient.

    Raises:
        UserError: too few patients.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for case in labelled:
        members[case.patient].append(case.case)
    strata = _strata(labelled, settings.stratify)
    needed = settings.folds if settings.scheme == "kfold" else 2
    _require_patients(len(strata), needed, quarantined)
    folds = []
    for test in _tests(strata, settings, everyone):
        training = {patient: strata[patient] for patient in strata if patient not in test}
        validation = _validation(training, settings)
        patients = {
            "train": set(training) - validation,
            "validation": validation,
            "test": test,
        }
        folds.append(
            {part: sorted(case for p in patients[part] for case in members[p]) for part in SETS}
        )
    return folds


def _strata(cases: Sequence[SplitCase], stratify: bool) -> dict[str, str]:
    """Stratum of each patient; patients in alphabetical order."""
    strata: dict[str, set[tuple]] = defaultdict(set)
    for case in cases:
        strata[case.patient].add((case.present, case.group) if stratify else ())
    return {patient: json.dumps(sorted(strata[patient])) for patient in sorted(strata)}


def _shuffled(patients: Iterable[str], seed: int, purpose: str) -> list[str]:
    def key(patient: str) -> str:
        return hashlib.sha256(f"{seed}/{purpose}/{patient}".encode()).hexdigest()

    return sorted(patients, key=key)


def _holdout(strata: Mapping[str, str], settings: SplitSettings) -> set[str]:
    count = len(strata)
    size = min(max(_nearest(settings.test_fraction * count), 1), count - 1)
    return _draw(strata, size, settings.seed, "test")


def _validation(strata: Mapping[str, str], settings: SplitSettings) -> set[str]:
    """At least one patient if any are asked for, as long as one is left to train on."""
    if settings.validation_fraction == 0 or len(strata) < 2:
        return set()
    size = max(_nearest(settings.validation_fraction * len(strata)), 1)
    return _draw(strata, min(size, len(strata) - 1), settings.seed, "validation")


def _nearest(number: float) -> int:
    return floor(number + 0.5)


def _draw(strata: Mapping[str, str], size: int, seed: int, purpose: str) -> set[str]:
    """Draw `size` patients, from each stratum in proportion (the largest remainders round up)."""
    groups: dict[str, list[str]] = defaultdict(list)
    for patient in _shuffled(strata, seed, purpose):
        groups[strata[patient]].append(patient)
    shares = {group: size * len(members) / len(strata) for group, members in groups.items()}
    quota = {group: floor(share) for group, share in shares.items()}
    by_remainder = sorted(groups, key=lambda group: (quota[group] - shares[group], group))
    for group in by_remainder[: size - sum(quota.values())]:
        quota[group] += 1
    return {patient for group, members in groups.items() for patient in members[: quota[group]]}


def _tests(
    strata: Mapping[str, str], settings: SplitSettings, everyone: Iterable[str]
) -> list[set[str]]:
    """The patients of each fold's test set."""
    if settings.scheme == "holdout":
        return [_holdout(strata, settings)]
    if settings.folds < 2:
        raise UserError(
            "one fold leaves nothing to train on", where="splits.folds", expected="2 or more"
        )
    if settings.order == "scikit-learn":
        folds = shuffled_folds({*strata, *everyone}, settings.folds, settings.seed)
        return [fold & set(strata) for fold in folds]
    return _kfold(strata, settings)


def _kfold(strata: Mapping[str, str], settings: SplitSettings) -> list[set[str]]:
    """Deal out patients by stratum, so folds and their parts of a stratum differ by at most one."""
    shuffled = _shuffled(strata, settings.seed, "test")
    ordered = sorted(shuffled, key=strata.__getitem__)
    return [set(ordered[fold :: settings.folds]) for fold in range(settings.folds)]


def _require_patients(count: int, least: int, quarantined: Mapping[str, str]) -> None:
    if count < least:
        remedy = "add cases"
        if quarantined:
            why = "; ".join(f"{number} x {reason}" for reason, number in _commonest(quarantined))
            remedy += (
                f", or mend the {len(quarantined)} quarantined ones, commonest reasons first: {why}"
                " (each case's is in the registration.json of its registered images)"
            )
        raise UserError(
            f"too few usable patients: {count}",
            where="splits",
            expected=f"at least {least}",
            remedy=remedy,
        )


def _commonest(quarantined: Mapping[str, str], most: int = 3) -> list[tuple[str, int]]:
    """The commonest reasons for a quarantine and their counts, without the names of the cases."""
    reasons = (
        re.sub(rf"^{re.escape(case)}(, [\w-]+)?: ", "", reason)
        for case, reason in quarantined.items()
    )
    return Counter(reasons).most_common(most)


def write_splits(path: Path, splits: Mapping[str, Any]) -> None:
    """Write splits.json."""
    write_json(path, splits)


def read_splits(path: Path) -> dict[str, Any]:
    """Read splits.json, as `make_splits` and `split_study` describe it.

    Raises:
        UserError: the file is missing, or was not written by this version of remodal.
    """
    try:
        splits = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(
            "cannot be read", where=str(path), expected="splits.json", remedy="run `remodal split`"
        ) from error
    wanted = ("folds", "patients", "modalities", "labels")
    if not isinstance(splits, dict) or not set(wanted) <= set(splits):
        raise UserError(
            "is no split file of this version",
            where=str(path),
            expected=", ".join(wanted),
            remedy="run `remodal split` again",
        )
    return splits


def converted_files(splits: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of each case's converted images and labels, without suffixes."""
    drawn = {case: map(label_name, modalities) for case, modalities in splits["labels"].items()}
    return {case: [*names, *drawn[case]] for case, names in splits["modalities"].items()}


def unlabelled_cases(splits: Mapping[str, Any]) -> set[str]:
    """The cases in use that have no label."""
    return {case for case in splits["patients"] if not splits["labels"][case]}


def read_fold(path: Path, fold: int) -> Fold:
    """The sets of one fold of splits.json.

    Raises:
        UserError: no such file or fold.
    """
    return fold_of(read_splits(path), fold, path)


def fold_of(splits: Mapping[str, Any], fold: int, path: Path) -> Fold:
    """The sets of one fold.

    Args:
        splits: content of splits.json.
        fold: number of the fold.
        path: of splits.json, for the error message.

    Raises:
        UserError: no such fold.
    """
    folds = splits["folds"]
    if not 0 <= fold < len(folds):
        raise UserError(f"has no fold {fold}", where=str(path), expected=f"0 to {len(folds) - 1}")
    return folds[fold]
