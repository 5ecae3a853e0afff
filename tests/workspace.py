"""A place where Snakemake runs as in a fresh clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
}

LINKED = ("Makefile", "Snakefile", "workflow", "profiles", "slurm", "src", "envs", "pyproject.toml")
#: What a test or DVC writes to.
COPIED = ("config", "dvc.yaml", ".gitignore")


#: Python runs this at the start of every process.
_BREAK = """
import importlib, sys

def broken(*arguments, **options):
    raise ZeroDivisionError("secret of {case}")

if {{"{stage}", "{case}"}} <= set(sys.orig_argv):
    setattr(importlib.import_module("{module}"), "{name}", broken)
"""


class Workspace:
    """A folder with the pipeline's files and its own results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = dict(ENVIRONMENT)
        for name in LINKED:
            (folder / name).symlink_to(ROOT / name)
        for name in COPIED:
            subprocess.run(["cp", "-r", ROOT / name, folder / name], check=True)
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        (folder / ".dvc").mkdir()
        (folder / ".dvc/config").write_bytes((ROOT / ".dvc/config").read_bytes())

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command here, with the environment's programs first."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
        )
        if check and done.returncode != 0:
            pytest.fail(f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Snakemake here on two cores."""
        return self.run("snakemake", "--cores", "2", *arguments, check=check)

    def break_stage(self, stage: str, case: str, function: str) -> None:
        """From now on, our function `module:name` raises when a stage works on this case."""
        module, _, name = function.partition(":")
        (self.folder / "broken").mkdir(exist_ok=True)
        with open(self.folder / "broken/sitecustomize.py", "a", encoding="utf-8") as file:
            file.write(_BREAK.format(stage=stage, case=case, module=module, name=name))
        path = os.environ.get("PYTHONPATH", "")
        self.environment["PYTHONPATH"] = f"{self.folder / 'broken'}:{path}"

    def files(self, pattern: str) -> dict[str, bytes]:
        """Content of the files that match, by path."""
        found = sorted(self.folder.glob(pattern))
        return {str(f.relative_to(self.folder)): f.read_bytes() for f in found if f.is_file()}
