"""The smoke study through sbatch: every number as on one machine."""

import shutil

import pytest

from tests.cluster.conftest import Submitter
from tests.workspace import Workspace

pytestmark = pytest.mark.xdist_group("workflow")

STUDY = "results/studies/liver-smoke"
SMOKE = ("--config", "preset=smoke")
NUMBERS = (
    "tables/**/*",
    "metrics/**/*.csv",
    "models/*/*/model.safetensors",
    "models/*/*/curves.csv",
)


def numbers(folder) -> dict[str, bytes]:
    """Content of all tables, measurements, weights and curves, by path."""
    files = [file for pattern in NUMBERS for file in (folder / STUDY).glob(pattern)]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}


def test_models_to_report_through_sbatch_equal_the_local_run(slurm, smoke_study, study_copy):
    shutil.rmtree(study_copy.folder / STUDY)
    study_copy.finish(study_copy.snakemake(*SMOKE))
    expected = numbers(smoke_study.folder)
    assert len(expected) > 30
    assert numbers(study_copy.folder) == expected
    said = study_copy.folder / "said.log"
    said.unlink()
    study_copy.finish(study_copy.start("snakemake", "-n", *SMOKE))
    assert "Nothing to be done" in said.read_text()


@pytest.mark.slow  # five minutes: 30 jobs for six patients, before the models
def test_the_whole_study_through_sbatch_survives_a_lost_node_and_a_cancelled_job(
    slurm, smoke_study, environment, tmp_path
):
    study = Submitter(Workspace(tmp_path).folder, environment)
    run = study.snakemake(*SMOKE)
    slurm.running("simulate")
    study.wait_for(lambda: any(study.folder.glob("results/data/*/registered/*/*.json")))
    job = slurm.running("simulate")
    slurm.kill_node(job["node"])
    study.wait_for(lambda: "n1" in [job["node"] for job in slurm.jobs("--states=RUNNING")])
    slurm.start_node(job["node"])
    slurm.cancel(slurm.running("rule_train")["id"])
    slurm.cancel(slurm.running("rule_infer")["id"])
    study.finish(run)
    assert numbers(study.folder) == numbers(smoke_study.folder)
