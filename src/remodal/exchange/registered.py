"""The registered cases of a study as another program gets them: images and truth on one grid."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.intake.acquisition import judged_kind
from remodal.results.paths import (
    data_of,
    registered_cases,
    settings_file,
    splits_file,
)
from remodal.results.records import read_record
from remodal.settings import Settings
from remodal.settings.composition import read_settings
from remodal.settings.names import label_name, require_known
from remodal.splits import read_splits


@dataclass(frozen=True)
class RegisteredStudy:
    """A study whose cases are registered and split.

    Attributes:
        settings: of the study.
        splits: content of its splits.json.
        cases: folder of the registered cases.
    """

    settings: Settings
    splits: dict[str, Any]
    cases: Path


@dataclass(frozen=True)
class RegisteredCase:
    """A case's images, in the order asked for, and the truth of one of them.

    `label` has the values of its source, not class indices.
    """

    name: str
    images: list[Path]
    label: Path


def read_study(folder: Path) -> RegisteredStudy:
    """Read what a study's folder, such as results/studies/liver-demo, says of its cases.

    Raises:
        UserError: there is no such study, or its cases were not split yet.
    """
    if not settings_file(folder).is_file():
        raise UserError(
            "is no folder of a study",
            where=str(folder),
            expected="results/studies/<study>-<preset>",
        )
    settings = read_settings(settings_file(folder))
    if not splits_file(folder).is_file():
        raise UserError(
            "the cases are not registered and split yet",
            where=str(folder),
            remedy=f"run `snakemake --cores 2 --config study={settings.study} "
            f"preset={settings.preset} {splits_file(folder)}`",
        )
    cases = registered_cases(data_of(folder, settings.data_id))
    return RegisteredStudy(settings, read_splits(splits_file(folder)), cases)


def chosen_modalities(settings: Settings, wanted: Sequence[str]) -> list[str]:
    """The modalities to export: those that are wanted, or all.

    Raises:
        UserError: the study has no such modality.
    """
    try:
        require_known("--modalities", wanted, settings.data.modalities)
    except ValueError as error:
        raise UserError(str(error)) from error
    return list(wanted) or list(settings.data.modalities)


def image_kinds(study: RegisteredStudy) -> dict[str, str]:
    """What made the images of each modality: `CT`, `MR` ..., as of most of the usable cases.

    An image that does not say so is judged by its values.
    """
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in study.splits["patients"]:
        record = read_record(study.cases / case / "registration.json")
        for modality, acquired in record.details["acquired"].items():
            found[modality][acquired["modality"] or judged_kind(acquired["range"])] += 1
    return {modality: kinds.most_common(1)[0][0] for modality, kinds in found.items()}


def image_of_truth(settings: Settings, modalities: Sequence[str]) -> str:
    """The image whose label is exported: the fixed one if it is among them, else the first."""
    fixed = settings.registration.fixed
    return fixed if fixed in modalities else modalities[0]


def exportable(
    study: RegisteredStudy, case: str, modalities: Sequence[str]
) -> RegisteredCase | None:
    """A usable case with all the images and a label of `image_of_truth`; None if it lacks one."""
    folder = study.cases / case
    details = read_record(folder / "registration.json").details
    truth = study.settings.truth_of(image_of_truth(study.settings, modalities))
    if not set(modalities) <= set(details["modalities"]) or truth not in details["labels"]:
        return None
    images = [folder / f"{modality}.nii.gz" for modality in modalities]
    return RegisteredCase(case, images, folder / f"{label_name(truth)}.nii.gz")
