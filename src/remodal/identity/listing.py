"""What lies in folders that are to be searched."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Git's own files: their content is packed, and the working tree has it too.
_HISTORY = {".git"}


@dataclass
class Listing:
    """What lies in folders.

    Attributes:
        files: what is to be searched, links to files too.
        odd: what has no content to search, and why.
        sources: how many files of the sources are there, which are not among `files`.
        histories: how many folders of git's are there.
    """

    files: list[Path] = field(default_factory=list)
    odd: dict[Path, str] = field(default_factory=dict)
    sources: int = 0
    histories: int = 0


def listing_of(folders: Sequence[Path], sources: set[str]) -> Listing:
    """What lies in folders, each file once.

    Args:
        folders: folders, or single files.
        sources: real paths of files and folders that are passed over.

    Raises:
        OSError: a folder cannot be listed.
    """
    found = Listing()
    searched = {os.path.realpath(folder) for folder in folders}
    for folder in folders:
        if not folder.is_dir():
            _add(folder, found, sources)
            continue
        for place, inner, names in os.walk(folder, onerror=_refuse):
            found.histories += len(_HISTORY.intersection(inner))
            inner[:] = sorted(set(inner) - _HISTORY)
            if _is_below(os.path.realpath(place), sources):
                found.sources += len(names)
                continue
            for name in inner:
                link = Path(place, name)
                if link.is_symlink() and not _is_below(os.path.realpath(link), searched | sources):
                    found.odd[link] = "leads to a folder elsewhere: name that, too"
            for name in sorted(names):
                _add(Path(place, name), found, sources)
    found.files = list(dict.fromkeys(found.files))
    return found


def _add(path: Path, found: Listing, sources: set[str]) -> None:
    if os.path.realpath(path) in sources:
        found.sources += 1
    elif path.is_file():
        found.files.append(path)
    else:
        found.odd[path] = "leads nowhere" if path.is_symlink() else "is no file"


def _refuse(error: OSError) -> None:
    raise error


def _is_below(place: str, above: set[str]) -> bool:
    return place in above or any(str(parent) in above for parent in Path(place).parents)
