"""Sharing what was made: records beside the results, both put into DVC and its remote."""

import os
from pathlib import Path
from typing import Any

from remodal.counting import counted
from remodal.errors import UserError
from remodal.intake.datasets import cases_of
from remodal.process.progress import progress
from remodal.results.paths import settings_file, study_folder
from remodal.settings import Settings
from remodal.sharing import snakemake_records
from remodal.sharing.check import cached_copy, changed_by_hand, summarised
from remodal.sharing.contents import file_state
from remodal.sharing.dvc_commands import (
    commit_stages,
    missing_in_remote,
    push_contents,
    push_stages,
)
from remodal.sharing.records import SharedResult, made_here, read_records, write_records
from remodal.sharing.shared_study import NAMES, configured_study, name_study
from remodal.sharing.sources import unindexed
from remodal.sharing.stages import SharedStage, named, open_repository, shared_stages


class CannotShare(UserError):
    """Results that must not be shared as they are, one line each."""

    def __init__(self, lines: list[str], remedy: str) -> None:
        super().__init__(lines[0], remedy=remedy)
        head = f"{counted(len(lines), 'result')} cannot be shared; {remedy}:"
        self.args = ("\n  ".join([head, *lines]),)


def record_stage(name: str) -> None:
    """Write the records of one stage, as the last step of its command in dvc.yaml.

    Raises:
        UserError: there is no such stage, it is incomplete, a result was changed by hand, or
            dvc.yaml was about another study until now.
    """
    snakemake_records.require_known_format()
    study = configured_study()
    if name_study(study):
        raise UserError(
            "dvc.yaml was about another study",
            where=str(NAMES),
            remedy=f"it names `{study.study_id}` now: run the same command again",
        )
    stages = shared_stages(open_repository())
    (stage,) = named(stages, [name])
    made = made_here(stages)[stage.name]
    _require_whole(stage, made)
    _write(stage, stages, made)


def share(*, push: bool = True) -> list[str]:
    """Record all stages that are complete here, commit them to DVC, and push.

    A stage that is incomplete or missing here keeps its shared version.

    Returns:
        What was done, one line each.

    Raises:
        UserError: no stage is complete, Snakemake is not done, or a result was changed by hand.
        EnvironmentProblem: DVC fails, or something is not in the remote after the push.
    """
    snakemake_records.require_known_format()
    snakemake_records.require_idle()
    study = configured_study()
    name_study(study)
    repository = open_repository()
    stages = shared_stages(repository)
    said = _about_sources(study)
    made = made_here(stages)
    whole = [stage for stage in stages if not _missing(stage, made[stage.name])]
    if not whole:
        _require_whole(stages[0], made[stages[0].name])
    for stage in whole:
        _write(stage, stages, made[stage.name])
    names = [stage.name for stage in whole]
    commit_stages(repository, names)
    said.append(f"recorded: {', '.join(names)}")
    for stage in stages:
        if stage not in whole:
            missing = _missing(stage, made[stage.name])
            said.append(
                f"{stage.name}: not whole, its shared version stays; not here: {missing[0]}"
            )
    if push:
        said.append(_push(names))
    return [*said, "now commit dvc.lock, config/ and the study's tables to git"]


def _about_sources(study: Settings) -> list[str]:
    """A line on sources that are in no index: a clone without them would convert them again."""
    paths = unindexed(study, cases_of(study))
    if not paths:
        return []
    settings = str(settings_file(study_folder(study.study_id)))
    return [
        f"{len(paths)} sources are in no index, {paths[0]} the first: a clone without them would "
        f"convert them again; run `remodal index --settings {settings}` and share again"
    ]


def _missing(stage: SharedStage, made: list[tuple[str, dict[str, Any]]]) -> list[Path]:
    """What a stage lacks to be complete: the results and outputs that are not here."""
    outputs = [Path(output) for output, _ in made]
    inside = [path for path in outputs if stage.holds(path)]
    results = [path for path in stage.results if not path.exists()]
    return results + [path for path in inside if not path.exists()]


def _require_whole(stage: SharedStage, made: list[tuple[str, dict[str, Any]]]) -> None:
    missing = _missing(stage, made)
    if missing:
        raise UserError(
            f"stage `{stage.name}` is not whole: {len(missing)} results are not here",
            where=str(missing[0]),
            expected="the study of config/config.yaml, finished",
            remedy=(
                f"`snakemake --cores all {stage.name}`, or, for what the study no longer has, "
                "`snakemake --cleanup-metadata FILE`"
            ),
        )


def _write(
    stage: SharedStage, stages: list[SharedStage], made: list[tuple[str, dict[str, Any]]]
) -> None:
    earlier: list[SharedResult] = read_records(stage) if stage.records.is_file() else []
    changed = changed_by_hand([(o, r) for o, r in made if os.path.exists(o)], earlier)
    if changed:
        raise CannotShare(
            [f"{path}: changed by hand since it was made" for path in changed],
            "delete them and run Snakemake again, or pull them",
        )
    write_records(stage, stages, made, earlier)


def _push(names: list[str]) -> str:
    # Open the repository again, so that it sees the new dvc.lock.
    repository = open_repository()
    stages = [stage for stage in shared_stages(repository) if stage.name in names]
    contents = _contents(stages)
    _require_sound_cache(Path(repository.cache.local.path), contents)
    push_stages(repository, names)
    missing = missing_in_remote(repository, set(contents))
    if missing:
        # DVC assumes that a folder is complete once its list is in the remote, even if an earlier
        # push was interrupted.
        push_contents(repository, missing)
        missing = missing_in_remote(repository, set(contents))
    if missing:
        lines = [f"{contents[name]}: not in the remote after the push" for name in sorted(missing)]
        raise CannotShare(lines, "run the same command again")
    return f"pushed: {len(contents)} contents, all of them in the remote"


def _contents(stages: list[SharedStage]) -> dict[str, Path]:
    """Every content (by DVC's name) that the stages' results consist of, with one of its paths."""
    contents = {
        name: path for stage in stages for path, name in stage.stored.items() if name is not None
    }
    for stage in stages:
        for result in read_records(stage):
            if any(path == result.path or path in result.path.parents for path in stage.stored):
                for name, state in (result.files or {}).items():
                    contents[state.md5] = result.path / name
    return contents


def _require_sound_cache(cache: Path, contents: dict[str, Path]) -> None:
    """Check that what will be pushed has the content that its name says.

    Raises:
        CannotShare: naming each damaged copy.
    """
    damaged = []
    for name, path in progress(contents.items(), "Checking the cache", total=len(contents)):
        copy = cached_copy(cache, name)
        if copy.is_file() and file_state(copy).md5 != name.removesuffix(".dir"):
            damaged.append((path, f"its copy in DVC's cache is damaged: delete {copy}"))
    if damaged:
        raise CannotShare(summarised(damaged, []), "then share again")
