"""How long a planned job will take and how much it will write, as far as that can be known."""

import csv
import shutil
from pathlib import Path
from statistics import fmean

from remodal.cluster.planned import PlannedJob
from remodal.intake.simulation import simulation_of, simulation_options
from remodal.settings import Settings

#: The paper: 600 epochs of 15 minutes on one V100, with these patches.
_PAPER_HOURS = 150.0
_PAPER_VOXELS = 600 * 250 * 2 * 128**3

#: MB that a job of a stage leaves, for two images of the MAML paper's size (512 x 512 x 132): their
#: scans as DICOM; one as int16 in gzip; both on one grid; a case in one fold; weights and state.
_MEGABYTES = {"simulate": 145, "convert": 45, "register": 90, "preprocess": 100, "train": 400}
#: Of them, those whose jobs handle all images of a case.
_OF_A_CASE = {"simulate", "register", "preprocess"}
_PAPER_VOLUME = 512 * 512 * 132
#: Of `preprocess` and its like: files that one case has in one fold.
_FILES_OF_A_FOLD = 3


def earlier_seconds(job: PlannedJob) -> list[float]:
    """Seconds that earlier jobs of its stage took in this data set or study."""
    if job.benchmark is None:
        return []
    found = []
    for file in job.benchmark.parent.glob("*.tsv"):
        with open(file, encoding="utf-8", newline="") as rows:
            found += [float(row["s"]) for row in csv.DictReader(rows, delimiter="\t")]
    return found


def hours(jobs: list[PlannedJob], settings: Settings) -> tuple[float | None, str]:
    """Hours that jobs of one stage will take together, and where that is known from.

    Returns:
        None where nothing is known before a first run.
    """
    if seconds := earlier_seconds(jobs[0]):
        return len(jobs) * fmean(seconds) / 3600, f"mean of {len(seconds)} earlier jobs"
    if jobs[0].stage == "train" and settings.compute.device != "cpu":
        recipes = [settings.recipe_of(method) for method in settings.methods]
        voxels = fmean(r.epochs * r.iterations * r.batch * r.patch.typical for r in recipes)
        each = _PAPER_HOURS * voxels / _PAPER_VOXELS
        return len(jobs) * each, "the paper's 150 hours on a V100, by voxels"
    return None, ""


def megabytes(jobs: list[PlannedJob], settings: Settings) -> float:
    """MB that jobs of one stage will leave, from known sizes; small things count as nothing."""
    stage = jobs[0].stage
    if stage not in _MEGABYTES:
        return 0.0
    pieces = sum(job.outputs for job in jobs) / _FILES_OF_A_FOLD
    count = pieces if stage == "preprocess" else len(jobs)
    size = (settings.network.base_width / 32) ** 2 if stage == "train" else _size(settings)
    if stage in _OF_A_CASE:
        size *= len(settings.data.modalities) / 2
    return count * _MEGABYTES[stage] * size


def _size(settings: Settings) -> float:
    """Size of a volume relative to the paper's; real volumes count as of that size."""
    simulation = simulation_of(settings)
    if simulation is None or simulation.voxels is None:
        return 1.0
    return simulation.voxels(simulation_options(settings)) / _PAPER_VOLUME


def free_megabytes(folder: Path) -> float:
    """MB that are free where a folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e6
