"""What a case's page shows: its images, its truth, and whatever a method predicted of it."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.metrics.cases import FOREIGN
from remodal.results.paths import (
    Training,
    data_of,
    metrics_file,
    prediction_file,
    prediction_folder,
    registered_folder,
    settings_file,
    splits_file,
)
from remodal.results.records import Record, read_record
from remodal.settings import Settings
from remodal.settings.composition import read_settings
from remodal.settings.names import label_name
from remodal.splits import read_splits

#: Of the truth, and of the methods, in order; bright on grey, and told apart side by side.
_TRUTH = "#ffd60a"
_METHODS = (
    *("#ff453a", "#32d7ff", "#30d158", "#ff9f0a", "#bf5af2"),
    *("#ff7ab6", "#5e8bff", "#b8e986", "#d2a679", "#e5e5ea"),
)
#: Of the classes, in order.
_CLASSES = ("#ff3b30", "#34c759", "#0a84ff", "#ff9f0a", "#bf5af2", "#64d2ff")
_MOST_NAMED = 5


@dataclass(frozen=True)
class Segmentation:
    """A file with one of the case's segmentations.

    Attributes:
        file: NIfTI, on the grid of the case's images.
        title: who drew it.
        colour: of its outline.
        note: how good it is, in words.
        truth: whether it holds the values of the source, not indices of classes.
    """

    file: Path
    title: str
    colour: str
    note: str = ""
    truth: bool = False


@dataclass(frozen=True)
class Group:
    """Segmentations that were made from the same images."""

    title: str
    segmentations: list[Segmentation]


@dataclass(frozen=True)
class Shown:
    """All that a page shows of a case.

    Attributes:
        settings: the study.
        case: its name.
        facts: what is known of the case, in words.
        images: registered images by modality, all on one grid.
        groups: the truth, then the predictions of each scenario.
        classes: colours by name, in the order of the predictions' values.
    """

    settings: Settings
    case: str
    facts: list[str]
    images: dict[str, Path]
    groups: list[Group]
    classes: dict[str, str]

    @property
    def segmentations(self) -> list[Segmentation]:
        """Those of all groups, in order."""
        return [one for group in self.groups for one in group.segmentations]


def only_study(studies: Path) -> Path:
    """The only study in a folder of studies.

    Raises:
        UserError: there is none, or there are several.
    """
    found = sorted(path.parent for path in studies.glob("*/settings.yaml"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "no study"
        raise UserError(f"holds {names}", where=str(studies), expected="the study after --study")
    return found[0]


def what_to_show(study: Path, case: str) -> Shown:
    """Find what there is of a case.

    Args:
        study: folder of a study, finished or not.
        case: name of the case.

    Raises:
        UserError: no such study or case, or the case is quarantined.
    """
    if not settings_file(study).is_file():
        raise UserError(
            "there is no such study", where=str(study), remedy="`remodal studies` names those here"
        )
    settings = read_settings(settings_file(study))
    splits = read_splits(splits_file(study))
    _require_known(case, splits)
    folder = registered_folder(data_of(study, settings.data_id), case)
    record = _registered(folder)
    groups = [_truths(settings, record, folder), *_predictions(settings, study, case)]
    return Shown(
        settings,
        case,
        _facts(case, splits),
        {name: folder / f"{name}.nii.gz" for name in record.details["modalities"]},
        [group for group in groups if group.segmentations],
        dict(zip(settings.data.classes, cycle(_CLASSES))),
    )


def _require_known(case: str, splits: Mapping[str, Any]) -> None:
    known = sorted(splits["modalities"])
    if case not in known:
        named = ", ".join(known[:_MOST_NAMED]) + (" ..." if len(known) > _MOST_NAMED else "")
        raise UserError(f"the study has no case `{case}`", expected=f"one of {named}")


def _registered(folder: Path) -> Record:
    path = folder / "registration.json"
    if not path.is_file():
        raise UserError("is missing", where=str(path), remedy="run the study first")
    record = read_record(path)
    if not record.ok:
        raise UserError(f"the case is quarantined: {record.reason}", where=folder.name)
    return record


def _facts(case: str, splits: Mapping[str, Any]) -> list[str]:
    """The case's group, and which sets it is in."""
    facts = [splits["groups"][case]] if splits["groups"].get(case) else []
    for number, fold in enumerate(splits["folds"]):
        names = [name for name in ("train", "validation", "test") if case in fold.get(name, ())]
        facts += [
            f"{'training' if name == 'train' else name} case of fold {number}" for name in names
        ]
    return facts


def _truths(settings: Settings, record: Record, folder: Path) -> Group:
    names = [name for name in record.details["labels"] if name in settings.labels]
    found = [
        Segmentation(
            folder / f"{label_name(name)}.nii.gz",
            "Truth" if len(names) == 1 else f"Truth of {name}",
            colour,
            truth=True,
        )
        for name, colour in zip(names, cycle((_TRUTH, *_METHODS[::-1])))
    ]
    return Group("Truth", found)


def _predictions(settings: Settings, study: Path, case: str) -> Iterator[Group]:
    """What each scenario's models predicted of the case, in the order of the settings."""
    colours = dict(zip(settings.methods, cycle(_METHODS)))
    for scenario in settings.scenarios:
        found = []
        for method in settings.methods:
            if scenario in settings.scenarios_of(method):
                found += _of_method(settings, study, case, scenario, method, colours[method])
        yield Group(scenario.replace("_", " "), found)


def _of_method(
    settings: Settings, study: Path, case: str, scenario: str, method: str, colour: str
) -> list[Segmentation]:
    """One for each training that predicted the case, and for each other case's images."""
    found = []
    for training in settings.trainings(method):
        folder = prediction_folder(study, training, scenario)
        dice = _dice(metrics_file(study, training, scenario), case)
        for foreign in ("", *_foreign(folder)):
            file = prediction_file(folder, case, foreign)
            if file.is_file() and file.stat().st_size:
                title = _title(settings, training) + (f", images of {foreign}" if foreign else "")
                found.append(Segmentation(file, title, colour, dice.get(foreign, "")))
    return found


def _foreign(folder: Path) -> list[str]:
    """The other cases whose images a scenario's predictions were made with."""
    return sorted(one.name.removeprefix("foreign-") for one in folder.glob("foreign-*/"))


def _title(settings: Settings, training: Training) -> str:
    """A method, with the seed if it was trained with several."""
    title = settings.title_of(training.method)
    return title if len(settings.seeds) == 1 else f"{title}, seed {training.seed}"


def _dice(path: Path, case: str) -> dict[str, str]:
    """Dice of a case in words, by the case whose images were taken (empty: its own)."""
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["case"] == case and row.get("dice")]
    said: dict[str, list[str]] = {}
    several = len({row["region"] for row in rows}) > 1
    for row in rows:
        region = f"{row['region'].replace('_', ' ')} " if several else ""
        said.setdefault(row.get(FOREIGN, ""), []).append(f"{region}{float(row['dice']):.1f}")
    return {foreign: f"Dice {', '.join(parts)} %" for foreign, parts in said.items()}
