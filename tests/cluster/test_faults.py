"""What a cluster does to jobs, all at once, in one run of stand-in jobs under the real profile."""

import pytest

from tests.cluster.troubles import RULES, run_in_trouble

pytestmark = pytest.mark.xdist_group("workflow")

# `slow` needs more than its first minute.
SNAKEFILE = """
import signal
signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # as the project's Snakefile does

rule all:
    input: expand("{job}.txt", job=["slow", "warned", "moved", "left", "right"])

rule warned:
    output: "warned.txt"
    resources: slurm_partition="gpu", runtime=2, slurm_extra="--signal=USR1@60"
    shell: "exec python stage.py {output}"

rule slow:
    output: "slow.txt"
    resources: slurm_partition="gpu", mem_mb=400, runtime=1
    shell:
        "granted=$(squeue --noheader --jobs=$SLURM_JOB_ID --format=%m,%l);"
        " test $granted != 400M,1:00 || sleep 900; echo $granted > {output}"

rule left:
    output: "left.txt"
    resources: slurm_partition="gpu", gpu=1
    shell: "date +%s.%N > {output}.new; sleep 4; echo GPU $CUDA_VISIBLE_DEVICES >> {output}.new;"
        " date +%s.%N >> {output}.new; mv {output}.new {output}"

use rule left as right with:
    output: "right.txt"
    resources: slurm_partition="gpu", gres="gpu:1"
"""

# A training in a few lines: saves when it is warned, and goes on from there.
STAGE = """
import pathlib, signal, sys, time
saved = pathlib.Path("saved")
def save(*_):
    time.sleep(2)
    saved.write_text("half")
    sys.exit(75)
signal.signal(signal.SIGUSR1, save)
if not saved.exists():
    time.sleep(300)
pathlib.Path(sys.argv[1]).write_text(saved.read_text() + " and half")
"""


@pytest.fixture(scope="module")
def troubled(slurm, toy):
    """The folder in which everything was made despite all troubles."""
    study = toy(SNAKEFILE + RULES)
    (study.folder / "stage.py").write_text(STAGE)
    run_in_trouble(slurm, study)
    return study.folder


def test_a_job_over_its_time_limit_is_tried_again_with_more(troubled):
    memory, limit = (troubled / "slow.txt").read_text().strip().split(",")
    # Twice the time, or more if the machine is very slow; the same memory.
    assert (memory, limit in ("2:00", "4:00", "8:00")) == ("400M", True)


def test_a_job_that_slurm_warns_saves_and_goes_on_in_its_next_attempt(troubled):
    assert (troubled / "warned.txt").read_text() == "half and half"


def test_a_job_out_of_memory_is_tried_again_with_more(troubled):
    assert (troubled / "hungry.txt").read_text() == "1000M,1:00:00\n"  # more memory, as much time


def test_a_cancelled_job_is_tried_again(troubled):
    assert (troubled / "cancelled.begun").read_text() == "begins\n" * 2
    assert (troubled / "cancelled.txt").read_text() == "400M,1:00:00\n"  # as much as before


def test_a_job_of_a_lost_node_runs_on_another(troubled):
    assert (troubled / "moved.begun").read_text().split() == ["n2", "n1"]
    assert (troubled / "moved.txt").read_text() == "done\n"


def test_jobs_on_one_gpu_take_turns_whether_asked_for_by_gpus_or_by_gres(troubled):
    told = [(troubled / f"{name}.txt").read_text().split() for name in ("left", "right")]
    assert [words[1:3] for words in told] == [["GPU", "0"], ["GPU", "0"]]
    first, second = sorted((float(words[0]), float(words[-1])) for words in told)
    assert first[1] <= second[0]
