"""Going on with a run whose Snakemake was killed: stop what it left running, unlock, start again.

A killed Snakemake leaves its jobs behind, and a new one knows nothing of them. They are stopped
first, so that none runs twice; a training saves its state when it is asked to stop.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import NoReturn

import psutil

from remodal.cluster.slurm import ask, jobs_of_folder
from remodal.errors import EnvironmentProblem, UserError

#: Longest wait, in seconds, for jobs that were asked to stop: a cluster may give minutes to save.
_PATIENCE = 1800


def resume(folder: Path, arguments: list[str]) -> NoReturn:
    """Stop what a killed Snakemake left running in `folder`, and become a new one.

    Args:
        folder: where Snakemake ran.
        arguments: of the new Snakemake, as they were of the killed one.

    Raises:
        UserError: a Snakemake is at work there.
        EnvironmentProblem: Slurm does not answer, or something does not stop.
    """
    folder = Path(folder).resolve()
    alive = living_snakemake(folder)
    if alive is not None:
        raise UserError(
            f"Snakemake is at work here (process {alive})",
            where=str(folder),
            remedy="leave it, or end it first",
        )
    if shutil.which("squeue") is not None and (_on_cluster(arguments) or _slurm_answers()):
        _stop_slurm_jobs(folder)
    _stop_stages(folder)
    os.chdir(folder)
    unlocked = subprocess.run(["snakemake", "--unlock", *arguments], stdout=subprocess.DEVNULL)
    if unlocked.returncode != 0:
        raise UserError("Snakemake refuses to unlock", where=str(folder), remedy="see above")
    os.execvp("snakemake", ["snakemake", *arguments])


def living_snakemake(folder: Path) -> int | None:
    """Process of the Snakemake that works in `folder` on this machine; None if there is none.

    The Snakemakes that jobs start do not count; they are known by their option `--mode`.
    """
    for process in _processes_in(folder):
        command = process.info["cmdline"] or []
        program = " ".join(Path(part).name for part in command[:3])
        if re.search(r"\bsnakemake\b", program) and "--mode" not in command:
            return process.pid
    return None


def _on_cluster(arguments: list[str]) -> bool:
    """Whether Snakemake's options may mean a cluster, so that its jobs must be known."""
    return any(argument.startswith(("--profile", "--executor", "-e")) for argument in arguments)


def _slurm_answers() -> bool:
    """Whether a Slurm answers its commands: they may be installed without one."""
    return ask("squeue", "--noheader")[0] is not None


def _stop_slurm_jobs(folder: Path) -> None:
    left = _slurm_jobs(folder)
    if not left:
        return
    print(f"cancels {len(left)} Slurm jobs of the run before: {' '.join(left)}", flush=True)
    said, complaint = ask("scancel", *left)
    if said is None:
        raise _no_answer("scancel", complaint)
    end = time.monotonic() + _PATIENCE
    while left := _slurm_jobs(folder):
        if time.monotonic() > end:
            raise EnvironmentProblem(
                f"Slurm jobs {' '.join(left)} do not end", where="squeue", remedy="try again later"
            )
        time.sleep(1)


def _slurm_jobs(folder: Path) -> list[str]:
    """Numbers of the user's Slurm jobs, waiting or running, of Snakemakes in `folder`."""
    jobs, complaint = jobs_of_folder(folder)
    if jobs is None:
        raise _no_answer("squeue", complaint)
    return [job.number for job in jobs]


def _no_answer(program: str, complaint: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"Slurm does not answer ({complaint})",
        where=program,
        remedy="try again when it does: jobs of the run before may still be at work",
    )


def _stop_stages(folder: Path) -> None:
    """End the `remodal` stages of a run on this machine, known by their logs in its results."""
    left = [process for process in _processes_in(folder) if _logs_into(process, folder)]
    if not left:
        return
    numbers = " ".join(str(process.pid) for process in left)
    print(f"ends {len(left)} processes of the run before: {numbers}", flush=True)
    for process in left:
        process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=_PATIENCE)
    if stubborn:
        raise EnvironmentProblem(
            f"process {stubborn[0].pid} does not end", where=str(folder), remedy="end it first"
        )


def _processes_in(folder: Path) -> list[psutil.Process]:
    """Other processes of this user that have the folder as their working folder."""
    me = psutil.Process()
    own = {me.pid, *(parent.pid for parent in me.parents())}
    return [
        process
        for process in psutil.process_iter(["cwd", "cmdline"])
        if process.pid not in own and process.info["cwd"] == str(folder)
    ]


def _logs_into(process: psutil.Process, folder: Path) -> bool:
    if not any(Path(part).name == "remodal" for part in (process.info["cmdline"] or [])[:2]):
        return False
    try:
        files = [Path(file.path) for file in process.open_files()]
    except psutil.Error:
        return False
    return any(file.is_relative_to(folder / "results") and "logs" in file.parts for file in files)
