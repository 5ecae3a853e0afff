"""Memory that runs out: how this is noticed, and what the user is told."""

import errno
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from remodal.errors import concerns_one_case, ran_out_of_memory
from remodal.process import memory

ROOT = Path(__file__).parents[2]


def refused(function) -> BaseException:
    with pytest.raises(Exception) as told:
        function()
    return told.value


@pytest.mark.parametrize(
    "error",
    [
        refused(lambda: np.empty(10**15)),
        refused(lambda: torch.empty(10**15)),
        RuntimeError("itk::ERROR: Image(0x1): Failed to allocate memory for image."),
        RuntimeError("std::bad_alloc"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        ImportError("_ITKCommonPython.abi3.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=lambda error: f"{type(error).__name__}-{str(error)[:24]}",
)
def test_every_library_s_word_for_it_is_understood(error):
    assert ran_out_of_memory(error)
    assert not concerns_one_case(error)
    wrapped = ValueError("the case cannot be read")
    wrapped.__cause__ = error
    assert ran_out_of_memory(wrapped)


@pytest.mark.parametrize(
    "error", [RuntimeError("the control grid"), OSError(errno.ENOSPC, "full"), ValueError("x")]
)
def test_other_errors_are_not_mistaken_for_it(error):
    assert not ran_out_of_memory(error)


def test_the_line_names_use_limit_need_and_remedy(monkeypatch):
    monkeypatch.setattr(memory, "memory_limit", lambda: memory.Limit(900, "control group"))
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    said = str(memory.shortage("convert-label", "Unable to allocate 1 GiB", 880))
    assert "convert-label: memory ran out (Unable to allocate 1 GiB)" in said
    assert "880 MB were in use, the limit is 900 MB (control group)" in said
    assert f"a full-size case needs {memory.NEEDED['convert-label']:,} MB" in said
    assert "raise `mem_mb` of convert_label in slurm/profile.yaml" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("stage", "setting"), [("train", "recipe.batch"), ("infer", "compute.windows")]
)
def test_a_gpu_that_is_too_small_is_no_matter_of_the_job_s_memory(stage, setting):
    said = str(memory.shortage(stage, "CUDA out of memory. Tried to allocate 2.00 GiB", 100))
    assert setting in said
    assert "patch" in said
    assert "mem_mb" not in said


def limited(megabytes: int, *command: str | Path) -> subprocess.CompletedProcess:
    size = megabytes * 10**6
    return subprocess.run(
        [sys.executable, "-m", "remodal", *command],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
    )


def test_a_volume_that_does_not_fit_ends_in_one_line_and_exit_code_four(tmp_path):
    image = tmp_path / "large.npy"
    reader = (
        "import sys, numpy; from remodal import cli; from remodal.splits import study; "
        "study.split_study = lambda *_: numpy.ones(10**8); "
        "sys.argv = ['remodal', 'split', '--settings', 's.yaml', '--registered', '.', '-o', 'x'];"
        "from remodal.settings import composition; composition.read_settings = lambda _: None;"
        "cli.main()"
    )
    size = 700 * 10**6
    done = subprocess.run(
        [sys.executable, "-c", reader],
        capture_output=True,
        text=True,
        cwd=image.parent,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
    )
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "split: memory ran out (Unable to allocate 763. MiB" in done.stderr
    assert "the limit is 700 MB (ulimit -v)" in done.stderr


def test_a_limit_under_which_libraries_break_off_is_refused_before_they_do(tmp_path):
    done = limited(150, "convert", "x.nii", "--case", "a", "--modality", "b", "-o", "c.nii")
    assert done.returncode == 4
    assert "the memory limit of 150 MB (ulimit -v) is too small to start" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_tightest_limit_counts(monkeypatch):
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(memory, "_control_group_limits", lambda: [4 * 10**9])
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _: (unlimited, unlimited))
    assert memory.memory_limit() == (4000, "control group")
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _: (10**9, unlimited))
    assert memory.memory_limit() == (1000, "ulimit -v")


@pytest.mark.parametrize("version", [1, 2])
def test_control_groups_are_read_up_to_the_root(monkeypatch, tmp_path, version):
    root = tmp_path if version == 2 else tmp_path / "memory"
    name = "memory.max" if version == 2 else "memory.limit_in_bytes"
    none = "max" if version == 2 else str(2**63 - 4096)
    inner = root / "job_7/step_0"
    inner.mkdir(parents=True)
    (inner / name).write_text(f"{none}\n")
    (root / "job_7" / name).write_text("2000000000\n")
    listed = "0::/job_7/step_0\n" if version == 2 else "4:memory:/job_7/step_0\n0::/\n"
    events, said = (
        ("memory.events", "oom 3\noom_kill 2\n")
        if version == 2
        else ("memory.oom_control", "under_oom 0\noom_kill 2\n")
    )
    (inner / events).write_text(said)
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    read = memory._read
    monkeypatch.setattr(
        memory, "_read", lambda file: listed if file == Path("/proc/self/cgroup") else read(file)
    )
    assert memory._control_group_limits() == [2_000_000_000]
    assert memory.kills() == 2


def test_the_profile_asks_for_what_was_measured_and_room():
    profile = yaml.safe_load((ROOT / "slurm/profile.yaml").read_text())
    for stage, needed in memory.NEEDED.items():
        wanted = profile["set-resources"].get(stage.replace("-", "_"), {})
        formula = str(wanted.get("mem_mb", profile["default-resources"]["mem_mb"]))
        asked = eval(formula, {"attempt": 1, "min": min})
        assert 1.5 * needed <= asked, stage
