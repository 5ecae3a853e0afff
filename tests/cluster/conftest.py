"""A Slurm that the tests start and stop, and folders whose Snakemake submits to it."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from remodal.cluster.slurm import jobs_of_folder
from tests.cluster.slurm import Slurm, stop_all, why_not
from tests.workspace import ENVIRONMENT, ROOT

PREFIX = "remodal-slurm-"

#: Slurm is asked for news every second, unless a wait lasts minutes.
IMPATIENT = (
    *("--profile", "slurm"),
    *("--remodal-slurm-init-seconds-before-status-checks", "1"),
)


@pytest.fixture(scope="package")
def slurm():
    """The cluster of `tests.cluster.slurm`; skipped with a reason if it cannot be started."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    sweep()
    # Not among pytest's folders: it clears those of a run that was killed, with the process ids.
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / "owner").write_text(str(os.getpid()))
    with Slurm(folder) as cluster:
        yield cluster
    shutil.rmtree(folder)


def sweep() -> None:
    """End what killed test runs have left running."""
    for owner in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/owner"):
        if not psutil.pid_exists(int(owner.read_text())):
            stop_all(owner.parent)
            shutil.rmtree(owner.parent, ignore_errors=True)


@pytest.fixture(scope="package")
def environment(slurm):
    """The environment in which Slurm is the tests' own."""
    return ENVIRONMENT | slurm.environment


class Submitter:
    """A folder from which Snakemake submits with the project's own profile."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in the folder; what it says goes to said.log."""
        with open(self.folder / "said.log", "a") as said:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.folder,
                env=self.environment,
                stdout=said,
                stderr=said,
                text=True,
            )
        self._started.append(process)
        return process

    def snakemake(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `snakemake --profile slurm`."""
        return self.start("snakemake", *IMPATIENT, *arguments)

    def finish(self, process: subprocess.Popen[str], seconds: float = 3600) -> None:
        """Wait for a command that must succeed."""
        code = process.wait(seconds)
        assert code == 0, (self.folder / "said.log").read_text()[-8000:]

    def close(self) -> None:
        """End what a failed test has left running."""
        for process in self._started:
            process.kill()
            process.wait()
        left, _ = jobs_of_folder(self.folder.resolve())
        if left:
            subprocess.run(["scancel", *(job.number for job in left)], check=True)

    def wait_for(self, true, seconds: float = 1800) -> None:
        """Wait until `true()`."""
        end = time.monotonic() + seconds
        while not true():
            in_vain = self._started[-1].poll() not in (None, 0) or time.monotonic() > end
            assert not in_vain, (self.folder / "said.log").read_text()[-8000:]
            time.sleep(0.2)


@pytest.fixture(scope="module")
def toy(slurm, tmp_path_factory, environment):
    """Makes folders with a Snakefile of their own beside the project's profiles."""
    made: list[Submitter] = []

    def make(snakefile: str) -> Submitter:
        folder = tmp_path_factory.mktemp("toy")
        for name in ("slurm", "profiles"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "Snakefile").write_text(snakefile)
        made.append(Submitter(folder, environment))
        return made[-1]

    yield make
    for submitter in made:
        submitter.close()


@pytest.fixture
def study_copy(slurm, smoke_study, tmp_path, environment):
    """A copy of the finished smoke study, from which tests may remove results."""
    folder = tmp_path / "study"
    subprocess.run(["cp", "-a", smoke_study.folder, folder], check=True)
    copy = Submitter(folder, environment)
    yield copy
    copy.close()
