import csv
import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("workflow")

STUDY = "results/studies/liver-smoke"


def test_the_study_ends_in_a_report_that_opens_offline(smoke_study):
    page = (smoke_study.folder / STUDY / "report/index.html").read_text()
    assert not re.search(r"""(src|href)=["']https?://""", page.replace('href="https://doi', ""))
    assert "simulated" in page.lower()


def test_every_row_of_both_tables_has_our_value(smoke_study):
    rows = {}
    for table in ("table1", "table2"):
        with open(smoke_study.folder / STUDY / f"tables/{table}.csv") as file:
            rows[table] = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert len(rows["table1"]) >= 5
    assert len(rows["table2"]) >= 4


def test_every_log_begins_with_the_job_and_ends_with_its_outcome(smoke_study):
    logs = smoke_study.files("results/*/*/logs/**/*.log")
    assert len(logs) > 60
    for path, content in logs.items():
        first, *_, last = content.decode().splitlines()
        assert first.startswith("begins: "), path
        assert re.match(r"ends: done \| [\d.]+ s \| peak memory [\d,]+ MB$", last), path


def test_a_finished_study_shows_as_done(smoke_study):
    said = json.loads(smoke_study.run("remodal", "status", "--json").stdout)["liver-smoke"]
    assert {stage["stage"] for stage in said["stages"]} >= {"convert", "register", "train", "track"}
    assert all(stage["done"] == stage["total"] for stage in said["stages"])
    assert {model["state"] for model in said["models"]} == {"done"}


def test_a_finished_study_has_nothing_left_to_do(smoke_study):
    said = smoke_study.snakemake("-n", "--config", "preset=smoke")
    assert "Nothing to be done" in said.stdout + said.stderr


def test_the_same_study_run_twice_gives_the_same_bytes(smoke_study, workspace):
    said = workspace.snakemake("--config", "preset=smoke")
    assert re.search(rf"^Report: /.*/{STUDY}/report/index.html$", said.stderr, re.MULTILINE)
    for pattern in ("tables/*", "models/*/*/model.safetensors", "metrics/**/*.csv"):
        first, second = (w.files(f"{STUDY}/{pattern}") for w in (smoke_study, workspace))
        assert first
        assert first == second


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"claims": []}, {"tabulate", "report", "track", "faults"}),
        (
            {"methods": {"mine": {"type": "nnunet"}}},
            {"train", "infer", "evaluate", "tabulate", "report", "track", "faults"},
        ),
        (
            {"methods": {"maml": {"options": {"ma": "paper"}}}},
            {"train", "infer", "evaluate", "tabulate", "report", "track", "faults"},
        ),
    ],
)
def test_a_changed_setting_plans_just_the_jobs_that_read_it(smoke_study, change, stages):
    config = [f"{key}={json.dumps(value)}" for key, value in change.items()]
    said = smoke_study.snakemake("-n", "--quiet", "rules", "--config", "preset=smoke", *config)
    counted = re.findall(r"^(\w+)\s+(\d+)$", said.stdout + said.stderr, re.MULTILINE)
    planned = {name: int(count) for name, count in counted if name not in ("total", "all")}
    assert set(planned) == stages
    assert planned.get("train", 1) == 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("preset=smoek", "unknown preset `smoek`"),
        ("study=livre", "unknown study `livre`"),
        ("trainig={epochs: 2}", "`trainig` is not a setting"),
        ("methods={maml: {type: mmal}}", "unknown method `mmal`"),
        ("methods={maml: {options: {weigths: repo}}}", "did you mean `weights`?"),
        ("methods={maml: {options: {weights: papre}}}", "option `weights`"),
    ],
)
def test_a_wrong_configuration_is_named_before_anything_runs(workspace, config, said):
    failed = workspace.snakemake("-n", "--config", "preset=smoke", config, check=False)
    assert failed.returncode != 0
    assert said in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr


def test_no_identity_of_the_source_reaches_an_output(smoke_study):
    import pydicom

    source = next((smoke_study.folder / "results/data/phantom-smoke/scans").glob("*/venous/*.dcm"))
    header = pydicom.dcmread(source, stop_before_pixels=True)
    secrets = {str(header[tag].value) for tag in ("PatientID", "PatientName", "StudyInstanceUID")}
    secrets |= {str(header.StudyDate)}
    assert all(len(secret) > 3 for secret in secrets)
    read = {}
    for pattern in ("converted", "registered"):
        read |= smoke_study.files(f"results/data/*/{pattern}/**/*")
    readable = (".json", ".csv", ".html", ".yaml", ".md", ".tex")
    of_study = smoke_study.files(f"{STUDY}/**/*")
    read |= {path: content for path, content in of_study.items() if path.endswith(readable)}
    assert {Path(path).suffix for path in read} >= {".gz", *readable}
    for path, content in read.items():
        assert not [secret for secret in secrets if secret.encode() in content], path
