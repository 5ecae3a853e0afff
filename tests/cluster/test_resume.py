"""Snakemake is killed while its jobs run on; one command goes on."""

import signal

import pytest

pytestmark = pytest.mark.xdist_group("workflow")

# `second` waits in the queue for the GPU that `first` has, which ends when the test lets it.
SNAKEFILE = """
rule all:
    input: "first.txt", "second.txt"

rule first:
    output: "{name}.txt"
    resources: slurm_partition="gpu", gpu=1
    shell: "echo begins >> {wildcards.name}.begun; until test -e let-go; do sleep 0.2; done;"
        " echo ends >> {wildcards.name}.ended; echo done > {output}"
"""


def lines(study, pattern: str) -> int:
    """Lines in the files that match."""
    return sum(len(file.read_text().splitlines()) for file in study.folder.glob(pattern))


def test_one_command_goes_on_and_runs_no_job_twice_at_once(slurm, toy):
    study = toy(SNAKEFILE)
    killed = study.snakemake()
    study.wait_for(lambda: len(slurm.jobs()) == 2 and any(study.folder.glob("*.begun")))

    early = study.start("remodal", "resume", "--profile", "slurm")
    assert early.wait(600) == 2
    assert "Snakemake is at work here" in (study.folder / "said.log").read_text()
    assert len(slurm.jobs()) == 2

    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(slurm.jobs()) == 2
    stranger = slurm.submit("sleep 900", study.folder)
    resumed = study.start("remodal", "resume", "--profile", "slurm")
    study.wait_for(lambda: lines(study, "*.begun") == 2)  # one was at work, one in the queue
    (study.folder / "let-go").touch()
    study.finish(resumed)

    assert lines(study, "*.begun") == 3
    for name in ("first", "second"):
        assert (study.folder / f"{name}.ended").read_text() == "ends\n"
    assert [job["id"] for job in slurm.jobs()] == [stranger]  # other jobs are let alone
    slurm.cancel(stranger)
