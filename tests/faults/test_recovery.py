"""The smoke study, disturbed at a random moment and continued, ends as the undisturbed one.

Not in the default run: `make test-faults` plays 20 rounds, each from an empty folder, with every
kind of fault in turn. The seed is printed; FAULT_SEED and FAULT_ROUNDS set it and the number of
rounds.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workspace import ENVIRONMENT, Workspace

pytestmark = pytest.mark.faults

STUDY = "results/studies/liver-smoke"
#: What must be equal, byte for byte.
COMPARED = ("tables/*", "models/*/*/model.safetensors", "metrics/**/*.csv", "splits.json")
SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**6))
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "20"))
#: A fault comes within this share of the undisturbed run's time, to leave room for slow rounds.
LATEST = 0.9


class Running:
    """A run of the smoke study in a session of its own, as a login or a batch job has one."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.process = subprocess.Popen(
            ["snakemake", "--cores", "2", "--config", "preset=smoke"],
            cwd=workspace.folder,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stages(self) -> list[int]:
        """Process ids of the `remodal` commands that run now, without their watchers."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                session = os.getsid(int(folder.name))
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if session == self.process.pid and any(w.endswith(b"/bin/remodal") for w in words[:2]):
                found[int(folder.name)] = parent
        return [process for process, parent in found.items() if parent not in found]

    def signal_all(self, number: int) -> None:
        """Signal every process of the session, as a machine that goes down does."""
        subprocess.run(["pkill", f"-{number}", "--session", str(self.process.pid)], check=False)

    def end(self) -> int:
        """Wait until Snakemake has ended; its exit code."""
        return self.process.wait(timeout=600)


def kill_a_stage(running: Running, rng: random.Random) -> None:
    """One job dies, as if the kernel killed it for lack of memory."""
    for _ in range(200):
        if stages := running.stages():
            os.kill(rng.choice(stages), signal.SIGKILL)
            return
        time.sleep(0.05)


def kill_snakemake(running: Running, rng: random.Random) -> None:
    """Snakemake dies and its jobs run on: the next run meets a second writer of their outputs."""
    running.process.kill()


def kill_the_machine(running: Running, rng: random.Random) -> None:
    """Everything dies at once."""
    running.signal_all(signal.SIGKILL)


def interrupt(running: Running, rng: random.Random) -> None:
    """Ctrl-C reaches Snakemake and its jobs."""
    running.signal_all(signal.SIGINT)


def shut_down(running: Running, rng: random.Random) -> None:
    """The machine shuts down in an orderly way, or a batch system preempts."""
    running.signal_all(signal.SIGTERM)


KILLS: list[Callable[[Running, random.Random], None]] = [
    kill_a_stage,
    kill_snakemake,
    kill_the_machine,
    interrupt,
    shut_down,
]


class SmallDisk:
    """The results folder on a file system of its own, which can fill up or turn read-only."""

    def __init__(self, workspace: Workspace) -> None:
        self.folder = workspace.folder / "results"
        self.folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", self.folder]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        self._mounts = 1

    def fill(self) -> None:
        """Leave no free byte."""
        with open(self.folder / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                pass

    def make_read_only(self) -> None:
        """Refuse every write except to files that are already open."""
        subprocess.run(["mount", "--bind", self.folder, self.folder], check=True)
        self._mounts += 1
        subprocess.run(["mount", "-o", "remount,bind,ro", self.folder], check=True)

    def repair(self) -> None:
        """Give space and permission again."""
        while self._mounts > 1:
            self._unmount()
        (self.folder / "filler").unlink(missing_ok=True)

    def remove(self) -> None:
        """Give the memory back."""
        while self._mounts:
            self._unmount()

    def _unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=True)
        self._mounts -= 1


def compared(workspace: Workspace) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for pattern in COMPARED:
        found |= workspace.files(f"{STUDY}/{pattern}")
    return found


def finish(workspace: Workspace) -> None:
    """Continue with the one documented command."""
    workspace.run("remodal", "resume", "--cores", "2", "--config", "preset=smoke")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What an undisturbed run makes, and its seconds."""
    print(f"\nFAULT_SEED={SEED} FAULT_ROUNDS={ROUNDS}")
    workspace = Workspace(tmp_path_factory.mktemp("undisturbed"))
    start = time.monotonic()
    workspace.snakemake("--config", "preset=smoke")
    made = compared(workspace), time.monotonic() - start
    assert len(made[0]) > 20
    return made


def require_equal(workspace: Workspace, expected: dict[str, bytes]) -> None:
    made = compared(workspace)
    assert sorted(made) == sorted(expected)
    different = [path for path in expected if made[path] != expected[path]]
    assert not different, f"FAULT_SEED={SEED}"


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_disturbed_study_ends_as_the_undisturbed_one(undisturbed, workspace, number):
    expected, seconds = undisturbed
    rng = random.Random(f"{SEED} {number}")
    fault, moment = KILLS[number % len(KILLS)], rng.uniform(2, LATEST * seconds)
    print(f"round {number}: {fault.__name__} after {moment:.1f} s")
    running = Running(workspace)
    time.sleep(moment)
    fault(running, rng)
    running.end()
    finish(workspace)
    require_equal(workspace, expected)
    shutil.rmtree(workspace.folder / "results")


@pytest.mark.parametrize("fault", ["fill", "make_read_only"])
def test_a_disk_that_refuses_stops_the_study_and_harms_nothing(undisturbed, workspace, fault):
    expected, seconds = undisturbed
    moment = random.Random(f"{SEED} {fault}").uniform(2, 0.6 * seconds)
    print(f"{fault} after {moment:.1f} s")
    disk = SmallDisk(workspace)
    try:
        running = Running(workspace)
        time.sleep(moment)
        getattr(disk, fault)()
        assert running.end() != 0
        disk.repair()
        finish(workspace)
        require_equal(workspace, expected)
    finally:
        disk.remove()
