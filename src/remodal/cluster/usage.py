"""What jobs asked of the cluster and what they used: noted as each ends, summed up for a report.

Memory comes from Snakemake's benchmark of each stage; running and waiting times come from Slurm's
controller. So no accounting is needed.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean

#: Beside the benchmarks of the data set or study that a job worked on.
JOBS = Path("benchmarks/slurm.tsv")


@dataclass(frozen=True)
class Ended:
    """One job that ended well.

    Attributes:
        name: of its rule or group.
        stages: those that it consisted of, separated by commas.
        memory_asked: MB.
        minutes_asked: of run time.
        seconds_waited: from submission to start; empty if Slurm had forgotten it.
        seconds_ran: from start to end; empty likewise.
    """

    name: str
    stages: str
    memory_asked: int | str
    minutes_asked: int | str
    seconds_waited: float | str
    seconds_ran: float | str


@dataclass(frozen=True)
class Use:
    """What jobs of one name asked for and used, for a row of a table.

    Attributes:
        name: of rule or group.
        jobs: how many ended well.
        waited: mean and longest wait in seconds; None where that is not known.
        memory: MB asked for, and the most that any stage used.
        minutes: asked for, and the longest that any job ran.
    """

    name: str
    jobs: int
    waited: tuple[float, float] | None
    memory: tuple[float | None, float | None]
    minutes: tuple[float | None, float | None]


def home_of(outputs: Iterable[Path]) -> Path | None:
    """Folder of the data set or study that outputs belong to; None if they belong to neither."""
    for path in outputs:
        parts = path.parts
        if len(parts) > 3 and parts[0] == "results" and parts[1] in ("data", "studies"):
            return Path(*parts[:3])
    return None


def note(home: Path, ended: Ended) -> None:
    """Add a job to its data set's or study's list; only one process does this."""
    file = home / JOBS
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    with open(file, "a", encoding="utf-8", newline="") as rows:
        writer = csv.DictWriter(rows, [one.name for one in fields(Ended)], delimiter="\t")
        if new:
            writer.writeheader()
        writer.writerow(asdict(ended))


def uses(homes: Sequence[Path]) -> list[Use]:
    """What the jobs of these data sets and studies asked for and used; empty without Slurm."""
    found = []
    for home in homes:
        rows = list(_rows(home / JOBS))
        for name in dict.fromkeys(row["name"] for row in rows):
            found.append(_use(home, name, [row for row in rows if row["name"] == name]))
    return found


def _use(home: Path, name: str, rows: list[dict[str, str]]) -> Use:
    waited, ran, memory, minutes = (
        [float(row[key]) for row in rows if row[key]]
        for key in ("seconds_waited", "seconds_ran", "memory_asked", "minutes_asked")
    )
    stages = {stage for row in rows for stage in row["stages"].split(",")}
    used = [float(row["max_rss"]) for row in _benchmarks(home, stages) if _measured(row)]
    return Use(
        name,
        len(rows),
        (fmean(waited), max(waited)) if waited else None,
        (max(memory, default=None), max(used, default=None)),
        (max(minutes, default=None), max(ran) / 60 if ran else None),
    )


def _benchmarks(home: Path, stages: Iterable[str]) -> Iterator[dict[str, str]]:
    for stage in stages:
        for file in (home / "benchmarks" / stage).glob("*.tsv"):
            yield from _rows(file)


def _measured(row: dict[str, str]) -> bool:
    """Whether memory was measured: in a very short job it is not."""
    return row.get("max_rss", "") not in ("", "-", "NA")


def _rows(file: Path) -> Iterator[dict[str, str]]:
    if file.is_file():
        with open(file, encoding="utf-8", newline="") as rows:
            yield from csv.DictReader(rows, delimiter="\t")
