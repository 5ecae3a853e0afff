import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = [
    *("settings", "check", "simulate", "convert", "convert-label", "register", "split"),
    *("plan-network", "fingerprint", "preprocess", "inventory", "train", "infer", "evaluate"),
    *("tabulate", "report", "faults", "track", "status", "init"),
    *("predict", "methods", "describe-settings", "fetch"),
    *("check-identity", "export", "import"),
]


def remodal(*arguments, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, "-m", "remodal", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_help_lists_every_stage():
    shown = remodal("--help", COLUMNS="200")
    assert shown.returncode == 0
    assert not [stage for stage in STAGES if stage not in shown.stdout]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_explains_itself(stage):
    shown = remodal(stage, "--help")
    assert shown.returncode == 0
    assert "Usage" in shown.stdout


def test_a_wrong_setting_ends_in_one_line_and_exit_code_two(tmp_path):
    failed = remodal("settings", "--config", "{study: livr, preset: demo}", "-o", tmp_path / "s")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "unknown study `livr`" in failed.stderr
    assert not (tmp_path / "s").exists()


def test_a_bad_case_by_hand_ends_in_one_line_and_exit_code_three_and_leaves_no_file(tmp_path):
    (tmp_path / "empty").mkdir()
    convert = ("convert", "empty", "--case", "c1", "--modality", "venous")
    files = ("--output", "c1.nii.gz", "--record", "c1.json")
    path = f"{ROOT / 'src'}:{os.environ.get('PYTHONPATH', '')}"
    failed = remodal(*convert, *files, cwd=tmp_path, PYTHONPATH=path)
    assert failed.returncode == 3
    assert failed.stderr.count("\n") == 1
    assert "c1, venous: the folder is empty" in failed.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["empty"]
    assert remodal(*convert, *files, "--quarantine", cwd=tmp_path, PYTHONPATH=path).returncode == 0
    assert (tmp_path / "c1.nii.gz").read_bytes() == b""


def test_a_file_in_the_way_of_a_folder_ends_in_one_line_and_exit_code_four(tmp_path):
    (tmp_path / "file").write_text("")
    failed = remodal("settings", "-o", tmp_path / "file" / "settings.yaml")
    assert failed.returncode == 4
    assert failed.stderr.count("\n") == 1
    assert "move it away" in failed.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_ends_in_one_line_and_exit_code_four(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    failed = remodal("settings", "-o", tmp_path / "closed" / "settings.yaml")
    assert failed.returncode == 4
    assert "no permission" in failed.stderr


@pytest.fixture
def full_disk(tmp_path):
    """A file system of 16 kB, where root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    (place / "filler").write_bytes(b"x" * 12_000)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_ends_in_one_line_and_leaves_no_half_file(full_disk):
    failed = remodal("describe-settings", "-o", full_disk / "README.md")
    assert failed.returncode == 4
    assert failed.stderr.count("\n") == 1
    assert "disk is full" in failed.stderr
    assert os.listdir(full_disk) == ["filler"]


INTERRUPTED = """
import importlib, sys, time
from remodal.cli import main
module, function = sys.argv[1:3]
sys.argv[1:] = sys.argv[3:]

def work(*_, **__):
    print("at work", flush=True)
    time.sleep(60)

setattr(importlib.import_module(module), function, work)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("work", "command", "said"),
    [
        ("remodal.scan.scan scan", "scan . -o s.tsv", "what was read is kept; the same command "),
        (
            "remodal.settings.composition read_planned",
            "train --settings s --method m --fold 0 --seed 0 --preprocessed p --splits s "
            "--fingerprint f --checkpoints c -o o",
            "what was saved is kept; the same command continues from there",
        ),
        (
            "remodal.settings.composition compose",
            "settings -o s.yaml",
            "nothing half-written is left; the same command starts anew",
        ),
    ],
)
def test_what_is_interrupted_says_what_is_kept_and_how_to_go_on(
    tmp_path, number, work, command, said
):
    running = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *work.split(), *command.split()],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout.readline() == "at work\n"
    os.kill(running.pid, number)
    told = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert told.count("\n") == 1
    assert told.startswith("remodal: interrupted; ")
    assert said in told


def test_settings_are_written_with_the_command_lines_changes(tmp_path):
    target = tmp_path / "settings.yaml"
    assert remodal("settings", "--set", "recipe.epochs=7", "-o", target).returncode == 0
    assert "epochs: 7" in target.read_text()


def test_methods_are_listed_and_those_named_with_their_options():
    shown = remodal("methods")
    assert shown.returncode == 0
    assert "maml" in shown.stdout
    assert "lambda" not in shown.stdout
    assert "lambda" in remodal("methods", "maml").stdout


def test_help_begins_with_what_a_user_needs_first_and_ends_with_the_exit_codes():
    shown = remodal("--help", COLUMNS="200").stdout
    order = ["Your own data", " studies ", " check ", " predict ", "Stages, as", "Exit codes"]
    assert [*sorted(order, key=shown.index)] == order


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("remodal.cli", {"torch", "mlflow", "itk", "pandas", "numpy", "SimpleITK"}),
        ("remodal.intake.convert", {"torch", "mlflow", "itk", "pandas"}),
        ("remodal.registration.case", {"torch", "mlflow", "pandas"}),
        ("remodal.registration.ways", {"torch", "mlflow", "itk", "pandas", "numpy"}),
        ("remodal.preprocessing", {"torch", "mlflow", "itk"}),
        ("remodal.metrics.evaluate", {"torch", "mlflow", "itk"}),
        ("remodal.report.page", {"torch", "mlflow", "itk"}),
        ("remodal.settings.stages", {"torch", "mlflow", "itk", "pandas", "numpy"}),
        ("remodal.intake.datasets", {"torch", "mlflow", "itk", "pandas", "numpy"}),
    ],
)
def test_a_light_stage_imports_nothing_heavy(module, never):
    code = f"import sys, {module}; print(*{never!r} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []
