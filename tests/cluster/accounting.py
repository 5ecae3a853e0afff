"""Accounting for the tests' Slurm: a slurmdbd and its MariaDB on loopback, nothing installed."""

import shutil
import subprocess

from tests.cluster.slurm import NO_ACCOUNTING, Slurm, free_port, run, stop, until

PROGRAMS = ("slurmdbd", "sacct", "sacctmgr", "mariadbd", "mariadb-install-db", "mariadb")
ACCOUNT = "lab"

DATABASE = """
CREATE DATABASE accounts;
CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';
CREATE USER 'slurm'@'localhost' IDENTIFIED BY 'slurm';
GRANT ALL ON accounts.* TO 'slurm'@'127.0.0.1';
GRANT ALL ON accounts.* TO 'slurm'@'localhost';
"""

CONFIGURATION = """
AuthType=auth/munge
AuthInfo=socket={cluster}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={storage_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=accounts
"""

#: In slurm.conf, instead of `AccountingStorageType=accounting_storage/none`. A job without an
#: account is refused, as on most clusters that charge for use.
STORAGE = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={cluster}/munge.socket
AccountingStorageEnforce=associations
AccountingStorageTRES=gres/gpu"""


def why_not() -> str | None:
    """Why no accounting can be started here; None where it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"needs Debian's slurmdbd and mariadb-server (no {missing[0]})" if missing else None


class Accounting:
    """A cluster that accounts for its jobs: `with Accounting(cluster)` starts and stops it.

    The cluster's jobs must have ended. Root may use the account `lab`.
    """

    def __init__(self, cluster: Slurm) -> None:
        self.cluster, self.folder = cluster, cluster.folder / "accounting"

    def __enter__(self) -> "Accounting":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.cluster.stop_daemons()
        for name in ("slurmdbd", "mariadbd"):
            stop(self.folder / f"{name}.pid")
        (self.cluster.folder / "slurmdbd.conf").unlink(missing_ok=True)
        shutil.rmtree(self.folder)
        self.cluster.configure(NO_ACCOUNTING)
        self.cluster.start_daemons()

    def stop_slurmdbd(self) -> None:
        """Take the accounting away from the cluster."""
        stop(self.folder / "slurmdbd.pid")

    def start_slurmdbd(self) -> None:
        """Bring it back."""
        run("slurmdbd")
        until(lambda: answers("sacctmgr", "-n", "show", "cluster"), "slurmdbd does not answer")

    def starts(self, job: str) -> list[tuple[str, str]]:
        """State and account of each start of a job."""
        said = run("sacct", "-X", "-n", "-D", "-P", "-o", "State,Account", "-j", job)
        return [tuple(line.split("|")) for line in said.splitlines()]

    def _start(self) -> None:
        self.folder.mkdir()
        ports = {"port": free_port(), "storage_port": free_port()}
        self._start_database(ports["storage_port"])
        # Beside slurm.conf, where slurmdbd looks for it.
        configuration = self.cluster.folder / "slurmdbd.conf"
        configuration.write_text(
            CONFIGURATION.format(folder=self.folder, cluster=self.cluster.folder, **ports)
        )
        configuration.chmod(0o600)  # slurmdbd insists: there is a password in it
        self.cluster.stop_daemons()
        self.cluster.configure(STORAGE.format(cluster=self.cluster.folder, **ports))
        self.start_slurmdbd()
        for words in (("cluster", "remodal-test"), ("account", ACCOUNT), ("user", "root")):
            account = (f"account={ACCOUNT}",) if words[0] == "user" else ()
            run("sacctmgr", "-i", "add", *words, *account)
        self.cluster.start_daemons()

    def _start_database(self, port: int) -> None:
        data = self.folder / "mariadb"
        # MariaDB will not be root; its user must reach the folder.
        self.cluster.folder.chmod(0o755)
        data.mkdir()
        shutil.chown(data, "mysql", "mysql")
        run("mariadb-install-db", "--user=mysql", f"--datadir={data}")
        with open(self.folder / "mariadbd.log", "w") as log:
            server = subprocess.Popen(
                [
                    *("mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}"),
                    *(f"--socket={data}/socket", f"--port={port}", "--bind-address=127.0.0.1"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / "mariadbd.pid").write_text(str(server.pid))
        asked = ("mariadb", "--no-defaults", f"--socket={data}/socket", "--execute")
        until(lambda: answers(*asked, "SELECT 1"), "MariaDB does not answer")
        run(*asked, DATABASE)


def answers(*command: str) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(command, capture_output=True).returncode == 0
