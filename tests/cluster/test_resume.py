"""Snakemake is killed while its jobs run on; one command goes on."""

import signal

import pytest

pytestmark = pytest.mark.xdist_group("workflow")

# `second` waits in the queue for the GPU that `first` has.
SNAKEFILE = """
rule all:
    input: "first.txt", "second.txt"

rule first:
    output: "{name}.txt"
    resources: slurm_partition="gpu", gpu=1
    shell: "echo begins >> {wildcards.name}.begun; sleep 10; echo ends >> {wildcards.name}.ended;"
        " echo done > {output}"
"""


def test_one_command_goes_on_and_runs_no_job_twice_at_once(slurm, toy):
    study = toy(SNAKEFILE)
    killed = study.snakemake()
    study.wait_for(lambda: len(slurm.jobs()) == 2 and any(study.folder.glob("*.begun")))

    early = study.start("remodal", "resume", "--profile", "slurm")
    assert early.wait(60) == 2
    assert "Snakemake is at work here" in (study.folder / "said.log").read_text()
    assert len(slurm.jobs()) == 2

    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(slurm.jobs()) == 2
    stranger = slurm.submit("sleep 900", study.folder)
    study.finish(study.start("remodal", "resume", "--profile", "slurm"))

    begun = sorted(
        (file.stem, len(file.read_text().split())) for file in study.folder.glob("*.begun")
    )
    assert sum(count for _, count in begun) == 3  # one was cancelled at work, one in the queue
    for name in ("first", "second"):
        assert (study.folder / f"{name}.ended").read_text() == "ends\n"
    assert [job["id"] for job in slurm.jobs()] == [stranger]  # other jobs are let alone
    slurm.cancel(stranger)
