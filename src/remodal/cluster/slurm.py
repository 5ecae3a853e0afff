"""What Slurm's own programs say, as plain data.

The answer to a question is None if Slurm does not answer: the controller may be away for minutes
(a restart, a fail-over), and so may the accounting. That says nothing about any job.
"""

import getpass
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

#: The executor names all jobs of one run alike: a prefix, and a random identifier.
_RUN = re.compile(r"(\w+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: Seconds that an answer may take. Slurm's programs try again by themselves.
_PATIENCE = 60

#: Longest run, in days, whose ended jobs the accounting is asked for.
_DAYS = 30


@dataclass(frozen=True)
class SlurmJob:
    """A waiting or running job.

    Attributes:
        number: Slurm's.
        state: for example `RUNNING`, `PENDING`.
        reason: why it waits (`Resources`, `PartitionTimeLimit`); empty when it runs.
        what: rule and wildcards as the executor writes them, `rule_train_wildcards_maml_0_0`.
        partition: where.
        left: time to its limit as Slurm writes it, `1-03:20:00`.
    """

    number: str
    state: str
    reason: str
    what: str
    partition: str
    left: str


@dataclass(frozen=True)
class Limits:
    """The most that a partition grants one job.

    Attributes:
        minutes: of run time; None where there is no limit.
        memory: MB on its largest node; None where that is not known.
    """

    minutes: int | None = None
    memory: int | None = None


def ask(*command: str) -> tuple[str | None, str]:
    """What a program of Slurm's says.

    Returns:
        Its answer (None if it fails or does not answer), and what it complains about.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer in {_PATIENCE} seconds"
    except OSError as error:
        return None, str(error)
    return (done.stdout if done.returncode == 0 else None), done.stderr.strip()


def states_of_run(run: str, everywhere: bool = False) -> dict[str, str] | None:
    """State of a run's jobs by number, including those that ended minutes ago; None: no answer.

    Args:
        run: name that all its jobs have.
        everywhere: ask all clusters, not just this one.
    """
    clusters = ("--clusters=all",) if everywhere else ()
    format_ = ("--noheader", "--array", "--states=all", "--format=%i|%T")
    said, _ = ask("squeue", *format_, f"--name={run}", *clusters)
    return None if said is None else _states(said)


def recorded_states_of_run(run: str) -> dict[str, str] | None:
    """The same from the accounting, however long ago.

    Returns:
        The states, empty if the cluster has no accounting; None if it has but does not answer.
    """
    if shutil.which("sacct") is None:
        return {}
    start = f"{datetime.now() - timedelta(days=_DAYS):%Y-%m-%d}"
    options = ("-X", "--noheader", "--parsable2", "--format=JobID,State", f"--starttime={start}")
    said, complaint = ask("sacct", *options, f"--name={run}")
    if said is None:
        return {} if "accounting storage is disabled" in complaint else None
    return _states(said)


def _states(said: str) -> dict[str, str]:
    """States by job number; only the first word of `CANCELLED by 1000`."""
    rows = (line.split("|", 1) for line in said.splitlines() if "|" in line)
    return {number.strip(): state.split()[0] for number, state in rows if state.strip()}


def jobs_of_folder(folder: Path) -> tuple[list[SlurmJob] | None, str]:
    """The user's waiting and running jobs that Snakemakes in `folder` submitted.

    Returns:
        The jobs in the order of their numbers (None if Slurm does not answer), and its complaint.
    """
    format_ = "--format=%A|%T|%r|%k|%P|%L|%j|%Z"
    said, complaint = ask("squeue", "--noheader", f"--user={getpass.getuser()}", format_)
    if said is None:
        return None, complaint
    found = {}
    for line in said.splitlines():
        *about, name, workdir = line.split("|", 7)
        if _RUN.fullmatch(name) and Path(workdir) == folder:
            number, state, reason, what, partition, left = about
            reason = "" if reason == "None" else reason
            found[number] = SlurmJob(number, state, reason, what, partition, left)
    return sorted(found.values(), key=lambda job: int(job.number)), ""


def times_of_job(number: str) -> tuple[float, float] | None:
    """Seconds that an ended job waited and ran; None where Slurm has forgotten it."""
    format_ = ("--noheader", "--states=all", "--format=%V|%S|%e")
    said, _ = ask("squeue", *format_, f"--jobs={number}")
    try:
        times = [datetime.fromisoformat(time) for time in (said or "").strip().split("|")]
        submitted, started, ended = times
    except ValueError:
        return None
    return (started - submitted).total_seconds(), (ended - started).total_seconds()


def limits_of_partitions() -> dict[str, Limits] | None:
    """What each partition grants one job, by name; None: no answer."""
    said, _ = ask("sinfo", "--noheader", "--exact", "--format=%R|%l|%m")
    if said is None:
        return None
    found: dict[str, Limits] = {}
    for line in said.splitlines():
        name, time, memory = (part.strip() for part in line.split("|", 2))
        number = re.match(r"\d+", memory)
        largest = max(int(number[0]) if number else 0, found.get(name, Limits()).memory or 0)
        # Slurm counts 1 MB for a node whose memory is not configured.
        found[name] = Limits(minutes(time), largest if largest > 1 else None)
    return found


def minutes(time: str) -> int | None:
    """Whole minutes of a time limit as Slurm writes it: `30:00`, `12:00:00`, `7-00:00:00`.

    Returns:
        None for `infinite`, `UNLIMITED` and the like.
    """
    parts = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)??(\d+):(\d+)", time.strip())
    if parts is None:
        return None
    days, hours, mins, _ = (int(part or 0) for part in parts.groups())
    return (days * 24 + hours) * 60 + mins
