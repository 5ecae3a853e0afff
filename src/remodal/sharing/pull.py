"""Pulling what was shared, so that Snakemake knows it again; and checking it where it lies."""

import shutil
from pathlib import Path

from remodal.errors import EnvironmentProblem, ExitCode, RemodalError, UserError
from remodal.files import atomic_path
from remodal.sharing import snakemake_records
from remodal.sharing.check import (
    BAD_COPY,
    Verdict,
    cached_copy,
    changed_by_hand,
    check_results,
    summarised,
)
from remodal.sharing.contents import file_state, modified, restore_times
from remodal.sharing.dvc_commands import pull_paths
from remodal.sharing.records import SharedResult, made_here, read_records
from remodal.sharing.stages import SharedStage, named, needed, open_repository, shared_stages


class Mismatch(RemodalError):
    """Results that are not what was shared, one line each."""

    exit_code = ExitCode.USER_ERROR

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines[0])
        word = "result is" if len(lines) == 1 else "results are"
        self.args = ("\n  ".join([f"{len(lines)} {word} not what was shared:", *lines]),)


def pull(names: list[str]) -> list[str]:
    """Pull stages with what later stages read beside them, check all, and tell Snakemake.

    The records of every stage come too, so that Snakemake knows what the results depend on that
    are not pulled.

    Args:
        names: stages of dvc.yaml; none: all.

    Returns:
        What was done, one line each.

    Raises:
        UserError: no such stage, or nothing was shared.
        Mismatch: results that are not what was shared; all others are in place.
    """
    snakemake_records.require_known_format()
    repository = open_repository()
    stages = shared_stages(repository)
    asked = named(stages, names)
    wanted = needed(stages, asked)
    shared = _shared(stages)
    # DVC brings nothing of a list of which it lacks one: the records first, by themselves.
    refused = pull_paths(repository, [stage.records for stage in shared])
    refused += pull_paths(repository, wanted)
    problems = _problems_of_records(shared)
    readable = [stage for stage in shared if stage.records not in dict(problems)]
    results = [result for stage in readable for result in read_records(stage)]
    in_git = _in_git(readable)
    problems += [
        (result.path, "it lies in git, not in DVC: commit it where it was made")
        for result in in_git
        if not result.path.exists() and any(stage is stages[-1] for stage in asked)
    ]
    here = [one for one in results if one.files is not None and _is_within(one.path, set(wanted))]
    here += [result for result in in_git if result.path.exists()]
    cache = Path(repository.cache.local.path)
    if refused:
        _place_what_came(here, cache)
    verdict = check_results(here, cache, pulled=True)
    _take_damaged_away(verdict, here, cache)
    _tell_snakemake(verdict, [result for result in results if not result.path.exists()])
    lines = summarised(problems + verdict.problems, wanted)
    if lines:
        raise Mismatch(lines)
    if refused:
        raise EnvironmentProblem(refused, where="dvc pull")
    pulled = sum(len(result.files or {}) for result in verdict.sound)
    return [f"checked: {pulled} files of {len(verdict.sound)} results, all as they were shared"]


def verify() -> list[str]:
    """Check what is here against what was shared, or, what was not, against when it was made.

    Returns:
        What was found, one line each.

    Raises:
        Mismatch: results that are not what was shared, or that were changed by hand.
    """
    snakemake_records.require_known_format()
    repository = open_repository()
    stages = shared_stages(repository)
    shared = [stage for stage in _shared(stages) if stage.records.is_file()]
    problems = _problems_of_records(shared)
    readable = [stage for stage in shared if stage.records not in dict(problems)]
    results = [result for stage in readable for result in read_records(stage)]
    whole = {path for stage in shared for path in stage.results if path.exists()}
    here = [one for one in results if one.files is not None and _is_within(one.path, whole)]
    verdict = check_results(here, Path(repository.cache.local.path), pulled=False)
    known = {result.path for result in here}
    made = [
        (output, record)
        for of_stage in made_here(stages).values()
        for output, record in of_stage
        if Path(output).exists() and Path(output) not in known
    ]
    changed = [(path, "changed by hand since it was made") for path in changed_by_hand(made, [])]
    lines = summarised(problems + verdict.problems + changed, [])
    if lines:
        raise Mismatch(lines)
    said = [f"{len(verdict.sound)} results are as they were shared"]
    said += [f"{path}: made again here since it was shared" for path in verdict.made_again]
    if made:
        said.append(f"{len(made)} results were not shared; none was changed since it was made")
    return said


def _shared(stages: list[SharedStage]) -> list[SharedStage]:
    shared = [stage for stage in stages if stage.shared]
    if not shared:
        raise UserError(
            "nothing was shared yet",
            where="dvc.lock",
            expected="the dvc.lock of a shared study, from git",
            remedy="whoever has the study runs `remodal share`",
        )
    return shared


def _place_what_came(results: list[SharedResult], cache: Path) -> None:
    """Put files in place that came with a folder of which DVC could not bring all."""
    for result in results:
        for name, state in (result.files or {}).items():
            path, copy = result.path / name, cached_copy(cache, state.md5)
            if not path.exists() and copy.is_file() and file_state(copy)[:3] == state[:3]:
                with atomic_path(path) as temporary:
                    shutil.copyfile(copy, temporary)


def _take_damaged_away(verdict: Verdict, results: list[SharedResult], cache: Path) -> None:
    """Remove files that DVC made from a damaged copy, so that a later pull brings sound ones."""
    names = {
        result.path / name: state.md5
        for result in results
        for name, state in (result.files or {}).items()
    }
    for path, what in verdict.problems:
        copy = cached_copy(cache, names.get(path, ""))
        made_from_it = path.is_file() and what.startswith(BAD_COPY)
        if made_from_it and file_state(path).md5 == file_state(copy).md5:
            path.unlink()


def _problems_of_records(stages: list[SharedStage]) -> list[tuple[Path, str]]:
    """Records that are not what dvc.lock, which is in git, says they are."""
    problems = []
    for stage in stages:
        path = stage.records
        if not path.is_file():
            problems.append((path, "DVC's remote has no sound copy of these records"))
        elif file_state(path).md5 != stage.stored[path]:
            problems.append((path, "the records are not those that dvc.lock names"))
    return problems


def _in_git(stages: list[SharedStage]) -> list[SharedResult]:
    """The shared results that lie in git: DVC stores them not."""
    stored = {path for stage in stages for path in stage.stored}
    return [
        result
        for stage in stages
        for result in read_records(stage)
        if result.files is not None and not _is_within(result.path, stored)
    ]


def _is_within(path: Path, folders: set[Path]) -> bool:
    return path in folders or not folders.isdisjoint(path.parents)


def _tell_snakemake(verdict: Verdict, absent: list[SharedResult]) -> None:
    """Give sound results their times and records back; absent ones their records.

    An absent result's record tells Snakemake when it would be made in another way by now.
    """
    for result in verdict.sound:
        local = snakemake_records.read_record(str(result.path))
        if local and local["endtime"] == modified(result.path) > result.record["endtime"]:
            # Made again here, with the same content: Snakemake knows how.
            continue
        restore_times(result.path, result.files or {})
        snakemake_records.write_record(str(result.path), result.record)
    for result in absent:
        snakemake_records.write_record(str(result.path), result.record)
