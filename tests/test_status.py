import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from remodal.errors import Preempted, UserError
from remodal.intake.datasets import cases_of
from remodal.results.curves import curve_row, write_curves
from remodal.results.files import write_json, write_text
from remodal.results.records import Record, quarantine, write_record
from remodal.settings.composition import compose, read_settings, write_settings
from remodal.status.display import StudyStatus, find_studies, rough_duration, study_status
from remodal.status.models import ModelStatus
from remodal.status.stages import StageStatus
from remodal.status.studies import known_studies, study_lines
from remodal.training.checkpoints import Progress, write_progress

ROOT = Path(__file__).parents[1]
NOW = 1_800_000_000.0


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of two methods in two folds that has not been started."""
    settings = compose(
        {
            "study": "liver",
            "preset": "smoke",
            "splits": {"scheme": "kfold", "folds": 2},
            "recipe": {"epochs": 50},
        },
        folder=ROOT / "config",
    )
    methods = {"a": settings.methods["nnunet"], "b": settings.methods["maml"]}
    folder = tmp_path / "results/studies/liver-smoke"
    compute = settings.compute.model_copy(update={"first": []})
    fewer = {"methods": methods, "tables": {}, "claims": [], "compute": compute}
    write_settings(folder / "settings.yaml", settings.model_copy(update=fewer))
    return folder


def rows(epochs: int) -> list:
    return [
        curve_row(epoch + 1, 0.01, {"loss": 1 - epoch / 100}, 0.9, {"tumour": epoch / 100})
        for epoch in range(epochs)
    ]


BEGINS = "begins: train method a fold 0 seed 0 | remodal 0.1.0 | memory limit 1 MB (the machine)"


def trains(study: Path, epochs: int, written: float, model: str = "a-fold0-seed0") -> None:
    """A running training with this many epochs of 100 s, the last of which ended at this time."""
    folder = study / "checkpoints" / model
    write_progress(folder, Progress(epochs, curves=rows(epochs), seconds=100.0 * epochs), 50)
    os.utime(folder / "progress.json", (written, written))
    says(study, f"epoch {epochs}/50  loss 0.5", NOW - 5, model)


def says(study: Path, text: str, written: float, model: str = "a-fold0-seed0") -> None:
    log = study / "logs/train" / f"{model}.log"
    write_text(log, f"{BEGINS}\n{text}\n")
    os.utime(log, (written, written))


def first(study: Path) -> ModelStatus:
    return study_status(study, NOW).models[0]


def stage(study: Path, name: str) -> StageStatus:
    return next(one for one in study_status(study, NOW).stages if one.stage == name)


def test_every_model_of_the_settings_is_there_and_waits(study):
    found = study_status(study, NOW).models
    assert [model.model for model in found] == [
        *("a/fold0-seed0", "a/fold1-seed0", "b/fold0-seed0", "b/fold1-seed0")
    ]
    assert {(model.state, model.epoch, model.epochs) for model in found} == {("waiting", None, 50)}


def test_a_training_shows_its_last_epoch_and_what_is_left(study):
    trains(study, 20, NOW - 40)
    found = first(study)
    assert (found.state, found.epoch, found.epochs) == ("running", 20, 50)
    assert (found.loss, found.validation_dice) == (pytest.approx(0.81), pytest.approx(0.19))
    assert found.seconds_left == pytest.approx(30 * 100 - 40)
    assert found.seconds_silent == pytest.approx(40)


def test_a_training_that_has_not_ended_an_epoch_runs(study):
    says(study, "", NOW - 20)
    found = first(study)
    assert (found.state, found.epoch, found.seconds_left) == ("running", 0, None)


def test_a_training_without_a_sign_of_life_is_stopped_within_a_minute(study):
    trains(study, 20, NOW - 100)
    assert first(study).state == "running"
    log = study / "logs/train/a-fold0-seed0.log"
    os.utime(log, (NOW - 60, NOW - 60))
    found = first(study)
    assert (found.state, found.epoch) == ("stopped", 20)
    assert "without a last line" in found.reason
    assert found.seconds_left == pytest.approx(30 * 100)


@pytest.mark.parametrize(("silent", "state"), [(599, "running"), (601, "stalled")])
def test_a_training_at_work_is_stalled_when_it_has_long_ended_no_epoch(study, silent, state):
    trains(study, 20, NOW - silent)
    assert first(study).state == state
    assert (first(study).seconds_left is None) == (state == "stalled")


def test_slow_epochs_are_waited_for(study):
    folder = study / "checkpoints/a-fold0-seed0"
    write_progress(folder, Progress(2, curves=rows(2), seconds=2000.0), 50)
    os.utime(folder / "progress.json", (NOW - 2500, NOW - 2500))
    says(study, "", NOW)
    assert first(study).state == "running"


def test_a_clock_that_is_ahead_on_another_node_is_no_fault(study):
    trains(study, 20, NOW + 30)
    assert (first(study).state, first(study).seconds_silent) == ("running", 0.0)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "epoch 3/50\nremodal: the disk is full\nends: failed with exit code 4 | 3.0 s",
            "the disk is full",
        ),
        (
            "remodal: train: memory ran out\nends: killed | 3.0 s | peak memory 9 MB",
            "train: memory ran out",
        ),
        (
            'Traceback (most recent call last):\n  File "a.py", line 1\n    f()\n'
            "ValueError: odd\nends: failed with exit code 1 | 3.0 s | peak memory 9 MB",
            "ValueError: odd",
        ),
    ],
)
def test_a_failure_is_known_by_the_log_with_its_reason(study, log, reason):
    trains(study, 3, NOW - 10)
    says(study, log, NOW - 5)
    assert (first(study).state, first(study).reason) == ("failed", reason)
    assert first(study).epoch == 3


def test_a_training_that_goes_on_after_a_failure_runs(study):
    trains(study, 3, NOW - 10)
    says(study, "remodal: the disk is full\ncontinues after epoch 3, iteration 0", NOW - 5)
    assert first(study).state == "running"


@pytest.mark.parametrize("code", ["stopped, saved", "stopped"])
def test_a_training_that_was_asked_to_stop_is_stopped(study, code):
    trains(study, 3, NOW - 5000)
    preempted = Preempted("stopped", where="x", remedy="the same command continues from there")
    says(study, f"epoch 3/50\nremodal: {preempted}\nends: {code} | 9.0 s", NOW - 1)
    assert (first(study).state, first(study).epoch, first(study).reason) == ("stopped", 3, "")


def test_a_finished_model_shows_its_curves_end(study):
    trains(study, 50, NOW - 1e6)
    model = study / "models/a/fold0-seed0"
    curves = [*rows(49), curve_row(50, 0.01, {"loss": -0.5}, 0.9, {"tumour": None})]
    write_curves(model / "curves.csv", curves)
    write_text(model / "model.safetensors", "")
    found = first(study)
    assert (found.state, found.epoch, found.loss) == ("done", 50, -0.5)
    assert found.validation_dice == pytest.approx(0.48)


def test_a_model_that_was_assembled_without_training_is_done(study):
    model = study / "models/a/fold0-seed0"
    write_curves(model / "curves.csv", [])
    write_text(model / "model.safetensors", "")
    assert (first(study).state, first(study).epoch) == ("done", None)


def test_a_progress_file_that_cannot_be_read_is_as_none(study):
    write_text(study / "checkpoints/a-fold0-seed0/progress.json", "{")
    os.utime(study / "checkpoints/a-fold0-seed0/progress.json", (NOW, NOW))
    assert (first(study).state, first(study).epoch) == ("running", 0)


def test_studies_are_found_from_results_and_from_their_own_folder(study):
    assert find_studies(study) == find_studies(study.parents[1]) == [study]
    with pytest.raises(UserError, match="holds no study"):
        find_studies(study.parent)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((8, "8 s"), (100, "2 min"), (12_000, "3 h 20 min"), (3600, "1 h 0 min")),
        (6.2 * 86_400, "6 d 5 h"),
    ],
)
def test_durations_read_as_people_say_them(seconds, said):
    assert rough_duration(seconds) == said


def status(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "remodal", "status", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_plain_lines_where_there_is_no_terminal(study):
    says(study, "remodal: the disk is full\nends: failed with exit code 4 | 1.0 s", NOW)
    lines = status(study.parents[1]).splitlines()
    assert lines[0] == "liver-smoke: 4 models: 1 failed, 3 waiting"
    assert lines[1].split()[:2] == ["stage", "done"]
    assert ["train", "0/4", "-", "1", "-"] in [line.split() for line in lines]
    models = lines.index("") + 1
    assert lines[models].split()[:3] == ["model", "state", "epoch"]
    assert lines[models + 1].split()[:3] == ["a/fold0-seed0", "failed", "0/50"]
    assert "a/fold0-seed0: the disk is full" in lines
    assert lines[-1].startswith("No stage is at work now.")
    assert not any("\x1b" in line for line in lines)


def test_a_narrow_terminal_cuts_no_figure(study):
    trains(study, 20, NOW)
    program = "import sys; sys.stdout.isatty = lambda: True; from remodal.cli import main; main()"
    environment = os.environ | {"COLUMNS": "70", "TERM": "dumb"}
    shown = subprocess.run(
        [sys.executable, "-c", program, "status", str(study)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    ).stdout
    assert "20/50" in shown
    assert "0.8100" in shown
    assert "…" not in shown


def test_json_holds_every_field_of_each_model(study):
    write_json(study / "checkpoints/b-fold1-seed0/progress.json", {"epoch": 1, "epochs": 50})
    models = json.loads(status(study, "--json"))["liver-smoke"]["models"]
    assert [model["epoch"] for model in models] == [None, None, None, 1]
    assert models[3]["state"] == "running"
    assert set(models[0]) >= {"model", "loss", "validation_dice", "seconds_left", "reason"}


def test_watching_ends_when_all_is_done(study):
    for method in "ab":
        for fold in range(2):
            write_text(study / f"models/{method}/fold{fold}-seed0/model.safetensors", "")
    for last in ("report/index.html", "tracking.json"):
        write_text(study / last, "")
    shown = status(study, "--watch", "1000")
    assert shown.startswith("liver-smoke: 4 models: 4 done")
    assert "No stage is at work" not in shown


def test_preparation_is_shown_stage_by_stage(study):
    data = study.parents[1] / "data/phantom-smoke"
    cases = [case.case for case in cases_of(read_settings(study / "settings.yaml"))]
    for case in cases:
        write_text(data / f"scans/{case}/record.json", "{}")
    for case in cases[:3]:
        for image in ("arterial", "venous", "label-venous"):
            record = Record(case=case, stage="convert", modality=image)
            write_record(data / f"converted/{case}/{image}.json", record)
    for number, text in enumerate(["", "remodal: odd\nends: failed with exit code 4 | 1.0 s"]):
        log = data / f"logs/convert/{cases[3 + number]}-venous.log"
        write_text(log, f"begins: convert | remodal 0.1.0\n{text}\n")
        os.utime(log, (NOW - 5, NOW - 5))
    blank = Record(case=cases[0], stage="register", reason="no overlap")
    quarantine(data / f"registered/{cases[0]}/registration.json", blank)
    passed_on = Record(case=cases[1], stage="convert", reason="two series")
    quarantine(data / f"registered/{cases[1]}/registration.json", passed_on)

    assert stage(study, "simulate") == StageStatus("simulate", 6, 6)
    converted = stage(study, "convert")
    assert (converted.done, converted.total) == (9, 18)
    assert (converted.running, converted.failed) == (1, 1)
    assert f"convert {cases[4]}-venous: odd" in converted.reasons[0]
    registered = stage(study, "register")
    assert (registered.done, registered.total, registered.quarantined) == (2, 6, 1)
    found = study_status(study, NOW)
    assert [one.stage for one in found.stages][-4:] == ["tabulate", "report", "track", "faults"]
    assert isinstance(found, StudyStatus)
    assert found.at_work
    assert not found.done


def test_cases_that_are_not_known_here_leave_the_number_of_jobs_open(study):
    settings = read_settings(study / "settings.yaml")
    sheet = {"source": "sheet", "sheet": Path("no/such/sheet.tsv"), "simulated": False}
    data = settings.data.model_copy(update=sheet)
    write_settings(study / "settings.yaml", settings.model_copy(update={"data": data}))
    record = Record(case="a", stage="convert", modality="venous")
    write_record(study.parents[1] / "data/phantom/converted/a/venous.json", record)
    assert (stage(study, "convert").done, stage(study, "convert").total) == (1, None)
    assert "1/?" in status(study)


def test_each_study_of_the_configuration_is_listed_with_what_it_needs(tmp_path):
    studies = {study.name: study for study in known_studies(tmp_path, ROOT / "config")}
    assert set(studies) == {path.stem for path in (ROOT / "config/studies").glob("*.yaml")}
    assert studies["liver"].data == "simulated"
    assert studies["pancreas_nih"].data == "needs data/Pancreas-CT"
    assert studies["brats_2018"].data == "needs a folder: `data.folder`"
    assert not any(study.here for study in studies.values())


def test_a_study_that_was_started_is_listed_with_its_preset_and_models(study):
    trains(study, 50, NOW)
    known = known_studies(study.parents[1], ROOT / "config")
    lines = "\n".join(study_lines(known))
    assert "    smoke: 4 models: 1 " in lines
    assert lines.count(" models: ") == 1


def test_a_study_whose_file_is_wrong_is_listed_with_what_is_wrong(tmp_path):
    for kind in ("studies", "presets"):
        (tmp_path / kind).mkdir()
    (tmp_path / "presets/smoke.yaml").touch()
    write_text(tmp_path / "studies/ours.yaml", "extends: theirs\n")
    studies = {study.name: study for study in known_studies(tmp_path, tmp_path)}
    assert "unknown study `theirs`" in studies["ours"].data
    assert studies["liver"].data == "simulated"  # remodal's own are there too


def test_a_network_that_is_to_be_planned_is_a_stage_of_its_own(study):
    assert "plan-network" not in [one.stage for one in study_status(study).stages]
    content = read_settings(study / "settings.yaml").model_dump(mode="json")
    content |= {"network": "auto"}
    write_text(study / "settings.yaml", json.dumps(content))
    stages = [one.stage for one in study_status(study).stages]
    assert stages.index("plan-network") == stages.index("split") + 1
