"""The folder of a data set as it is distributed: what a study must say about it.

Light (standard library only), since the Snakefile asks for the cases.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import EnvironmentProblem, UserError

if TYPE_CHECKING:
    from remodal.settings import Settings


def named_folder(settings: "Settings", expected: str) -> Path:
    """The folder `data.folder`.

    Args:
        settings: the study.
        expected: what kind of folder, for the error message.

    Raises:
        UserError: no folder is named, or it does not exist.
    """
    folder = settings.data.folder
    if folder is None:
        raise UserError(
            "no folder is named",
            where="data.folder",
            expected=expected,
            remedy="add `data: {folder: PATH}`, or `data.folder=PATH` to the command",
        )
    require_folder(folder, expected)
    return folder


def require_folder(folder: Path, expected: str) -> None:
    """Check that a folder exists.

    Raises:
        UserError: it does not.
    """
    if not folder.is_dir():
        raise UserError("there is no such folder", where=str(folder), expected=expected)


def files_below(folder: Path, depth: int) -> Iterator[Path]:
    """The files in a folder and, down to some depth, in the folders in it."""
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif depth > 1 and path.is_dir():
            yield from files_below(path, depth - 1)


@contextmanager
def reading_folders() -> Iterator[None]:
    """While folders are listed, a missing permission is told in one line.

    Raises:
        EnvironmentProblem: a folder may not be read.
    """
    try:
        yield
    except PermissionError as error:
        raise EnvironmentProblem(
            "no permission to read", where=str(error.filename), remedy="make it readable"
        ) from error


def require_images_of(settings: "Settings", known: Iterable[str], data_set: str) -> None:
    """Check that a study wants no image that a data set does not have.

    Args:
        settings: the study.
        known: the modalities that there are.
        data_set: its name, for the error message.

    Raises:
        UserError: it wants another modality.
    """
    known = list(known)
    for modality in settings.data.modalities:
        if modality not in known:
            raise UserError(
                f"`{modality}` is no image of {data_set}",
                where="data.modalities",
                expected=f"{'one of ' if known[1:] else ''}{', '.join(known)}",
            )


def only_modality(settings: "Settings", data_set: str, such_as: str) -> str:
    """The one modality of a study, whatever it is called.

    Args:
        settings: the study.
        data_set: one with one image of each patient, for the error message.
        such_as: what the modality may be called, for the error message.

    Raises:
        UserError: the study has several.
    """
    (modality, *more) = settings.data.modalities
    if more:
        raise UserError(
            f"{len(more) + 1} modalities",
            where="data.modalities",
            expected=f"one, such as `{such_as}`, as {data_set} has one image of each patient",
            remedy="methods and scenarios of several images make no sense here: leave them out",
        )
    return modality
