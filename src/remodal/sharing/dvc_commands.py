"""The DVC operations that sharing uses, and what is in DVC's remote."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remodal.errors import EnvironmentProblem

if TYPE_CHECKING:
    from dvc.repo import Repo


def pull_paths(repository: "Repo", paths: Iterable[Path]) -> str:
    """Bring results from the remote, as many as possible even if some fail.

    Returns:
        What failed, in DVC's words; empty if nothing did.
    """
    return _problem(lambda: repository.pull(targets=[str(path) for path in paths]))


def require_remote_folder(repository: "Repo") -> None:
    """Check that the default remote exists if it is a folder; other remotes report this themselves.

    Raises:
        EnvironmentProblem: it does not exist, or no remote is configured.
    """
    found: list[Any] = []
    _require("DVC's remote", lambda: found.append(repository.cloud.get_remote()))
    (remote,) = found
    if remote.fs.protocol == "local" and not remote.fs.exists(remote.path):
        raise EnvironmentProblem(
            "this folder does not exist",
            where=f"DVC's remote `{remote.name}`, {remote.path}",
            remedy="mount it, or name the right one: "
            f"`dvc remote modify --local {remote.name} url FOLDER`",
        )


def commit_stages(repository: "Repo", names: list[str]) -> None:
    """Put the stages' results into the cache and their digests into dvc.lock.

    Raises:
        EnvironmentProblem: it failed.
    """
    for name in names:
        _require("dvc commit", lambda name=name: repository.commit(name, force=True))


def push_stages(repository: "Repo", names: list[str]) -> None:
    """Bring the stages' results from the cache to the remote.

    Raises:
        EnvironmentProblem: it failed.
    """
    _require("dvc push", lambda: repository.push(targets=names))


def push_contents(repository: "Repo", names: set[str]) -> None:
    """Bring single contents (by DVC's name) from the cache to the remote.

    Raises:
        EnvironmentProblem: it failed.
    """
    cache = repository.cache.local
    ordered = sorted(names)
    copies = [cache.oid_to_path(name) for name in ordered]
    _require(
        "DVC's remote",
        lambda: repository.cloud.get_remote_odb().add(copies, cache.fs, ordered),
    )


def missing_in_remote(repository: "Repo", names: set[str]) -> set[str]:
    """Which of these contents (by DVC's name) the default remote does not hold.

    Raises:
        EnvironmentProblem: the remote cannot be reached, or there is none.
    """
    found: list[str] = []

    def look() -> None:
        store = repository.cloud.get_remote_odb()
        found.extend(store.oids_exist(sorted(names)))

    _require("DVC's remote", look)
    return names - set(found)


def _require(where: str, do: Callable[[], Any]) -> None:
    problem = _problem(do)
    if problem:
        raise EnvironmentProblem(problem, where=where, remedy="mend it and run the command again")


def _problem(do: Callable[[], Any]) -> str:
    """What failed according to DVC, on one line; empty if nothing did."""
    import logging

    # DVC's own log repeats the exception, once for each object.
    logging.getLogger("dvc").setLevel(logging.CRITICAL)
    logging.getLogger("dvc_data").setLevel(logging.CRITICAL)
    logging.getLogger("dvc_objects").setLevel(logging.CRITICAL)
    try:
        do()
    except Exception as error:
        # A remote's library may raise anything: what it says, on one line.
        return " ".join(str(error).split()) or type(error).__name__
    return ""
