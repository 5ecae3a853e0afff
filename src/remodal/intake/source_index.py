"""The index of a data set's sources: a digest of what lies at each path of the sample sheet.

It is kept in git beside the sheet, so that a changed source is recognised by its content, wherever
it lies, and a clone without the sources still knows what they were. Reading it is light, since the
Snakefile does it.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from remodal.errors import BadCase, UserError
from remodal.intake.source_files import files_of, is_there, states_of_files
from remodal.process.progress import progress
from remodal.results.files import sha256, write_text

COLUMNS = ("path", "sha256")

#: How a conversion's parameter begins if its source is not indexed.
NOT_INDEXED = "not indexed"

#: Seconds after which an index that is being made is written again, for a power cut.
_WRITTEN_EVERY = 30.0


@dataclass
class Changes:
    """What `update_index` did with each path of the sheet."""

    added: list[Path] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    not_there: list[Path] = field(default_factory=list)


def index_file(sheet: Path) -> Path:
    """The index of a sample sheet: `samples.index.tsv` beside `samples.tsv`."""
    return Path(sheet).with_suffix(".index.tsv")


def read_index(sheet: Path | None) -> dict[str, str]:
    """Digest of each indexed path of a sheet; empty when there is no index or no sheet.

    Raises:
        UserError: the file is not an index.
    """
    if sheet is None or not index_file(sheet).is_file():
        return {}
    path = index_file(sheet)
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(rows, 1):
        if (tuple(row) != COLUMNS) if number == 1 else (len(row) != 2 or not is_digest(row[1])):
            raise UserError(
                "wrong line",
                where=f"{path}:{number}",
                expected="a path and a SHA-256, separated by a tab, below a heading",
                remedy="delete the file and run `remodal index`",
            )
    return dict(rows[1:])


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 in hexadecimal."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def source_state(sources: Sequence[Path], index: Mapping[str, str]) -> str:
    """What a conversion depends on: its sources' digest or, without one, the state of their files.

    Indexed sources need not be there. A source that is not indexed is known by its path and by the
    name, size and time of modification of each of its files. The Snakefile asks for this state of
    every image at every start.

    Args:
        sources: paths as in the sheet: one for an image, one or more for a label.
        index: digest of each indexed path.
    """
    if all(str(source) in index for source in sources):
        return digest_of_sources([index[str(source)] for source in sources])
    return f"{NOT_INDEXED}: {'; '.join(map(_state_of_files, sources))}"


def _state_of_files(source: Path) -> str:
    state = hashlib.sha256()
    there = False
    try:
        for name, size, modified in states_of_files(source):
            state.update(f"{name}\0{size}\0{modified}\n".encode(errors="surrogateescape"))
            there |= size >= 0
    except OSError as error:
        return f"{source} cannot be read ({error.strerror})"
    return f"{source} in the state {state.hexdigest()[:16]}" if there else f"{source} is not there"


def digest_of_sources(digests: Sequence[str]) -> str:
    """One digest of a conversion's sources in their order; for a single source, its own."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def content_digest(source: Path) -> str:
    """Digest of a file, or of the files that make up a source, as its conversion's record holds it.

    It is the digest of the sorted digests of its files (`files_of`), whatever their names; for a
    single file, its own.
    """
    try:
        files = files_of(Path(source))
    except BadCase:
        files = []
    return digest_of([sha256(file) for file in files if file.is_file()])


def digest_of(digests: list[str]) -> str:
    """One SHA-256 of the sorted digests of files, one per line; for a single file, its own."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def update_index(sheet: Path, sources: list[Path], *, again: bool = False) -> Changes:
    """Write the index of a sheet's sources; entries of paths it no longer names drop out.

    It is written now and then, and if this is interrupted: what was digested is kept.

    Args:
        sheet: the sample sheet.
        sources: all paths that it names.
        again: also digest sources that are in the index already.
    """
    known = read_index(sheet)
    changes = Changes()
    digests = {str(source): known[str(source)] for source in sources if str(source) in known}
    written = time.monotonic()
    try:
        for source in progress(sources, "Indexing", total=len(sources)):
            old = digests.get(str(source))
            if not is_there(source):
                changes.not_there.append(source)
            elif old is None or again:
                new = digests[str(source)] = content_digest(source)
                verdict = changes.unchanged if new == old else changes.changed
                (changes.added if old is None else verdict).append(source)
            else:
                changes.unchanged.append(source)
            if time.monotonic() - written > _WRITTEN_EVERY:
                _write_index(sheet, digests)
                written = time.monotonic()
    finally:
        _write_index(sheet, digests)
    return changes


def _write_index(sheet: Path, digests: Mapping[str, str]) -> None:
    lines = ["\t".join(COLUMNS), *(f"{path}\t{digests[path]}" for path in sorted(digests))]
    write_text(index_file(sheet), "\n".join(lines) + "\n")
