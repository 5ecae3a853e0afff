"""What a result consists of: the digests and times of its files."""

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

_CHUNK = 1 << 20


class FileState(NamedTuple):
    """A file's content and time of modification (ns); `md5` is DVC's name for the content."""

    sha256: str
    md5: str
    size: int
    modified: int


def files_of_result(path: Path) -> list[str]:
    """Names of the files in a result, sorted; a result that is itself a file has the empty name.

    Empty if the result does not exist.
    """
    if path.is_file():
        return [""]
    return sorted(
        str(Path(folder, name).relative_to(path))
        for folder, _, names in os.walk(path)
        for name in names
    )


def file_state(path: Path) -> FileState:
    """Read a file once and digest it."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        modified = os.fstat(file.fileno()).st_mtime_ns
        size = 0
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return FileState(sha256.hexdigest(), md5.hexdigest(), size, modified)


def states_of(path: Path) -> dict[str, FileState]:
    """State of every file of a result, by its name within the result."""
    return {name: file_state(path / name) for name in files_of_result(path)}


def modified(path: Path) -> float:
    """Time (s) of a result as Snakemake sees it; a folder's is that of Snakemake's mark in it."""
    mark = path / ".snakemake_timestamp"
    return os.stat(mark if mark.exists() else path).st_mtime


def changed_since(path: Path, made: float, linked: dict[int, float]) -> list[str]:
    """Names of the result's files that were written after it was made.

    Args:
        path: the result.
        made: when (s, a double as Snakemake notes it).
        linked: `times_of_linked`.
    """
    found = []
    for name in files_of_result(path):
        state = os.stat(path / name)
        if state.st_mtime > max(made, linked.get(state.st_ino, 0)):
            found.append(name)
    return found


def times_of_linked(made: dict[str, float]) -> dict[int, float]:
    """When files with several names were last made under one of them, by their inode.

    A stage that uses a file unchanged makes a link to it, and Snakemake then renews its time.

    Args:
        made: when each result was made (s).
    """
    times: dict[int, float] = {}
    for path, time in made.items():
        if os.path.isfile(path):
            state = os.stat(path)
            if state.st_nlink > 1:
                times[state.st_ino] = max(time, times.get(state.st_ino, 0))
    return times


def restore_times(path: Path, files: dict[str, Any]) -> None:
    """Give a result's files, and its folder, the times they had when they were shared."""
    for name, state in files.items():
        os.utime(path / name, ns=(state.modified, state.modified))
    if path.is_dir() and files:
        newest = max(state.modified for state in files.values())
        os.utime(path, ns=(newest, newest))
