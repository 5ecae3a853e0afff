"""The stages of dvc.yaml: which results each of them shares, and what later ones read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError

if TYPE_CHECKING:
    from dvc.repo import Repo


@dataclass(frozen=True)
class SharedStage:
    """One stage of dvc.yaml; paths are relative to the working folder.

    `results` are its outs except for `records`. `stored` are those that are in DVC's cache and
    remote, each with its digest in dvc.lock, or None if it was never shared. The others are in git,
    and `in_git` are their folders, since the small tables beside them are in git too. `reads` are
    the results of other stages that it depends on.
    """

    name: str
    records: Path
    results: tuple[Path, ...]
    reads: tuple[Path, ...]
    stored: dict[Path, str | None]
    in_git: tuple[Path, ...]

    @property
    def shared(self) -> bool:
        """Whether dvc.lock says what its results are."""
        return self.stored[self.records] is not None

    def holds(self, path: Path) -> bool:
        """Whether a path is one of the results, is inside one, or is in git beside one."""
        inside = any(path == one or one in path.parents for one in self.results)
        return inside or any(folder in path.parents for folder in self.in_git)


def open_repository() -> "Repo":
    """The DVC repository of the working folder.

    Raises:
        UserError: there is none here, or dvc.yaml is wrong.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    remedy = "run this in the pipeline's own folder, a git repository with a DVC remote"
    try:
        return Repo(".")
    except DvcException as error:
        raise UserError(str(error), where="DVC", remedy=remedy) from error


def shared_stages(repository: "Repo") -> list[SharedStage]:
    """The stages that keep records, in the order of the data.

    Raises:
        UserError: dvc.yaml cannot be read.
    """
    from dvc.exceptions import DvcException

    try:
        found = [stage for stage in repository.index.stages if getattr(stage, "name", None)]
    except DvcException as error:
        raise UserError(str(error), where="dvc.yaml") from error
    return [_described(stage) for stage in found if _records_of(stage)]


def _records_of(stage) -> Path | None:
    paths = [_relative(out.fs_path) for out in stage.outs]
    return next(
        (path for path in paths if path.parts[-2:] == ("records", f"{stage.name}.json")), None
    )


def _described(stage) -> SharedStage:
    records = _records_of(stage)
    assert records is not None
    outs = {_relative(out.fs_path): out for out in stage.outs}
    return SharedStage(
        name=stage.name,
        records=records,
        results=tuple(path for path in outs if path != records),
        reads=tuple(
            path
            for path in (_relative(dep.fs_path) for dep in stage.deps)
            if path.parts[0] == "results"
        ),
        stored={
            path: out.hash_info.value if out.hash_info else None
            for path, out in outs.items()
            if out.use_cache
        },
        in_git=tuple({path.parent for path, out in outs.items() if not out.use_cache}),
    )


def _relative(path: str) -> Path:
    return Path(path).relative_to(Path.cwd())


def stage_of(output: str, stages: list[SharedStage]) -> SharedStage | None:
    """The stage that shares an output of Snakemake; None for what nothing shares.

    Simulated scans are not shared, nor is what each place has for itself, such as MLflow's runs.
    """
    return next((stage for stage in stages if stage.holds(Path(output))), None)


def named(stages: list[SharedStage], names: list[str]) -> list[SharedStage]:
    """The stages with these names, or all stages.

    Raises:
        UserError: there is no such stage.
    """
    known = {stage.name: stage for stage in stages}
    for name in names:
        if name not in known:
            raise UserError(f"no stage `{name}`", where="dvc.yaml", expected=", ".join(known))
    return [known[name] for name in names] if names else stages


def needed(stages: list[SharedStage], wanted: list[SharedStage]) -> list[Path]:
    """What to pull to go on from `wanted`: their results, and what else later stages read.

    Results that a stage after the wanted ones makes are left out.
    """
    first = min(stages.index(stage) for stage in wanted)
    later = stages[first + 1 :]
    remade = [path for stage in later if stage not in wanted for path in stage.results]
    read = [path for stage in later for path in stage.reads if path not in remade]
    own = [path for stage in wanted for path in stage.results if path in stage.stored]
    return list(dict.fromkeys([*own, *read]))
