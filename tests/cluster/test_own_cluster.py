"""The tests have their own Slurm: a cluster to which this machine belongs is not touched."""

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("workflow")


def test_it_leaves_no_trace_outside_its_folder(slurm):
    for place in ("/etc/slurm", "/etc/slurm-llnl", "/run/slurm", "/run/munge"):
        for path in Path(place).rglob("*"):
            assert slurm.folder not in path.resolve().parents, path


def test_a_job_and_its_step_ask_this_cluster_without_any_variable_of_slurms(slurm, tmp_path):
    step = "import os, subprocess; subprocess.run(['scontrol', 'show', 'config'])"
    # As the executor starts a job's step: without SLURM_CONF.
    job = f'env -u SLURM_CONF srun -n1 python3 -c "{step}"'
    command = ["sbatch", "--wait", "--output=said.log", f"--wrap={job}"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=600)
    said = (tmp_path / "said.log").read_text()
    assert re.search(rf"^SLURM_CONF += {slurm.folder}/slurm.conf$", said, re.MULTILINE), said
    assert re.search(r"^ClusterName += remodal-test$", said, re.MULTILINE)
