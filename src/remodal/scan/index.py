"""The index of an export: what each file is, kept so that a later scan reads only new files.

One line of JSON per file, written as soon as the file was read: an interrupted scan goes on where
it stopped. Elements that many files share stand in a line of their own and are one object in
memory. The index holds values that identify patients, so only its owner may read it.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from remodal.process.parallel import in_parallel
from remodal.results.files import explain
from remodal.scan.objects import Found, Kind, look_at
from remodal.scan.tags import OWN
from remodal.scan.walking import File

_HEAD = ["remodal scan", 3]
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Indexed:
    """What a file is; see `objects.Found`. `own` and `shared` hold its elements as text."""

    path: str
    kind: Kind
    said: str
    own: dict[str, str]
    shared: dict[str, str]
    positions: list[tuple[float, ...]]
    parts: list[int]
    drawn_on: list[str]
    images: list[str]

    def get(self, keyword: str) -> str:
        """Text of an element; empty if it is missing."""
        return (self.own if keyword in OWN else self.shared).get(keyword, "")


@dataclass
class _Known:
    """What an index file holds: files by path, size and time, and the shared elements."""

    files: dict[tuple[str, int, int], Indexed] = field(default_factory=dict)
    shared: list[dict[str, str]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, shared: dict[str, str]) -> tuple[int, bool]:
        """Number of shared elements, and whether it is new."""
        text = json.dumps(shared)
        if text in self.numbers:
            return self.numbers[text], False
        self.numbers[text] = len(self.shared)
        self.shared.append(shared)
        return self.numbers[text], True


def index_files(files: Sequence[File], index: Path, workers: int) -> list[Indexed]:
    """Read the headers of files, those that are not in the index yet.

    Args:
        files: as `walk` lists them.
        index: file of the index; made if it is missing.
        workers: processes that read.

    Returns:
        What each file is, in the order of `files`.

    Raises:
        EnvironmentProblem: the index cannot be written.
    """
    known = _read(index)
    new = [file for file in files if _key(file) not in known.files]
    if new:
        with _appended(index, fresh=not known.files) as stream:
            parts = [new[start : start + _AT_ONCE] for start in range(0, len(new), _AT_ONCE)]
            for part in in_parallel(_look_at_each, parts, workers, "Reading"):
                stream.write("".join(_line(known, file, found) for file, found in part))
                stream.flush()
    return [known.files[_key(file)] for file in files]


def _key(file: File) -> tuple[str, int, int]:
    return file.path, file.size, file.modified


def _look_at_each(files: Sequence[File]) -> list[tuple[File, Found]]:
    return [(file, look_at(file.path)) for file in files]


def _line(known: _Known, file: File, found: Found) -> str:
    """Take a file into the index; the lines that say so."""
    own = {keyword: text for keyword, text in found.elements.items() if keyword in OWN}
    shared = {keyword: text for keyword, text in found.elements.items() if keyword not in OWN}
    number, is_new = known.number(shared)
    placed = [found.positions, found.parts]
    rest = [found.kind, found.said, own, *placed, found.drawn_on, found.images]
    _take(known, file, number, rest)
    lines = [[shared]] if is_new else []
    lines.append([file.path, file.size, file.modified, number, *rest])
    # Names of files may hold bytes that are no text.
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _take(known: _Known, file: File, number: int, rest: list[Any]) -> None:
    kind, said, own, *placed_and_named = rest
    known.files[_key(file)] = Indexed(
        file.path, kind, said, own, known.shared[number], *placed_and_named
    )


def _read(index: Path) -> _Known:
    """The index as far as it is whole; empty if it is missing or of another version."""
    known = _Known()
    if not index.is_file():
        return known
    with open(index, encoding="utf-8") as stream:
        if stream.readline() != f"{json.dumps(_HEAD)}\n":
            return known
        for line in stream:
            try:
                _take_line(known, json.loads(line))
            except (ValueError, IndexError, TypeError):
                break  # cut off in the middle of a line
    return known


def _take_line(known: _Known, line: list[Any]) -> None:
    if len(line) == 1:
        known.number(line[0])
        return
    path, size, modified, number, *rest = line
    _take(known, File(path, size, modified), number, rest)


@contextmanager
def _appended(index: Path, fresh: bool) -> Iterator[IO[str]]:
    """The index, open for more lines; `fresh`: it is begun anew."""
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(index, os.O_RDWR | os.O_CREAT, 0o600)
        with open(handle, "r+", encoding="utf-8") as stream:
            if fresh:
                stream.truncate(0)
                stream.write(f"{json.dumps(_HEAD)}\n")
            else:
                _cut_after_last_line(stream)
            yield stream
    except OSError as error:
        raise explain(error, index) from error


def _cut_after_last_line(stream: IO[str]) -> None:
    """Remove a line that was begun, and go to the end."""
    content = stream.buffer
    end = content.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - (1 << 16))
        content.seek(start)
        last = content.read(end - start).rfind(b"\n")
        if last >= 0:
            end = start + last + 1
            break
        end = start
    stream.seek(0)
    content.truncate(end)
    stream.seek(0, os.SEEK_END)
