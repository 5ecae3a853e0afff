import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Six jobs in the shape of ours; files tell them what to do.
SNAKEFILE = """
rule all:
    input: expand("out/{case}.json", case=list("abc"))

rule register:
    output: "out/{case}.json"
    log: "logs/register/{case}.log"
    shell: "%(python)s work.py {wildcards.case} {output} > {log} 2>&1"
"""

WORK = """
import sys, time
from pathlib import Path
from remodal import cli
from remodal.errors import UserError
from remodal.results.files import write_text
from remodal.results.records import Record, quarantine, write_record

case, output = sys.argv[1], Path(sys.argv[2])

def work(**_):
    todo = Path(f"todo-{case}")
    todo = todo.read_text() if todo.is_file() else ""
    if todo == "wait":
        write_text(Path("waits"), "")
        time.sleep(600)
    if todo == "mistake":
        raise UserError("is bent", where="image", remedy="straighten it")
    if todo == "fault":
        raise ZeroDivisionError("of ours")
    if todo == "die":
        import os
        os.kill(os.getpid(), 9)
    record = Record(case=case, stage="register", reason="no overlap" if todo == "bad" else "")
    (quarantine if todo == "bad" else lambda p, r: write_record(p, r))(output, record)

cli.app.registered_commands.clear()
cli.app.registered_groups.clear()
cli.app.command("register")(lambda: work())
cli.app.command("other")(lambda: None)
sys.argv = ["remodal", "register"]
cli.main()
"""


class Run:
    """A small workflow with Snakemake and the plugin."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Snakefile").write_text(SNAKEFILE % {"python": sys.executable})
        (folder / "work.py").write_text(WORK)
        self.environment = {**os.environ, "COLUMNS": "80", "PYTHONDONTWRITEBYTECODE": "1"}
        self.command = [str(Path(sys.executable).parent / "snakemake"), "--logger", "remodal"]
        self.command += ["--cores", "1"]

    def does(self, case: str, what: str) -> None:
        (self.folder / f"todo-{case}").write_text(what)

    def snakemake(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *options],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)
