"""Whether results are what was shared, and what is wrong where they are not."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remodal.errors import ExitCode, RemodalError
from remodal.intake.source_index import NOT_INDEXED
from remodal.process.progress import progress
from remodal.sharing import snakemake_records
from remodal.sharing.contents import (
    FileState,
    changed_since,
    file_state,
    files_of_result,
    times_of_linked,
)
from remodal.sharing.records import SharedResult

CHANGED = "changed by hand since it was made"
NOT_HERE = "not here"
BAD_COPY = "its copy in DVC's cache is damaged"
NO_COPY = "DVC's remote has no sound copy of it"


class Mismatch(RemodalError):
    """Results that are not what was shared, one line each."""

    exit_code = ExitCode.USER_ERROR

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines[0])
        word = "result is" if len(lines) == 1 else "results are"
        self.args = ("\n  ".join([f"{len(lines)} {word} not what was shared:", *lines]),)


@dataclass
class Verdict:
    """What a check found: `sound` results, `problems` as (path, what), and results made again."""

    sound: list[SharedResult] = field(default_factory=list)
    problems: list[tuple[Path, str]] = field(default_factory=list)
    made_again: list[Path] = field(default_factory=list)


def check_results(results: list[SharedResult], cache: Path, *, pulled: bool) -> Verdict:
    """Digest every shared file that should be here and compare it with what was shared.

    Args:
        results: what should be here.
        cache: folder of DVC's cache.
        pulled: whether they were just pulled; what is missing here is then missing in the remote.
    """
    verdict = Verdict()
    linked = _linked(snakemake_records.all_records())

    def look(result: SharedResult) -> list[tuple[Path, str]]:
        found = [
            (result.path / name, _problem(result.path / name, state, cache, pulled=pulled))
            for name, state in (result.files or {}).items()
        ]
        found += [(path, CHANGED) for path in _extra_files(result)]
        return [(path, what) for path, what in found if what]

    # Digesting releases the interpreter's lock.
    with ThreadPoolExecutor() as pool:
        looked = progress(pool.map(look, results), "Checking", total=len(results))
        found = list(zip(results, looked))
    for result, problems in found:
        if not problems:
            verdict.sound.append(result)
        elif result.path.exists() and _is_made_again(result, linked):
            verdict.made_again.append(result.path)
        else:
            verdict.problems += problems
    return verdict


def _problem(path: Path, shared: FileState, cache: Path, *, pulled: bool) -> str:
    """What is wrong with one file; empty when nothing is."""
    if path.is_file() and file_state(path)[:3] == shared[:3]:
        return ""
    copy = cached_copy(cache, shared.md5)
    if copy.is_file() and file_state(copy).md5 != shared.md5:
        return f"{BAD_COPY}: delete {copy} and pull again"
    if path.is_file():
        return CHANGED
    return NO_COPY if pulled and not copy.is_file() else NOT_HERE


def _extra_files(result: SharedResult) -> list[Path]:
    """Files in a result's folder that were not there when it was shared."""
    if result.files is None or not result.path.is_dir():
        return []
    return [result.path / one for one in files_of_result(result.path) if one not in result.files]


def cached_copy(cache: Path, md5: str) -> Path:
    """Where DVC keeps the content of this name."""
    return cache / md5[:2] / md5[2:]


def _is_made_again(result: SharedResult, linked: dict[int, float]) -> bool:
    """Whether Snakemake made the result here after it was shared, and nobody changed it since."""
    record = snakemake_records.read_record(str(result.path))
    if record is None or record["endtime"] <= result.record["endtime"]:
        return False
    return not changed_since(result.path, record["endtime"], linked)


def changed_by_hand(
    made: list[tuple[str, dict[str, Any]]], shared: list[SharedResult]
) -> list[Path]:
    """Files of results that were written after Snakemake made them, and differ from shared ones.

    A file that DVC put back with its shared content is as good as the original, even if its source
    was indexed since.
    """
    known = {result.path: result for result in shared}
    linked = _linked(made)
    found = []
    for output, record in made:
        path = Path(output)
        names = changed_since(path, record["endtime"], linked)
        same = known.get(path)
        if same is not None and snakemake_records.made_alike(same.record, record, NOT_INDEXED):
            names = [name for name in names if not _is_as_shared(path / name, name, same)]
        found += [path / name for name in names]
    return found


def _linked(made: Iterable[tuple[str, dict[str, Any]]]) -> dict[int, float]:
    return times_of_linked({output: record["endtime"] for output, record in made})


def _is_as_shared(path: Path, name: str, result: SharedResult) -> bool:
    state = (result.files or {}).get(name)
    return state is not None and file_state(path)[:3] == state[:3]


def summarised(problems: list[tuple[Path, str]], folders: list[Path]) -> list[str]:
    """One line per problem; a folder that is missing altogether gets one line for all its files."""
    lines = []
    gone = {folder for folder in folders if not folder.exists()}
    for folder in gone:
        inside = [what for path, what in problems if path == folder or folder in path.parents]
        if inside:
            count = "" if inside and (folder, inside[0]) in problems else f" ({len(inside)} files)"
            lines.append(f"{folder}{count}: {inside[0]}")
    lines += [
        f"{path}: {what}"
        for path, what in problems
        if path not in gone and not gone.intersection(path.parents)
    ]
    return lines
