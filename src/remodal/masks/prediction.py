"""Which prediction of another study may be a case's mask: by a model that never saw the case."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.results.files import read_json
from remodal.results.paths import (
    Training,
    prediction_file,
    prediction_folder,
    settings_file,
    splits_file,
)
from remodal.settings import MaskSettings, Settings
from remodal.settings.composition import read_settings


@dataclass(frozen=True)
class Prediction:
    """A case's segmentation by a model that did not train on its patient.

    Attributes:
        path: the segmentation; None if the study has none for this case.
        reason: why it has none.
        values: class indices of the segmentation that make up the mask.
        origin: study, method, scenario, fold and seed, and digests of segmentation and weights.
    """

    path: Path | None
    reason: str
    values: tuple[int, ...]
    origin: dict[str, Any]


def find_prediction(mask: MaskSettings, case: str, studies: Path) -> Prediction:
    """The prediction of a case by the model of the fold that tests it.

    Args:
        mask: which study, method, scenario and classes.
        case: name of the case, the same in both studies.
        studies: folder of the studies' results.

    Raises:
        UserError: the study was not run that far, has no such method, scenario or class, does not
            know the case, or has no model known not to have trained on its patient.
    """
    study = studies / mask.study
    settings = settings_of(study)
    values = _values(mask, settings)
    where = f"{mask.study}, {case}"
    splits = _content(splits_file(study), mask.study)
    if case in splits["quarantined"]:
        return _without(f"quarantined in study {mask.study}", values, {"study": mask.study})
    fold = _fold_that_tests(splits, case, where)
    training = Training(mask.method, fold, mask.seed)
    folder = prediction_folder(study, training, mask.scenario)
    predicted = _content(folder / "predictions.json", mask.study)
    origin = {
        **{"study": mask.study, "method": mask.method, "scenario": mask.scenario},
        **{"fold": fold, "seed": mask.seed, "weights": predicted["weights"]},
    }
    if case not in predicted["cases"]:
        reasons = {**predicted["quarantined"], **predicted["failed"]}
        why = reasons.get(case, "the scenario cannot be tried on it")
        return _without(f"not predicted in study {mask.study} ({why})", values, origin)
    path = prediction_file(folder, case)
    return Prediction(path, "", values, origin | {"sha256": predicted["cases"][case]})


def _without(reason: str, values: tuple[int, ...], origin: Mapping[str, Any]) -> Prediction:
    return Prediction(None, reason, values, {**origin, "missing": reason})


def _fold_that_tests(splits: Mapping[str, Any], case: str, where: str) -> int:
    """Number of the fold that tests the case, after a check that it does not train on its patient.

    Raises:
        UserError: no fold tests the case, or the one that does trains on its patient.
    """
    patients = splits["patients"]
    if case not in patients:
        raise UserError("the study has no such case", where=where, expected="the same case names")
    for number, fold in enumerate(splits["folds"]):
        if case not in fold["test"]:
            continue
        seen = [
            other
            for other in [*fold["train"], *fold["validation"]]
            if patients[other] == patients[case]
        ]
        if seen:
            raise UserError(
                f"fold {number} tests this case and trains on `{seen[0]}` of the same patient",
                where=where,
                expected="splits by patient",
            )
        return number
    raise UserError(
        "all models of the study may have trained on this case, so none may make its mask",
        where=where,
        expected="a study in which each case is tested once",
        remedy="set its splits.scheme to `kfold` and run it again",
    )


def _values(mask: MaskSettings, settings: Settings) -> tuple[int, ...]:
    """Class indices of the mask's classes in the predictions of its study.

    Raises:
        UserError: that study has no such method, scenario, seed or class.
    """
    known = list(settings.data.classes)
    wanted = mask.classes or known
    scenarios = settings.scenarios_of(mask.method) if mask.method in settings.methods else []
    for what, names, among in (
        ("method", [mask.method], list(settings.methods)),
        ("scenario", [mask.scenario], scenarios),
        ("seed", [mask.seed], settings.seeds),
        ("class", wanted, known),
    ):
        for name in names:
            if name not in among:
                raise UserError(
                    f"has no {what} `{name}`",
                    where=f"study {mask.study}",
                    expected=f"one of {', '.join(map(str, among))}",
                )
    return tuple(known.index(name) + 1 for name in wanted)


@cache
def settings_of(study: Path) -> Settings:
    """Effective settings of a study that was run.

    Raises:
        UserError: it was not run.
    """
    path = settings_file(study)
    if not path.is_file():
        raise _not_run(study.name, path)
    return read_settings(path)


def _content(path: Path, study: str) -> dict[str, Any]:
    if not path.is_file():
        raise _not_run(study, path)
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, changed: int) -> dict[str, Any]:
    return read_json(path)


def _not_run(study: str, path: Path) -> UserError:
    name, _, preset = study.rpartition("-")
    return UserError(
        f"is missing: study {study} makes the masks of this one",
        where=str(path),
        expected="its predictions",
        remedy=f"run it first: snakemake --config study={name} preset={preset}",
    )
