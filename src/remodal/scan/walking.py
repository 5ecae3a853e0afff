"""All files of an export, at any depth, under any name."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.source_files import entries_of

#: What is written beside a sheet lies in a folder whose name ends so, which holds this index.
SUFFIX, INDEX = ".scan", "index.jsonl"


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
        own: folder that the scan itself writes, which is passed over if it lies in the export, as
            are those of other scans: their links lead to files of the export.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(
            "there is no such folder", where=str(folder), expected="a folder of DICOM files"
        )
    found = Walk([], [])
    listed = entries_of(folder, lambda error: found.refused.append(_said(error)))
    of_scans: dict[str, bool] = {os.path.abspath(own): True}
    for entry in listed:
        if _in_scan(os.path.dirname(os.path.abspath(entry.path)), of_scans):
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


def _in_scan(folder: str, known: dict[str, bool]) -> bool:
    """Whether a folder is one that a scan wrote beside its sheet, or lies in one."""
    if folder not in known:
        parent = os.path.dirname(folder)
        known[folder] = (
            folder.endswith(SUFFIX) and os.path.isfile(os.path.join(folder, INDEX))
        ) or (parent != folder and _in_scan(parent, known))
    return known[folder]


def _said(error: OSError) -> tuple[str, str]:
    return str(error.filename), os.strerror(error.errno)
