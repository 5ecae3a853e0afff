"""What a hospital's folder may contain: bad cases are named with reasons, the others go on."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from tests.workspace import ENVIRONMENT

pytestmark = pytest.mark.xdist_group("workflow")

SHAPE = (20, 40, 40)


def image(array, spacing=(5.0, 5.0, 8.0), origin=(0.0, 0.0, 0.0)):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    return made


def body(seed, shape=SHAPE):
    """A soft-tissue ball with texture, in air."""
    rng = np.random.default_rng(seed)
    grid = np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2
    inside = (grid**2 / (np.array(shape)[:, None, None, None] * 0.4) ** 2).sum(0) < 1
    texture = rng.normal(60, 20, shape) + 40 * np.sin(grid[1] / 4) + 30 * np.cos(grid[2] / 5)
    return np.where(inside, texture, -1000).astype(np.int16)


def tumour(shape=SHAPE):
    label = np.zeros(shape, np.uint8)
    label[8:12, 16:24, 16:24] = 2
    return label


def good_case(folder, seed):
    folder.mkdir(parents=True)
    sitk.WriteImage(image(body(seed)), str(folder / "arterial.nii.gz"))
    sitk.WriteImage(image(body(seed)), str(folder / "venous.nii.gz"))
    sitk.WriteImage(image(tumour()), str(folder / "label.nii.gz"))


def nan_in_an_image(folder):
    array = body(1).astype(np.float32)
    array[3, 3, 3] = np.nan
    sitk.WriteImage(image(array), str(folder / "venous.nii.gz"))


def constant_image(folder):
    sitk.WriteImage(image(np.full(SHAPE, 7, np.int16)), str(folder / "arterial.nii.gz"))


def phases_apart(folder):
    sitk.WriteImage(image(body(1), origin=(0, 0, 5000.0)), str(folder / "arterial.nii.gz"))


def label_on_another_grid(folder):
    sitk.WriteImage(image(tumour(), origin=(2.5, 0.0, 0.0)), str(folder / "label.nii.gz"))


def label_without_tumour(folder):
    sitk.WriteImage(image(np.ones(SHAPE, np.uint8)), str(folder / "label.nii.gz"))


def truncated_file(folder):
    whole = (folder / "venous.nii.gz").read_bytes()
    (folder / "venous.nii.gz").write_bytes(whole[: len(whole) // 2])


def series_of_one_slice(folder):
    sitk.WriteImage(image(body(1)[:1]), str(folder / "venous.nii.gz"))


def path_that_is_not_there(folder):
    (folder / "venous.nii.gz").unlink()


def phase_missing(folder):
    (folder / "arterial.nii.gz").unlink()


BAD = {
    nan_in_an_image: "nan",
    constant_image: "constant",
    phases_apart: "overlap",
    label_on_another_grid: "grid",
    label_without_tumour: "tumour",
    truncated_file: "",
    series_of_one_slice: "slice",
    path_that_is_not_there: "venous",
}


def hospital(workspace, good, bad=()):
    """A study that reads good cases and one bad case of each kind."""
    scans = workspace.folder / "scans"
    lines = ["case\tmodality\tpath\tlabel\tlabel_on\tgroup\tpatient"]
    spoilers = {f"good{n}": None for n in range(good)} | {spoil.__name__: spoil for spoil in bad}
    for seed, (name, spoil) in enumerate(spoilers.items()):
        good_case(scans / name, seed)
        lines += [f"{name}\tvenous\tscans/{name}/venous.nii.gz\tscans/{name}/label.nii.gz\t\t\t"]
        if spoil is not phase_missing:
            lines += [f"{name}\tarterial\tscans/{name}/arterial.nii.gz\t\t\t\t"]
        if spoil is not None:
            spoil(scans / name)
    (workspace.folder / "config/hospital.tsv").write_text("\n".join(lines) + "\n")
    data = {"name": "hospital", "source": "sheet", "sheet": "config/hospital.tsv"}
    study = {"extends": "liver", "data": data | {"simulated": False}}
    (workspace.folder / "config/studies/hospital.yaml").write_text(yaml.safe_dump(study))
    return workspace


SPLITS = "results/studies/hospital-smoke/splits.json"
CONFIG = ("--config", "study=hospital", "preset=smoke")


def test_bad_cases_are_quarantined_with_their_reason_and_the_good_ones_go_on(workspace):
    hospital(workspace, good=4, bad=[*BAD, phase_missing]).snakemake(SPLITS, *CONFIG)
    splits = json.loads((workspace.folder / SPLITS).read_text())
    reasons = {case: reason.lower() for case, reason in splits["quarantined"].items()}
    assert set(reasons) == {spoil.__name__ for spoil in BAD}
    for spoil, said in BAD.items():
        assert said in reasons[spoil.__name__]
        assert "\n" not in reasons[spoil.__name__]
    used = splits["folds"][0]
    assert sorted(used["train"] + used["validation"] + used["test"]) == [
        *(f"good{n}" for n in range(4)),
        "phase_missing",
    ]
    assert splits["modalities"]["phase_missing"] == ["venous"]


def test_a_fault_of_ours_in_a_case_is_quarantined_by_every_stage_and_the_good_ones_go_on(workspace):
    hospital(workspace, good=5)
    workspace.break_stage("convert", "good0", "remodal.intake.convert:read_image")
    workspace.break_stage("convert-label", "good1", "remodal.intake.labels:read_label")
    workspace.break_stage("register", "good2", "remodal.registration.case:draw_pairs")
    workspace.snakemake(SPLITS, *CONFIG)
    splits = json.loads((workspace.folder / SPLITS).read_text())
    assert set(splits["quarantined"]) == {"good0", "good1", "good2"}
    assert set(splits["patients"]) == {"good3", "good4"}
    logs = workspace.folder / "results/data/hospital/logs"
    broken = {
        "convert/good0-venous": "good0",
        "convert-label/good1-venous": "good1",
        "register/good2": "good2",
    }
    for log, case in broken.items():
        assert splits["quarantined"][case].startswith("a fault of ours (ZeroDivisionError)")
        assert f"ZeroDivisionError: secret of {case}" in (logs / f"{log}.log").read_text()
    records = workspace.files("results/data/hospital/**/*.json")
    assert records
    for path, content in records.items():
        assert b"secret" not in content, path


def test_a_strict_study_stops_at_a_fault_of_ours(workspace):
    hospital(workspace, good=2)
    workspace.break_stage("convert", "good0", "remodal.intake.convert:read_image")
    target = "results/data/hospital/converted/good0/arterial.json"
    failed = workspace.snakemake(target, *CONFIG, "strict=true", check=False)
    assert failed.returncode != 0
    assert "ZeroDivisionError" in failed.stdout + failed.stderr
    assert not (workspace.folder / target).exists()


def test_a_strict_study_stops_at_a_bad_case(workspace):
    hospital(workspace, good=1, bad=[constant_image])
    target = "results/data/hospital/converted/constant_image/arterial.json"
    failed = workspace.snakemake(target, *CONFIG, "strict=true", check=False)
    assert failed.returncode != 0
    assert "constant" in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    assert not (workspace.folder / target).exists()


def test_a_patient_with_two_different_labels_is_refused_before_anything_runs(workspace):
    hospital(workspace, good=1)
    sheet = workspace.folder / "config/hospital.tsv"
    sheet.write_text(
        sheet.read_text().replace(
            "good0\tarterial\tscans/good0/arterial.nii.gz\t\t",
            "good0\tarterial\tscans/good0/arterial.nii.gz\tscans/good0/other.nii.gz\t",
        )
    )
    failed = workspace.snakemake("-n", *CONFIG, check=False)
    assert failed.returncode != 0
    assert "good0" in failed.stdout + failed.stderr
    assert "label" in failed.stdout + failed.stderr
    assert not (workspace.folder / "results").exists()


def test_an_interrupted_run_goes_on_with_the_same_command(workspace):
    hospital(workspace, good=2)
    targets = [f"results/data/hospital/registered/good{n}/registration.json" for n in range(2)]
    running = subprocess.Popen(
        ["snakemake", "--cores", "1", *targets, *CONFIG],
        cwd=workspace.folder,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    converted = workspace.folder / "results/data/hospital/converted"
    deadline = time.monotonic() + 120
    while not list(converted.glob("*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=120)
    assert running.returncode != 0
    assert not [f for f in converted.rglob(".writing-*") if f.stat().st_size]
    workspace.snakemake(*targets, *CONFIG)
    assert all((workspace.folder / target).exists() for target in targets)
