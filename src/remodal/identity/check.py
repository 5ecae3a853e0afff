"""Search folders that are to be shared for what the sources say about whose they are."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import remodal
from remodal.errors import EnvironmentProblem, UserError
from remodal.identity.listing import listing_of
from remodal.identity.parts import Unread
from remodal.identity.search import Hit, Index
from remodal.identity.texts import texts_of
from remodal.identity.values import identifying_values
from remodal.intake.source_files import path_and_number
from remodal.process.progress import progress

#: Numbers of lines that are told of one value in one place.
_LINES = 5


@dataclass(frozen=True)
class Finding:
    """A value that was found: in which file, where in it, and of which attribute.

    The value itself is nowhere in it: parts of the path that hold one are masked.
    """

    path: str
    place: str
    hit: Hit

    def __str__(self) -> str:
        how = f" ({self.hit.how})" if self.hit.how else ""
        return f"{self.path}: {self.place}: {self.hit.keyword}{how}"


@dataclass(frozen=True)
class Gap:
    """A place that could not be searched: in which file, where in it, and why."""

    path: str
    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.place}: {self.why}"


@dataclass(frozen=True)
class Searched:
    """What a search found and how much it read.

    Attributes:
        findings: each value once for each place.
        gaps: what could not be searched, so that nothing can be said of it.
        files: how many files were read.
        own: files of remodal itself, which a served model carries; they were not read.
        values: how many values were looked for.
        sources: files of the sources that lie in the folders, which were not read.
        histories: folders `.git`, which were not read.
        too_short: how many values of an attribute are too short to be looked for.
        unread_sources: DICOM files of the sources whose tags could not all be read.
        missing_sources: how many sources are not there, or are empty folders.
    """

    findings: list[Finding]
    gaps: list[Gap]
    files: int
    own: int
    values: int
    sources: int
    histories: int
    too_short: dict[str, int]
    unread_sources: list[str]
    missing_sources: int

    @property
    def is_whole(self) -> bool:
        """Whether all was searched for, in all places."""
        return not (self.gaps or self.unread_sources or self.missing_sources)


def check_identity(folders: Sequence[Path], sources: Iterable[Path]) -> Searched:
    """Look in all files of folders, their names too, for identifying values of the sources.

    Args:
        folders: what is to be shared; a single file will do.
        sources: DICOM files or folders that the values are read from.

    Raises:
        UserError: a folder is not there, or the sources say nothing.
        EnvironmentProblem: a file cannot be read, so that nothing can be said.
    """
    for folder in folders:
        if not folder.exists():
            raise UserError("is not there", where=str(folder), expected="what is to be shared")
    sources = list(sources)
    known = identifying_values(sources)
    index = Index(known.values)
    own = {str(path_and_number(source)[0].resolve()) for source in sources}
    found: dict[Finding | Gap, None] = {}
    with _named(index):
        listing = listing_of(folders, own)
        files = [file for file in listing.files if not _is_own_code(file)]
    for path, why in listing.odd.items():
        found |= dict.fromkeys(_in_names(path, index))
        found[Gap(_masked(path, index), "itself", why)] = None
    for file in progress(files, "Searching", total=len(files)):
        with _named(index, file):
            found |= dict.fromkeys(_in_file(file, index))
    return Searched(
        findings=[one for one in found if isinstance(one, Finding)],
        gaps=[one for one in found if isinstance(one, Gap)],
        files=len(files),
        own=len(listing.files) - len(files),
        values=sum(map(len, known.values.values())),
        sources=listing.sources,
        histories=listing.histories,
        too_short={keyword: count for keyword, count in index.too_short.items() if count},
        unread_sources=[_masked(source, index) for source in known.unread],
        missing_sources=len(known.missing),
    )


@cache
def _own_code() -> dict[str, bytes]:
    """What remodal's own files hold, by their paths in the package."""
    package = Path(remodal.__file__).parent
    return {
        str(path.relative_to(package.parent)): path.read_bytes()
        for path in package.rglob("*")
        if path.suffix in (".py", ".j2")
    }


def _is_own_code(file: Path) -> bool:
    """Whether a file is one of remodal's, unchanged: its examples of names are nobody's."""
    if file.suffix not in (".py", ".j2") or "remodal" not in file.parts:
        return False
    inside = file.parts[::-1].index("remodal") + 1
    known = _own_code().get(str(Path(*file.parts[-inside:])))
    return known is not None and known == file.read_bytes()


def _in_file(file: Path, index: Index) -> Iterator[Finding | Gap]:
    path = _masked(file, index)
    yield from _in_names(file, index)
    found: dict[tuple[str, Hit], set[int]] = {}
    for one in texts_of(file):
        # A table may be called by a value.
        place = "***" if index.hits(one.place) else one.place
        if isinstance(one, Unread):
            yield Gap(path, place, one.why)
            continue
        for hit, lines in sorted(index.lines(one.text).items()):
            known = found.setdefault((place, hit), set())
            known.update(one.first_line + line for line in lines if one.first_line)
    for (place, hit), known in found.items():
        yield Finding(path, _with_lines(place, sorted(known)), hit)


def _with_lines(place: str, lines: Sequence[int]) -> str:
    """A place in a file with the first of the lines on which something stands in it."""
    if not lines:
        return place
    shown = ", ".join(map(str, lines[:_LINES]))
    more = f" and {len(lines) - _LINES} more" if len(lines) > _LINES else ""
    return f"{place}, {'line' if len(lines) == 1 else 'lines'} {shown}{more}"


def _in_names(path: Path, index: Index) -> Iterator[Finding]:
    """What the parts of a path hold, and of the path that it leads to if it is a link."""
    masked = _masked(path, index)
    for part in path.parts:
        yield from (Finding(masked, "its name", hit) for hit in sorted(index.hits(part)))
    if path.is_symlink():
        for part in Path(os.readlink(path)).parts:
            yield from (Finding(masked, "its link", hit) for hit in sorted(index.hits(part)))


@contextmanager
def _named(index: Index, file: Path | None = None) -> Iterator[None]:
    """Say which file or folder cannot be read, without the values in its path.

    Raises:
        EnvironmentProblem: the operating system refused one.
    """
    try:
        yield
    except OSError as error:
        refused = error.filename or file
        where = _masked(Path(refused), index) if refused else ""
        raise EnvironmentProblem(
            f"cannot be read ({error.strerror or error})", where=where
        ) from error


def _masked(file: Path, index: Index) -> str:
    """A path in which what holds a value is `***`."""
    return str(Path(*("***" if index.hits(part) else part for part in file.parts)))
