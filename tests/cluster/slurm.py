"""A Slurm of two nodes on this machine, for tests: real daemons on loopback, nothing installed.

All of it lies in a folder of its own: configuration, key, sockets, state. A cluster that this
machine may belong to is neither asked nor touched.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.workspace import ENVIRONMENT

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "munged", "munge")
#: The executor starts a job's step without any of Slurm's variables, not even SLURM_CONF. So the
#: `srun` that it finds first says again which cluster is meant.
SRUN = """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""
NODES = ("n1", "n2")
DAEMONS = ("slurmctld", "slurmd", "munged", "slurmdbd", "mariadbd")
NO_ACCOUNTING = "AccountingStorageType=accounting_storage/none"

# Both nodes claim more than the machine has: the profile's requests are for real nodes.
CONFIGURATION = """
ClusterName=remodal-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
MpiDefault=none
MailProg=/bin/true
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1,defer
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=6
KillWait={kill_wait}
MinJobAge=600
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
{storage}
GresTypes=gpu
NodeName=DEFAULT CPUs=16 RealMemory=256000
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} Gres=gpu:1 Weight=2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} Weight=1
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=UNLIMITED State=UP PreemptMode=REQUEUE
PartitionName=gpu Nodes=n1 MaxTime=UNLIMITED State=UP PriorityTier=1
PartitionName=urgent Nodes=n1 MaxTime=UNLIMITED State=UP PriorityTier=9
"""


def why_not() -> str | None:
    """Why no Slurm can be started here; None where it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"needs Debian's slurmctld, slurmd, slurm-client and munge (no {missing[0]})"
    if os.geteuid() != 0:
        return "needs root: slurmd starts jobs as their owners"
    return None


class Slurm:
    """The cluster; `with Slurm(folder) as cluster` starts and stops it.

    Partition `gpu` is node n1 with one stand-in GPU; a job in `urgent` preempts one in `gpu`. Jobs
    in `cpu` go to n2 as long as it accepts any.
    """

    def __init__(self, folder: Path, kill_wait: int = 20) -> None:
        self.folder, self.kill_wait = folder, kill_wait

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which Slurm's programs, and Snakemake's jobs, find this cluster."""
        return {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder / 'programs'}:{ENVIRONMENT['PATH']}",
        }

    def __enter__(self) -> "Slurm":
        # First of all: without it Slurm's programs would talk to the machine's own cluster.
        self._before = os.environ.copy()
        os.environ.update(self.environment)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        # What still runs is not needed: it is killed at once, so that nothing outlives the daemons.
        with suppress(RuntimeError):
            if own := [job["id"] for job in self.jobs()]:
                run("scancel", "--signal=KILL", "--full", *own, check=False)
                run("scancel", *own, check=False)
        stop_all(self.folder)
        os.environ.clear()
        os.environ.update(self._before)

    def start_daemons(self) -> None:
        """Start the controller and both nodes, which then take jobs."""
        run("slurmctld", "-i", "-c")
        for node in NODES:
            self.start_node(node)
        until(lambda: self.idle() == set(NODES), "the nodes do not come up")

    def stop_daemons(self) -> None:
        """Stop them; the cluster forgets its jobs."""
        for name in (*NODES, "slurmctld"):
            stop(self.folder / f"{name}.pid")

    def stop_controller(self) -> None:
        """Take the controller away; jobs at work go on, as their nodes do."""
        stop(self.folder / "slurmctld.pid")

    def start_controller(self) -> None:
        """Bring it back, with the jobs that it knew."""
        run("slurmctld")
        until(lambda: bool(self.idle()), "the controller does not come up")

    def configure(self, storage: str) -> None:
        """Write the configuration, with these lines on accounting, for the daemons' next start."""
        text = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=self.folder,
            kill_wait=self.kill_wait,
            storage=storage,
            **self._ports,
        )
        (self.folder / "slurm.conf").write_text(text)

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        (self.folder / "spool" / node).mkdir(parents=True, exist_ok=True)
        run("slurmd", "-N", node)

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon, as a power cut would but for the processes of its jobs."""
        os.kill(int((self.folder / f"{node}.pid").read_text()), signal.SIGKILL)

    def cancel(self, *arguments: str) -> None:
        """`scancel`, for a job or for what options say."""
        run("scancel", *arguments)

    def submit(self, command: str, folder: Path) -> str:
        """Submit a job as somebody else might, from a folder; return its number."""
        options = ("--parsable", "--output=/dev/null", f"--chdir={folder}", "--partition=cpu")
        return run("sbatch", *options, f"--wrap={command}")

    def start_requeued(self, number: str) -> None:
        """Let a requeued job start at once, which Slurm would only do after two minutes."""
        waiting = ("--states=PENDING", f"--jobs={number}")
        until(lambda: bool(self.jobs(*waiting)), f"job {number} is not requeued")
        run("scontrol", "update", f"JobId={number}", "StartTime=now")

    def idle(self) -> set[str]:
        """Nodes that take jobs."""
        said = run("sinfo", "--noheader", "--Node", "--format=%N %t").split("\n")
        return {line.split()[0] for line in said if line and line.split()[1] in ("idle", "mix")}

    def jobs(self, *options: str) -> list[dict[str, str]]:
        """Jobs that squeue lists: id, name, state, comment, node, folder, gres, cpus, limit."""
        keys = ("id", "name", "state", "comment", "node", "folder", "tres", "cpus", "limit")
        said = run("squeue", "--noheader", "--format=%i|%j|%T|%k|%N|%Z|%b|%C|%l", *options)
        return [dict(zip(keys, line.split("|"))) for line in said.splitlines()]

    def running(self, word: str, seconds: float = 1800) -> dict[str, str]:
        """The first running job with `word` in its comment (rule and wildcards), waited for."""
        found: list[dict[str, str]] = []

        def there() -> bool:
            found[:] = [job for job in self.jobs("--states=RUNNING") if word in job["comment"]]
            return bool(found)

        until(there, f"no job of {word} runs", seconds)
        return found[0]

    def _start(self) -> None:
        # Slurm wants its state where only root writes, and names of sockets must be short.
        (self.folder / "state").mkdir(parents=True)
        names = ("port", "node_port", "first", "second")
        self._ports = {name: free_port() for name in names}
        self.configure(NO_ACCOUNTING)
        # A GPU without a device file counts as none; any character device will do.
        (self.folder / "gres.conf").write_text("NodeName=n1 Name=gpu File=/dev/null\n")
        srun = self.folder / "programs" / "srun"
        srun.parent.mkdir()
        srun.write_text(
            SRUN.format(folder=self.folder, srun=shutil.which("srun", path=self._before["PATH"]))
        )
        srun.chmod(0o755)
        self._start_munge()
        self.start_daemons()

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        options = {
            "key-file": key,
            "socket": self.folder / "munge.socket",
            "pid-file": self.folder / "munged.pid",
            "log-file": self.folder / "munged.log",
            "seed-file": self.folder / "munged.seed",
        }
        run("munged", "--force", *(f"--{name}={value}" for name, value in options.items()))
        asked = ["munge", "-n", f"--socket={self.folder / 'munge.socket'}"]
        until(lambda: not subprocess.run(asked, capture_output=True).returncode, "munge")


def stop_all(folder: Path) -> None:
    """End every daemon that wrote its process id below a folder."""
    for file in sorted(folder.rglob("*.pid")):
        stop(file)


def stop(file: Path) -> None:
    """End a daemon by the process id that it wrote down."""
    if not file.is_file():
        return
    number = int(file.read_text())
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        if _ended(number):
            return
        os.kill(number, wanted)
        with suppress(TimeoutError):
            until(lambda: _ended(number), f"{file.stem} does not end", 10)


def _ended(number: int) -> bool:
    """Whether a daemon is gone: it may be a zombie, or another process may have its number."""
    try:
        process = psutil.Process(number)
        return process.status() == psutil.STATUS_ZOMBIE or process.name() not in DAEMONS
    except psutil.NoSuchProcess:
        return True


def run(*command: str, check: bool = True) -> str:
    """What a command says."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.stderr}{done.stdout}")
    return done.stdout.strip()


def until(true, otherwise: str, seconds: float = 300) -> None:
    """Wait until `true()`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{otherwise} ({seconds:.0f} s)")
        time.sleep(0.2)


def free_port() -> int:
    """A port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
