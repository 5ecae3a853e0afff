"""The DVC commands that sharing makes use of, and what lies in DVC's remote."""

import subprocess
import sys
from typing import TYPE_CHECKING

from remodal.errors import EnvironmentProblem

if TYPE_CHECKING:
    from dvc.repo import Repo


def run_dvc(*arguments: str) -> str:
    """Run a DVC command; its progress is shown.

    Returns:
        Empty when it succeeded, else its own words for what went wrong.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode == 0:
        return ""
    said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in said if "failed" in line or "error" in line.lower()]
    return " ".join((errors or said or ["no reason given"])[0].split())


def require_dvc(*arguments: str) -> None:
    """Run a DVC command.

    Raises:
        EnvironmentProblem: it failed.
    """
    problem = run_dvc(*arguments)
    if problem:
        raise EnvironmentProblem(
            problem, where=f"dvc {arguments[0]}", remedy="mend it and run the same command again"
        )


def missing_in_remote(repository: "Repo", names: set[str]) -> set[str]:
    """Which of these contents (by DVC's name) the default remote does not hold.

    Raises:
        EnvironmentProblem: the remote cannot be reached, or there is none.
    """
    from dvc.exceptions import DvcException

    try:
        store = repository.cloud.get_remote_odb()
        return names - set(store.oids_exist(sorted(names)))
    except (DvcException, OSError) as error:
        raise EnvironmentProblem(str(error), where="DVC's remote") from error
