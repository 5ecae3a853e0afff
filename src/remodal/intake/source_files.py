"""Which files a source consists of: a folder's, or an image file and those that it points to.

The path of a DICOM folder that holds several series ends in the number of the one that is meant, as
in `scans/p1#4`; that of a NIfTI file with several images in the place of the one meant, from 0. Of
several images in one DICOM series one is meant by its place, from 1: `scans/p1#.2`, `scans/p1#4.2`.

Light (standard library only), since the Snakefile asks for the state of every source at each start.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from remodal.errors import BadCase
from remodal.intake.text_headers import TEXT_SUFFIXES, read_text_header

#: Files that may hold several images on one grid.
_SEVERAL = (".nii", ".nii.gz")


def path_and_number(source: Path) -> tuple[Path, int | None]:
    """A source's path without a number at its end, and that number (None without one).

    Only a folder and a NIfTI file may hold several series or images, which are meant by number.
    """
    path, number, _ = _parsed(source)
    return path, number


def part_number(source: Path) -> int | None:
    """The place, from 1, of the image that is meant among those of a series; None without one."""
    return _parsed(source)[2]


def _parsed(source: Path) -> tuple[Path, int | None, int | None]:
    found = re.fullmatch(r"(.+)#(?:(\d{1,9})?\.(\d{1,4})|(\d{1,9}))", str(source))
    if found is None or source.exists():
        return source, None, None
    path, of_series, part, alone = found.groups()
    path, number = Path(path), of_series or alone
    several = path.is_file() and path.name.lower().endswith(_SEVERAL)
    # A DICOM file may hold several images, but no several series.
    in_file = path.is_file() and part is not None and number is None
    if not (path.is_dir() or (several and part is None) or (in_file and not several)):
        return source, None, None
    return path, number and int(number), part and int(part)


def is_there(source: Path) -> bool:
    """Whether there is such a file or folder."""
    return path_and_number(source)[0].exists()


def files_of(source: Path) -> list[Path]:
    """The files of a source, in a fixed order; those that an image file names need not be there.

    For a folder: the files in it and its sub-folders by name, except hidden ones. For an image
    file: the file, and the raw files that a MetaImage or NRRD header names, or the other one of an
    `.hdr` and `.img` pair, header first.

    Raises:
        BadCase: an empty folder, or a header that names files outside its folder.
    """
    source, _ = path_and_number(source)
    if not source.is_dir():
        return _with_companions(source)
    files = [Path(entry.path) for entry in entries_of(source)]
    if not files:
        raise BadCase("the folder is empty", expected="the slices of one series")
    return files


def states_of_files(source: Path) -> Iterator[tuple[str, int, int]]:
    """Name within the source, size and time of modification (ns) of each of its files.

    A missing file has size -1.
    """
    source, _ = path_and_number(source)
    if source.is_dir():
        for entry in entries_of(source):
            yield os.path.relpath(entry.path, source), *_state(entry)
        return
    try:
        files = files_of(source)
    except BadCase:
        files = [source]
    for file in files:
        yield file.name, *_state(file)


def _state(file: Path | os.DirEntry) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return -1, 0
    return found.st_size, found.st_mtime_ns


def entries_of(
    folder: Path | str, refused: Callable[[OSError], None] | None = None
) -> Iterator[os.DirEntry]:
    """Files of a folder by name, then those of its sub-folders; links are followed, each once.

    Args:
        folder: the folder.
        refused: gets what the operating system said of a folder that it did not list, which is
            then passed over.

    Raises:
        OSError: a folder cannot be listed, and there is no `refused`.
    """
    root, seen, waiting = os.path.realpath(folder), set(), [str(folder)]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        # A link may lead to a folder already visited, or to a parent of the root: an endless loop.
        if real in seen or (root != real and root.startswith(os.path.join(real, ""))):
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as listed:
                shown = [entry for entry in listed if not entry.name.startswith(".")]
        except OSError as error:
            if refused is None:
                raise
            refused(error)
            continue
        shown.sort(key=lambda entry: entry.name)
        sorted_out = [(entry, _is_folder(entry)) for entry in shown]
        yield from (entry for entry, is_folder in sorted_out if not is_folder)
        waiting += [entry.path for entry, is_folder in reversed(sorted_out) if is_folder]


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _with_companions(file: Path) -> list[Path]:
    suffix = file.suffix.lower()
    if suffix in (".hdr", ".img"):
        return _pair(file)
    if suffix in TEXT_SUFFIXES and file.is_file():
        return [file, *read_text_header(file).data_files]
    return [file]


def _pair(file: Path) -> list[Path]:
    """Header and voxels of a pair; the other file is left out if it is missing."""
    upper = file.suffix.isupper()
    names = [file.with_suffix(suffix.upper() if upper else suffix) for suffix in (".hdr", ".img")]
    return [name for name in names if name == file or name.is_file()]
