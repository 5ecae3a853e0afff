"""A finished study of small files, as Snakemake and DVC would see it, made in no time."""

import os
import subprocess
import sys
from pathlib import Path

from remodal.sharing.contents import modified
from remodal.sharing.snakemake_records import FORMAT
from tests.workspace import ENVIRONMENT, ROOT

STAGES = """\
stages:
  data:
    cmd: "true"
    outs:
      - results/data/scans/registered: {persist: true}
      - results/data/scans/records/data.json: {persist: true}
  models:
    cmd: "true"
    deps: [results/data/scans/registered]
    outs:
      - results/studies/ours/models: {persist: true}
      - results/studies/ours/records/models.json: {persist: true}
  report:
    cmd: "true"
    deps: [results/data/scans/registered, results/studies/ours/models]
    outs:
      - results/studies/ours/report: {persist: true}
      - results/studies/ours/predictions: {persist: true}
      - results/studies/ours/tables/table1.csv: {cache: false, persist: true}
      - results/studies/ours/records/report.json: {persist: true}
"""

#: Output of Snakemake -> files in it (the empty name: the output is a file).
OUTPUTS = {
    "results/data/scans/dicom/p1": {"1.dcm": "slice"},
    "results/data/scans/registered/p1.nii.gz": {"": "volume 1"},
    "results/data/scans/registered/p2.nii.gz": {"": "volume 2"},
    "results/studies/ours/models/a.safetensors": {"": "weights of a"},
    "results/studies/ours/models/b.safetensors": {"": "weights of b"},
    "results/studies/ours/predictions/a": {"p1.nii.gz": "mask", ".snakemake_timestamp": ""},
    "results/studies/ours/report/index.html": {"": "<html>"},
    "results/studies/ours/tables/table1.csv": {"": "method,dice\n"},
}
NOT_SHARED = "results/data/scans/dicom/p1"
IGNORED = "/results/*\n!/results/studies/\n/results/studies/*\n!/results/studies/ours/\n"
IGNORED += "/results/studies/ours/*\n!/results/studies/ours/tables/\n/.snakemake/\n"


class SharedFolder:
    """A git and DVC repository with results; commands run in it as a user runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Added to the environment of every command.
        self.environment: dict[str, str] = {}

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def run(
        self, *command: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command here; with `check` it must succeed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=ENVIRONMENT | self.environment | environment,
            capture_output=True,
            text=True,
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def remodal(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of remodal."""
        return self.run(sys.executable, "-m", "remodal", *arguments, check=check)

    def refusal(self, *arguments: str) -> list[str]:
        """Lines printed by a remodal command that must end with a user's error."""
        done = self.remodal(*arguments, check=False)
        assert done.returncode == 2, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return [line.strip() for line in done.stderr.splitlines() if line.startswith(("remo", " "))]

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def clone(self, folder: Path) -> "SharedFolder":
        """A fresh clone, with git's files only."""
        self.run("git", "clone", "--quiet", str(self.folder), str(folder))
        cloned = SharedFolder(folder)
        cloned.environment = self.environment
        identify(cloned)
        return cloned


def identify(folder: SharedFolder) -> None:
    """Give commits an author."""
    folder.run("git", "config", "user.name", "A. Tester")
    folder.run("git", "config", "user.email", "tester@example.org")


def prepare(folder: SharedFolder, remote: str) -> None:
    """Make a folder a git and DVC repository with a default remote."""
    folder.run("git", "init", "--quiet")
    identify(folder)
    (folder / ".dvc").mkdir(exist_ok=True)
    content = f"[core]\nanalytics = false\nremote = shared\n['remote \"shared\"']\nurl = {remote}\n"
    (folder / ".dvc/config").write_text(content + "verify = true\n")
    (folder / ".dvc/.gitignore").write_text("/cache\n/tmp\n/config.local\n")


def finished_study(folder: SharedFolder, remote: str) -> None:
    """Fill a folder with the results and Snakemake's records of a finished study."""
    from remodal.sharing import snakemake_records

    (folder / "dvc.yaml").write_text(STAGES)
    folder.run("cp", "-a", str(ROOT / "config"), "config")
    (folder / ".gitignore").write_text(IGNORED)
    prepare(folder, remote)
    here = Path.cwd()
    os.chdir(folder.folder)
    try:
        for number, (output, files) in enumerate(OUTPUTS.items()):
            time = 1_700_000_000.123456789 + number
            for name, content in files.items():
                path = Path(output, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
                os.utime(path, (time, time))
            os.utime(output, (time, time))
            snakemake_records.write_record(output, record_of(output))
    finally:
        os.chdir(here)


def times_of(folder: SharedFolder) -> dict[str, int]:
    """Times (ns) of all files that are shared, by path."""
    return {
        str(Path(output, name)): (folder / output / name).stat().st_mtime_ns
        for output, files in OUTPUTS.items()
        for name in files
        if output != NOT_SHARED
    }


def record_of(output: str, **changed: object) -> dict[str, object]:
    """What Snakemake would record of an output as it is now."""
    record = {
        "rule": "make",
        "input": [],
        "params": ["'a digest'"],
        "code": "remodal make",
        "shellcmd": "remodal make /hospital/someone",
        "record_format_version": FORMAT,
        "starttime": modified(Path(output)) - 1,
        "endtime": modified(Path(output)),
        "input_checksums": {},
    }
    return record | changed
