import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks/gpu.py"
#: What a user's environment has, but a machine with only PyTorch does not.
MISSING = (
    *("SimpleITK", "itk", "pydicom", "highdicom", "pandas", "scipy", "skimage", "mlflow", "dvc"),
    *("snakemake", "typer", "yaml", "matplotlib", "monai"),
)
BARE = f"""
import runpy, sys
for name in {MISSING}:
    sys.modules[name] = None
sys.argv = [sys.argv[1], *sys.argv[2:]]
sys.path.insert(0, {str(SCRIPT.parent)!r})
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", BARE, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_it_runs_without_what_only_the_rest_of_the_pipeline_needs(tmp_path):
    done = run("--tiny", "--device", "cpu", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "benchmarks-gpu.json").read_text())
    for steps in found["steps"].values():
        assert steps["synthetic"]["bf16-mixed"]["seconds"] > 0
        assert steps["real"].keys() == {"device", "host", "disk"}
        fastest = min(place["seconds"] for place in steps["real"].values())
        assert steps["hours"] == pytest.approx(fastest * 600 * 250 / 3600)
    assert found["resumes"] is True
    assert all(len(losses) == 1 for losses in found["curves"].values())
    page = (tmp_path / "benchmarks-gpu.md").read_text()
    assert "these figures mean nothing" in page
    assert "equal bit for bit" in page


def test_what_there_was_no_time_for_is_said(tmp_path):
    done = run("--tiny", "--device", "cpu", "--minutes", "0", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "benchmarks-gpu.md").read_text()
    assert "No time was left for inference" in page
    assert "not tried" in page


@pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    done = run()
    assert done.returncode == 1
    assert done.stderr.strip() == "no GPU here; `--tiny` tries the program on a CPU"


def test_a_checkpoint_without_the_weights_is_not_taken_for_an_exact_resume(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    gpu = importlib.import_module("gpu")
    bench = gpu.Benchmark(gpu.TINY, "cpu", tmp_path, minutes=1)
    assert gpu.resumes_exactly(bench)
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)
    assert not gpu.resumes_exactly(bench)
