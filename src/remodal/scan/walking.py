"""All files of an export, at any depth, under any name."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.source_files import entries_of


@dataclass(frozen=True)
class File:
    """A file's path, its size in bytes, and its time of modification in ns."""

    path: str
    size: int
    modified: int


@dataclass
class Walk:
    """What lies in a folder: files, and paths that cannot be read, with the reason."""

    files: list[File]
    refused: list[tuple[str, str]]


def walk(folder: Path, own: Path) -> Walk:
    """List the files of a folder and its sub-folders, hidden ones excepted.

    Links are followed, each folder once. What is no plain file (a pipe, a device) and a link to
    nothing are `refused`, as are folders that may not be listed.

    Args:
        folder: the export.
        own: folder that the scan itself writes, which is passed over if it lies in the export.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(
            "there is no such folder", where=str(folder), expected="a folder of DICOM files"
        )
    found = Walk([], [])
    listed = entries_of(folder, lambda error: found.refused.append(_said(error)))
    beginning = os.path.join(os.path.abspath(own), "")
    for entry in listed:
        if os.path.abspath(entry.path).startswith(beginning):
            continue
        try:
            state = entry.stat()
        except OSError as error:
            found.refused.append((entry.path, os.strerror(error.errno)))
            continue
        if stat.S_ISREG(state.st_mode):
            found.files.append(File(entry.path, state.st_size, state.st_mtime_ns))
        else:
            found.refused.append((entry.path, "is no plain file"))
    return found


def _said(error: OSError) -> tuple[str, str]:
    return str(error.filename), os.strerror(error.errno)
