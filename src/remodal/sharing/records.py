"""A stage's records: what each of its results is, and Snakemake's record of how it was made.

They are one JSON file per stage, an out of the stage itself, so that they travel with the results.
A result that is recorded without files, such as a simulated scan, is not shared itself; its record
still tells a clone when it would be made differently.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.process.progress import progress
from remodal.results.files import read_json, write_json
from remodal.sharing import snakemake_records
from remodal.sharing.contents import FileState, file_state, states_of
from remodal.sharing.stages import SharedStage, stage_of

FORMAT = 1


@dataclass(frozen=True)
class SharedResult:
    """One output of Snakemake: its files by their name within it, None when it is not shared."""

    path: Path
    files: dict[str, FileState] | None
    record: dict[str, Any]


def made_here(stages: list[SharedStage]) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Snakemake's records of this folder, by the stage that shares them.

    Results that no stage shares go with the first stage, unless they belong to another data set or
    study.
    """
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {stage.name: [] for stage in stages}
    first = stages[0]
    for output, record in snakemake_records.all_records():
        stage = stage_of(output, stages)
        if stage is None and first.records.parents[1] in Path(output).parents:
            stage = first
        if stage is not None:
            found[stage.name].append((output, record))
    return found


def write_records(
    stage: SharedStage,
    stages: list[SharedStage],
    made: list[tuple[str, dict[str, Any]]],
    earlier: list[SharedResult],
) -> None:
    """Write the records of a stage from what Snakemake has made of it.

    Results that are in no stage are recorded without files. An unchanged result keeps its earlier
    entry, with its times: equal results give an equal dvc.lock.
    """
    known = {result.path: result for result in earlier}
    results = {}
    for output, record in progress(made, f"Digesting {stage.name}", total=len(made)):
        path = Path(output)
        files = states_of(path) if stage_of(output, stages) is not None else None
        result = SharedResult(path, files, snakemake_records.shareable(record))
        before = known.get(path)
        if before is not None and _is_unchanged(before, result):
            result = before
        results[output] = {"files": _plain(result.files), "record": result.record}
    content = {"format": FORMAT, "snakemake": snakemake_records.FORMAT, "stage": stage.name}
    write_json(stage.records, content | {"results": results})


def _is_unchanged(before: SharedResult, now: SharedResult) -> bool:
    """Whether a result has the same content as before and was made in the same way."""
    return _contents(before) == _contents(now) and snakemake_records.made_alike(
        before.record, now.record
    )


def _contents(result: SharedResult) -> dict[str, tuple[str, str, int]] | None:
    if result.files is None:
        return None
    return {name: state[:3] for name, state in result.files.items()}


def _plain(states: dict[str, FileState] | None) -> dict[str, dict[str, Any]] | None:
    return None if states is None else {name: state._asdict() for name, state in states.items()}


def read_records(stage: SharedStage) -> list[SharedResult]:
    """The results of a stage as they were shared.

    Raises:
        UserError: the file is damaged or of another version.
    """
    where = str(stage.records)
    try:
        content = read_json(stage.records)
        if content["format"] != FORMAT or content["snakemake"] != snakemake_records.FORMAT:
            raise UserError(
                f"records of format {content['format']} with Snakemake's {content['snakemake']}",
                where=where,
                expected=f"{FORMAT} with {snakemake_records.FORMAT}",
                remedy="use the version of remodal that shared them",
            )
        return [_read(path, described) for path, described in content["results"].items()]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError("is damaged", where=where, remedy=f"`remodal pull {stage.name}`") from error


def sound_records(
    stages: list[SharedStage],
) -> tuple[list[SharedResult], list[tuple[Path, str]]]:
    """The results of all stages, and what is wrong with records that cannot be relied on.

    Records are sound if dvc.lock, which is in git, names them.
    """
    results: list[SharedResult] = []
    problems = []
    for stage in stages:
        path = stage.records
        if not path.is_file():
            problems.append((path, "DVC's remote has no sound copy of these records"))
        elif file_state(path).md5 != stage.stored[path]:
            problems.append((path, "the records are not those that dvc.lock names"))
        else:
            results += read_records(stage)
    return results, problems


def is_in_git(result: SharedResult, stages: list[SharedStage]) -> bool:
    """Whether a shared result is in git, not stored by DVC."""
    stored = {path for stage in stages for path in stage.stored}
    return result.files is not None and not is_within(result.path, stored)


def is_within(path: Path, folders: set[Path]) -> bool:
    """Whether a path is one of the folders or is inside one."""
    return path in folders or not folders.isdisjoint(path.parents)


def _read(path: str, described: dict[str, Any]) -> SharedResult:
    files = described["files"]
    if files is not None:
        files = {name: FileState(**state) for name, state in files.items()}
    inside = Path(path)
    if inside.is_absolute() or ".." in inside.parts or inside.parts[0] != "results":
        raise ValueError(f"{path} lies outside results/")
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in files or ()):
        raise ValueError(f"{path} names a file outside itself")
    return SharedResult(inside, files, described["record"])
