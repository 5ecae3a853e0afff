"""What `remodal plan` says of a run before it begins."""

import re

import pytest

from remodal.cluster.plan import _submissions
from remodal.cluster.planned import PlannedJob, Submission, _gpus
from remodal.cluster.slurm import Limits, minutes

STUDY = (
    *("--config", "preset=paper", "simulation={phantom: {cases: 30}}"),
    *("splits={scheme: kfold, folds: 5}", "seeds=[0]"),
)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The plan of the paper's study; one earlier job is known."""
    from tests.workspace import Workspace

    workspace = Workspace(tmp_path_factory.mktemp("plan"))
    earlier = workspace.folder / "results/data/phantom-paper/benchmarks/register/patient001.tsv"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("s\th:m:s\tmax_rss\n36.0\t0:00:36\t900\n")
    return workspace.run("remodal", "plan", "--profile", "slurm", *STUDY).stdout


def row(said: str, name: str) -> list[str]:
    return next(line.split() for line in said.splitlines() if line.startswith(f"{name} "))


def test_it_counts_jobs_and_submissions_without_those_that_stay_here(said):
    assert row(said, "convert")[1] == "60"
    assert row(said, "preparation")[1] == "2"
    assert row(said, "preprocessing")[1] == "2"
    assert not re.search(r"^(split|inventory|all) ", said, re.MULTILINE)
    assert re.search(r"^\d\d\d jobs in \d{2,3} submissions$", said, re.MULTILINE)


def test_hours_come_from_earlier_jobs_or_from_the_paper(said):
    assert row(said, "register")[1:3] == ["30", "0.3"]  # 36 s each
    trainings = 35
    assert row(said, "train")[1:3] == [str(trainings), f"{trainings * 150:,}.0"]
    assert f"{trainings * 150:,}.0 of them GPU-hours" in said
    assert re.search(r"^not estimated.*: .*convert", said, re.MULTILINE)


def test_disk_is_compared_with_what_is_free(said):
    (gigabytes,) = re.findall(r"^([\d.,]+) GB of results; [\d.,]+ GB free$", said, re.MULTILINE)
    assert 25 < float(gigabytes) < 45  # of which 15 are the five folds


TRAINING = Submission("train", (PlannedJob("train", 32000, 2880, "gpu", 1, None, 4),))


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"gpu": Limits(None, 64000)}, "All requests are within the limits"),
        ({"gpu": Limits(2880, 32000)}, "All requests are within the limits"),
        ({"gpu": Limits(1440, 64000)}, "train asks for 48 h 0 min, `gpu` grants 24 h 0 min"),
        ({"gpu": Limits(None, 16000)}, "the largest node of `gpu` has 16 GB"),
        ({"a100": Limits()}, "There is no partition `gpu`; in the profile write one of: a100"),
        (None, "Slurm does not answer here"),
    ],
)
def test_the_largest_request_is_compared_with_the_partitions_limits(limits, says):
    assert says in "\n".join(_submissions([TRAINING], limits))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("30:00", 30),
        ("12:00:00", 720),
        ("7-00:00:00", 10080),
        ("1-02:30:00", 1590),
        ("infinite", None),
    ],
)
def test_time_limits_are_read_as_slurm_writes_them(time, expected):
    assert minutes(time) == expected


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"gpu": 2}, 2),
        ({"gres": "gpu:1"}, 1),
        ({"gres": "gpu:a100:4"}, 4),
        ({"gres": "gpu"}, 1),
        ({}, 0),
    ],
)
def test_gpus_count_however_they_are_asked_for(asked, count):
    assert _gpus(asked) == count
