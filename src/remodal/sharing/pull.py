"""Pulling what was shared, so that Snakemake recognises it."""

import shutil
from pathlib import Path

from remodal.errors import EnvironmentProblem, UserError
from remodal.results.files import atomic_path
from remodal.sharing import snakemake_records
from remodal.sharing.adoption import adopt
from remodal.sharing.check import (
    BAD_COPY,
    Mismatch,
    Verdict,
    cached_copy,
    check_results,
    summarised,
)
from remodal.sharing.contents import file_state
from remodal.sharing.dvc_commands import pull_paths, require_remote_folder
from remodal.sharing.records import SharedResult, is_in_git, is_within, sound_records
from remodal.sharing.stages import SharedStage, named, needed, open_repository, shared_stages


def pull(names: list[str]) -> list[str]:
    """Pull stages and what else later stages read, check everything, and tell Snakemake.

    The records of every stage come too, so that Snakemake also knows about results that the pulled
    ones depend on but that are not pulled themselves.

    Args:
        names: stages of dvc.yaml; if empty, all.

    Returns:
        What was done, one line each.

    Raises:
        UserError: no such stage, or nothing was shared.
        EnvironmentProblem: the remote is not there.
        Mismatch: some results are not what was shared; all others are in place.
    """
    snakemake_records.require_known_format()
    snakemake_records.require_idle()
    repository = open_repository()
    stages = shared_stages(repository)
    asked = named(stages, names)
    wanted = needed(stages, asked)
    shared = _shared(stages)
    # If one path of a list is missing, DVC brings none of them: so the records first, alone.
    refused = pull_paths(repository, [stage.records for stage in shared])
    if refused:
        require_remote_folder(repository)
    if pull_paths(repository, wanted):
        refused += " ".join(filter(None, (pull_paths(repository, [path]) for path in wanted)))
    results, problems = sound_records(shared)
    in_git = [result for result in results if is_in_git(result, shared)]
    problems += [
        (result.path, "it lies in git, not in DVC: commit it where it was made")
        for result in in_git
        if not result.path.exists() and any(stage is stages[-1] for stage in asked)
    ]
    here = [one for one in results if one.files is not None and is_within(one.path, set(wanted))]
    here += [result for result in in_git if result.path.exists()]
    cache = Path(repository.cache.local.path)
    if refused:
        _place_what_came(here, cache)
    verdict = check_results(here, cache, pulled=True)
    _take_damaged_away(verdict, here, cache)
    adopt(verdict, [result for result in results if not result.path.exists()])
    lines = summarised(problems + verdict.problems, wanted)
    if lines:
        raise Mismatch(lines)
    if refused:
        raise EnvironmentProblem(refused, where="dvc pull")
    pulled = sum(len(result.files or {}) for result in verdict.sound)
    return [f"checked: {pulled} files of {len(verdict.sound)} results, all as they were shared"]


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
    """Put the files in place that came from a folder that DVC could not bring completely."""
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
