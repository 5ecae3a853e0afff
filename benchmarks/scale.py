"""Planning a study of the paper's size.

327 patients with two phases, 7 trained models in 5 folds. Every scan and every result is a stand-in
of a few bytes, so that what is measured is Snakemake and what the Snakefile gives it to do. The
finished study is finished to Snakemake: its outputs lie there, and Snakemake itself wrote its
records of them (`--touch`, without the pause that it makes at each job).

Bars: a dry run in at most 15 s and 500 MB, a run of a finished study, which does nothing, in at
most 20 s. A new method plans its own jobs and what shows all methods; a changed scan plans what
comes from it (checked: other plans end the benchmark). Whole processes; of three runs the least,
since other work on the machine only ever adds.

What limits it: Snakemake's own start, some 2 s, and 3 to 5 ms for each job and 0.1 ms for each
input of a job. So a case is preprocessed for all folds in one job, and a training depends on one
file that lists its fold's cases, not on each of them: before, these were 3,078 jobs with 35,000
inputs: 13 s and 278 MB for the dry run. Our own functions take a few hundredths of the time.

Ten times the patients are planned in ten times as long; docs/scale.md says what breaks first then.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
LINKED = ("Snakefile", "workflow", "profiles", "src", "envs", "pyproject.toml")
PATIENTS = 327
FOLDS = 5
RUNS = 3

#: Marks outputs as made, with Snakemake's own records of them.
FINISH = """
from snakemake.executors import touch
touch.Executor.SLEEPING_TIME = 0
from snakemake.cli import main
main()
"""

_SHOWN_ONCE = {"tabulate": 1, "report": 1, "track": 1, "faults": 1, "all": 1}
NEW_METHOD = {"train": FOLDS, "infer": FOLDS, "evaluate": FOLDS} | _SHOWN_ONCE
#: The scan's own conversion and registration; then everything: the statistics that all intensities
#: are normalised with may have changed.
CHANGED_SCAN = (
    {"convert": 1, "register": 1, "split": 1, "fingerprint": FOLDS, "preprocess": PATIENTS}
    | {"inventory": FOLDS, "train": 7 * FOLDS, "infer": 11 * FOLDS, "evaluate": 11 * FOLDS}
    | _SHOWN_ONCE
)


class Measured(NamedTuple):
    """Lowest cost of a command, and the number of jobs that it planned, by rule."""

    seconds: float
    cpu: float
    megabytes: float
    jobs: Counter[str]


def write_study(folder: Path, patients: int) -> None:
    """Write a study of this size, not yet started, in a folder of its own."""
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "config", folder / "config")
    lines = ["case\tmodality\tpath\tlabel"]
    for number in range(1, patients + 1):
        case = f"patient{number:04d}"
        scans = folder / "scans" / case
        scans.mkdir(parents=True)
        for name in ("arterial", "venous", "label"):
            (scans / f"{name}.nii.gz").write_text(name)
        lines.append(f"{case}\tarterial\tscans/{case}/arterial.nii.gz\t")
        lines.append(f"{case}\tvenous\tscans/{case}/venous.nii.gz\tscans/{case}/label.nii.gz")
    (folder / "config/scale.tsv").write_text("\n".join(lines) + "\n")
    choose(folder, {})


def choose(folder: Path, change: dict) -> None:
    """Make the study the chosen one, with a change on top."""
    data = {"name": "scale", "source": "sheet", "sheet": "config/scale.tsv", "simulated": False}
    splits = {"scheme": "kfold", "folds": FOLDS}
    study = {"extends": "liver", "data": data, "splits": splits}
    (folder / "config/studies/scale.yaml").write_text(yaml.safe_dump(study | change))
    chosen = {"study": "scale", "preset": "paper", "seeds": [0]}
    (folder / "config/config.yaml").write_text(yaml.safe_dump(chosen))


def finish(folder: Path) -> None:
    """Write a stand-in of every output and have Snakemake record them."""
    said = run(folder, ["snakemake", "-n", "--cores", "2"])[0]
    for names in re.findall(r"^ {4}output: (.*)$", said, re.MULTILINE):
        for output in (folder / name for name in names.split(", ")):
            if not output.suffix:  # a folder of predictions
                output = output / "predictions.json"
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(output.name)
    touch = [sys.executable, "-c", FINISH, "--touch", "--forceall", "--cores", "2"]
    run(folder, [*touch, "--quiet", "all"])


def run(folder: Path, command: list[str]) -> tuple[str, float, float, float]:
    """Run a command; return its output, wall and CPU seconds and largest resident memory in MB.

    Raises:
        SystemExit: it failed.
    """
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with open(folder / "said.txt", "w+", encoding="utf-8") as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode != 0:
        raise SystemExit(f"{command} failed:\n{text[-4000:]}")
    return text, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def measured(folder: Path, *options: str, runs: int = RUNS) -> Measured:
    """Run Snakemake several times on the same state."""
    command = ["snakemake", "--cores", "2", "--quiet", "rules", *options]
    texts, *costs = zip(*(run(folder, command) for _ in range(runs)))
    planned = re.findall(r"^(\w+) +(\d+)$", texts[0], re.MULTILINE)
    jobs = Counter({rule: int(count) for rule, count in planned if rule != "total"})
    if not jobs and "Nothing to be done" not in texts[0]:
        raise SystemExit(f"neither a plan nor nothing to do:\n{texts[0][-4000:]}")
    return Measured(*map(min, costs), jobs)


def require(found: Counter[str], expected: dict[str, int], what: str) -> None:
    """Check a plan.

    Raises:
        SystemExit: other jobs are planned.
    """
    if found != expected:
        raise SystemExit(f"{what} plans {dict(found)}; expected {expected}")


def row(what: str, cost: Measured, bar: str) -> str:
    """A line of the table."""
    return (
        f"| {what} | {sum(cost.jobs.values()):,} | {cost.seconds:.1f} | {cost.cpu:.1f} "
        f"| {cost.megabytes:.0f} | {bar} |"
    )


def main() -> None:
    """Print the table."""
    print("| | jobs planned | s | CPU s | MB | bar |\n| --- | ---: | ---: | ---: | ---: | --- |")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_study(folder, PATIENTS)
        print(row("dry run from nothing", measured(folder, "-n"), "15 s, 500 MB"))
        finish(folder)
        nothing = measured(folder)
        require(nothing.jobs, {}, "a finished study")
        print(row("run of the finished study", nothing, "20 s"))
        choose(folder, {"methods": {"mine": {"type": "nnunet", "label": "Mine"}}})
        added = measured(folder, "-n")
        require(added.jobs, NEW_METHOD, "a new method")
        print(row("dry run, one method added", added, "15 s, 500 MB"))
        choose(folder, {})
        (folder / "scans/patient0001/arterial.nii.gz").write_text("another scan")
        changed = measured(folder, "-n")
        require(changed.jobs, CHANGED_SCAN, "a changed scan")
        print(row("dry run, one scan changed", changed, "15 s, 500 MB"))
    with TemporaryDirectory() as temporary:
        write_study(Path(temporary), 10 * PATIENTS)
        ten = measured(Path(temporary), "-n", runs=1)
        print(row("dry run from nothing, 3,270 patients", ten, ""))


if __name__ == "__main__":
    main()
