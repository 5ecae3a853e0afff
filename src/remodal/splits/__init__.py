"""Which cases train and which test, decided by patient and written to a file that can be shared.

Patients are ordered by a hash of seed and name, so a split depends neither on the order of the
sheet nor on any library's random generator.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import floor
from pathlib import Path
from typing import Any, NamedTuple

from remodal.errors import UserError
from remodal.results.files import read_json, write_json
from remodal.results.records import read_record
from remodal.settings import Settings, SplitSettings

SETS = ("train", "validation", "test")
Fold = dict[str, list[str]]


class SplitCase(NamedTuple):
    """What a split looks at of a case; an empty group is none."""

    case: str
    patient: str
    group: str = ""
    modalities: tuple[str, ...] = ()


def make_splits(
    cases: Iterable[SplitCase],
    settings: SplitSettings,
    quarantined: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Split cases into folds of training, validation and test cases, or import such a split.

    A patient's cases stay together. The hold-out takes `test_fraction` of the patients, rounded
    to the nearest number (the MAML paper's 327 patients give 65 for test and 262 for
    training); k-fold tests every patient exactly once. Validation patients are cut
    from the training patients. With `stratify`, each stratum's share of a set is within one patient
    of its share of all. A stratum is a group with the modalities that are there, so that complete
    cases are in all sets; a patient with cases of several strata counts as a stratum of its own.

    Args:
        cases: every usable case.
        settings: scheme, sizes and seed.
        quarantined: cases that cannot be used, with their reasons; an imported file may name them.

    Returns:
        The content of splits.json: `scheme`, `seed`, `folds` (each with sorted case names under
        `train`, `validation` and `test`), `patients` and `groups` of the usable cases, and
        `quarantined`.

    Raises:
        UserError: too few patients, or a split file that does not fit the cases.
    """
    cases = sorted(cases)
    members: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        members[case.patient].append(case.case)
    splits: dict[str, Any] = {
        "scheme": settings.scheme,
        "seed": settings.seed,
        "patients": {case.case: case.patient for case in cases},
        "groups": {case.case: case.group for case in cases},
        "quarantined": dict(quarantined or {}),
    }
    if settings.scheme == "file":
        splits["folds"] = _imported(splits["patients"], splits["quarantined"], settings)
        splits["quarantined"] |= _unused(splits, settings)
        return splits

    strata = _strata(cases, settings.stratify)
    needed = settings.folds if settings.scheme == "kfold" else 2
    _require_patients(len(strata), needed, splits["quarantined"])
    tests = _kfold(strata, settings) if settings.scheme == "kfold" else [_holdout(strata, settings)]
    splits["folds"] = []
    for test in tests:
        training = {patient: strata[patient] for patient in strata if patient not in test}
        validation = _validation(training, settings)
        patients = {
            "train": set(training) - validation,
            "validation": validation,
            "test": test,
        }
        fold = {part: sorted(case for p in patients[part] for case in members[p]) for part in SETS}
        splits["folds"].append(fold)
    return splits


def _strata(cases: Sequence[SplitCase], stratify: bool) -> dict[str, str]:
    """Stratum of each patient; patients in alphabetical order."""
    strata: dict[str, set[tuple]] = defaultdict(set)
    for case in cases:
        strata[case.patient].add((case.modalities, case.group) if stratify else ())
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
    """At least one patient when any are asked for, as long as one is left to train on."""
    if settings.validation_fraction == 0 or len(strata) < 2:
        return set()
    size = max(_nearest(settings.validation_fraction * len(strata)), 1)
    return _draw(strata, min(size, len(strata) - 1), settings.seed, "validation")


def _nearest(number: float) -> int:
    return floor(number + 0.5)


def _draw(strata: Mapping[str, str], size: int, seed: int, purpose: str) -> set[str]:
    """Draw `size` patients, each group in proportion (largest remainders get the odd ones)."""
    groups: dict[str, list[str]] = defaultdict(list)
    for patient in _shuffled(strata, seed, purpose):
        groups[strata[patient]].append(patient)
    shares = {group: size * len(members) / len(strata) for group, members in groups.items()}
    quota = {group: floor(share) for group, share in shares.items()}
    by_remainder = sorted(groups, key=lambda group: (quota[group] - shares[group], group))
    for group in by_remainder[: size - sum(quota.values())]:
        quota[group] += 1
    return {patient for group, members in groups.items() for patient in members[: quota[group]]}


def _kfold(strata: Mapping[str, str], settings: SplitSettings) -> list[set[str]]:
    """Deal the patients out group by group, so sizes differ by at most one, and so do groups."""
    if settings.folds < 2:
        raise UserError(
            "one fold leaves nothing to train on", where="splits.folds", expected="2 or more"
        )
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
    """The commonest reasons of a quarantine and their numbers, without the names of the cases."""
    reasons = (
        re.sub(rf"^{re.escape(case)}(, \w+)?: ", "", reason) for case, reason in quarantined.items()
    )
    return Counter(reasons).most_common(most)


def _imported(
    patients: Mapping[str, str], quarantined: Mapping[str, str], settings: SplitSettings
) -> list[Fold]:
    """Folds of a shared file, checked against the cases, without the quarantined ones.

    The file is a splits.json, or just its list of folds; `validation` may be left out. Its number
    of folds must be the settings', so that no fold is left out without a word.
    """
    if settings.file is None:
        raise UserError("no split file", where="splits.file", expected="a path to splits.json")
    folds = [_set_names(fold, settings.file) for fold in _read_folds(settings.file)]
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
        _check_fold(fold, patients, f"{settings.file}, fold {number}")
    return folds


def _unused(splits: Mapping[str, Any], settings: SplitSettings) -> dict[str, str]:
    """Usable cases that no fold names: listed, not dropped in silence."""
    used = {case for fold in splits["folds"] for part in SETS for case in fold[part]}
    return {
        case: f"is in no fold of {settings.file}" for case in splits["patients"] if case not in used
    }


def _read_folds(file: Path) -> list[Any]:
    try:
        content = read_json(file)
    except OSError as error:
        raise UserError("cannot be read", where=str(file), expected="a split file") from error
    except ValueError as error:
        raise UserError(f"is not valid JSON ({error})", where=str(file)) from error
    folds = content.get("folds") if isinstance(content, dict) else content
    if not isinstance(folds, list) or not folds:
        raise UserError("holds no folds", where=str(file), expected="a list under `folds`")
    return folds


def _set_names(fold: Any, file: Path) -> Fold:
    """A fold with its cases sorted and its validation set present."""
    if isinstance(fold, dict) and {"train", "test"} <= set(fold) <= set(SETS):
        sets = {part: fold.get(part, []) for part in SETS}
        if all(isinstance(cases, list) for cases in sets.values()):
            return {part: sorted(map(str, cases)) for part, cases in sets.items()}
    raise UserError(
        "a fold is not understood",
        where=str(file),
        expected="lists of case names under `train`, `test` and, if wanted, `validation`",
    )


def _check_fold(fold: Fold, patients: Mapping[str, str], where: str) -> None:
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
            if home.setdefault(patients[case], part) != part:
                raise UserError(
                    f"leakage: the patient of case `{case}` is in `{home[patients[case]]}` and in "
                    f"`{part}`",
                    where=where,
                    expected="every patient in one set",
                )
        if len(set(fold[part])) < len(fold[part]):
            raise UserError(f"a case is twice in `{part}`", where=where)


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")


def write_splits(path: Path, splits: Mapping[str, Any]) -> None:
    """Write splits.json."""
    write_json(path, splits)


def read_splits(path: Path) -> dict[str, Any]:
    """Read splits.json, as `make_splits` and `split_study` describe it.

    Raises:
        UserError: missing, or not a split file of ours.
    """
    try:
        splits = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(
            "cannot be read", where=str(path), expected="splits.json", remedy="run `remodal split`"
        ) from error
    wanted = ("folds", "patients", "modalities")
    if not isinstance(splits, dict) or not set(wanted) <= set(splits):
        raise UserError(
            "is no split file of this version",
            where=str(path),
            expected=", ".join(wanted),
            remedy="run `remodal split` again",
        )
    return splits


def read_fold(path: Path, fold: int) -> Fold:
    """One fold's sets of splits.json.

    Raises:
        UserError: no such file or fold.
    """
    folds = read_splits(path)["folds"]
    if not 0 <= fold < len(folds):
        raise UserError(f"has no fold {fold}", where=str(path), expected=f"0 to {len(folds) - 1}")
    return folds[fold]


def split_study(settings: Settings, registered: Path, output: Path) -> None:
    """Split a study's usable cases and write splits.json.

    Quarantined cases are left out of the folds and listed with their reasons. Beside what
    `make_splits` gives the file holds the `modalities` of every case, usable or quarantined.

    Args:
        settings: the study.
        registered: folder of the registered cases; each holds registration.json.
        output: the file to write.

    Raises:
        UserError: a case was not registered, too few patients are left, the split file to import
            does not fit, or a method has no case to train on or a scenario none to be tested on.
    """
    from remodal.intake.datasets import cases_of
    from remodal.splits.completeness import require_usable_folds

    usable, quarantined = [], {}
    sources = cases_of(settings)
    for source in sources:
        path = registered / source.case / "registration.json"
        if not path.is_file():
            raise UserError("is missing", where=str(path), remedy="run `remodal register` first")
        record = read_record(path)
        if record.ok:
            usable.append(
                SplitCase(source.case, source.patient, source.group, tuple(source.images))
            )
        else:
            quarantined[source.case] = record.reason
    splits = make_splits(usable, settings.splits, quarantined)
    splits["modalities"] = {source.case: list(source.images) for source in sources}
    # Methods and scenarios decide whether a split is refused, never what it is: a new method makes
    # no new one.
    require_usable_folds(settings, splits)
    write_splits(output, splits)
