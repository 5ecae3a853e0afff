"""A task of the Medical Segmentation Decathlon as it is distributed, such as Task07_Pancreas.

`dataset.json` lists the images for training (imagesTr) with their labels (labelsTr), those for
testing (imagesTs), which have none, and what the numbers of modalities and labels mean. Several
modalities are in one file of four dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import named_folder, require_images_of
from remodal.intake.label_source import LabelSource
from remodal.results.files import read_json

if TYPE_CHECKING:
    from remodal.settings import Settings

_LISTING, _SUFFIXES = "dataset.json", (".nii.gz", ".nii")
_EXPECTED = f"the folder of a task, such as Task07_Pancreas, with its {_LISTING}"


@dataclass(frozen=True)
class Task:
    """What the listing of a task says.

    Attributes:
        folder: of the task.
        modalities: names in lower case, in the order in which an image file holds them.
        values: of a label, without 0.
        training: image and label of each case.
        test: images without a label.
    """

    folder: Path
    modalities: list[str]
    values: list[int]
    training: list[tuple[Path, Path]]
    test: list[Path]


def cases(settings: "Settings") -> list[CaseSource]:
    """The cases of the task's listing, by the names of their images.

    The modalities are those of the listing in lower case. If `data.unlabelled` is `train`, the
    images for testing are unlabelled cases; otherwise they are left out.

    Raises:
        UserError: no folder is named, it is none of a task, or the study wants a modality or a
            value of the label that the task does not have.
    """
    task = read_task(named_folder(settings, _EXPECTED))
    require_images_of(settings, task.modalities, task.folder.name)
    for name, values in settings.data.classes.items():
        if unknown := [value for value in values if value not in task.values]:
            raise UserError(
                f"`{name}` is {unknown[0]}, which no label of {task.folder.name} holds",
                where="data.classes",
                expected=f"one of {', '.join(map(str, task.values))}",
            )
    files: list[tuple[Path, Path | None]] = [*task.training]
    if settings.data.unlabelled == "train":
        files += [(image, None) for image in task.test]
    found = [_case(image, label, task, settings) for image, label in files]
    return sorted(found, key=lambda case: case.case)


def read_task(folder: Path) -> Task:
    """Read the listing of a task; no image is opened.

    Raises:
        UserError: there is none, or it is not one of the Decathlon.
    """
    path = folder / _LISTING
    if not path.is_file():
        tasks = sorted(found.parent.name for found in folder.glob(f"*/{_LISTING}"))
        raise UserError(
            f"has no {_LISTING}",
            where=str(folder),
            expected=_EXPECTED,
            remedy=f"name one of the folders in it: {', '.join(tasks)}" if tasks else "",
        )
    try:
        listing = read_json(path)
        return Task(
            folder,
            [str(listing["modality"][number]).lower() for number in _ordered(listing["modality"])],
            [int(number) for number in _ordered(listing["labels"]) if int(number)],
            [(folder / one["image"], folder / one["label"]) for one in listing["training"]],
            [folder / image for image in listing.get("test", [])],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            "is no listing of the Decathlon",
            where=str(path),
            expected="`modality` and `labels` by number, and `training` with an `image` and a "
            "`label` for each case",
        ) from error


def _ordered(numbered: dict[str, str]) -> list[str]:
    """The keys of a mapping from numbers, which JSON keeps as text, in the order of the numbers."""
    return sorted(numbered, key=int)


def _case(image: Path, label: Path | None, task: Task, settings: "Settings") -> CaseSource:
    name = next(image.name.removesuffix(end) for end in _SUFFIXES if image.name.endswith(end))
    images = {wanted: _image(image, wanted, task.modalities) for wanted in settings.data.modalities}
    labels = {}
    if label is not None and label.is_file():
        drawn_on = settings.registration.reference(images)
        labels[drawn_on] = LabelSource((label,), renumbered=tuple(zip(task.values, task.values)))
    return CaseSource(name, name, "", images, labels)


def _image(file: Path, modality: str, modalities: Sequence[str]) -> Path:
    """The path of one modality: of several in a file, it ends in the number of the one meant."""
    if len(modalities) == 1:
        return file
    return file.with_name(f"{file.name}#{modalities.index(modality)}")
