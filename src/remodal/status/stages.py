"""How far a study's stages are: what is done, running, failed or quarantined."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from remodal.errors import RemodalError
from remodal.intake.datasets import CaseSource, cases_of
from remodal.process.stage_log import ending, shows_life
from remodal.results.paths import (
    converted_folder,
    data_of,
    fingerprint_file,
    metrics_file,
    model_folder,
    plan_file,
    prediction_folder,
    preprocessed_folder,
    registered_folder,
    scans_folder,
    splits_file,
)
from remodal.results.records import Record, read_record
from remodal.settings import Settings
from remodal.status.models import WITHOUT_A_WORD

#: Failed jobs of a stage whose reasons are shown.
_REASONS = 3


@dataclass(frozen=True)
class StageStatus:
    """How far one stage is.

    Attributes:
        stage: its name.
        done: jobs whose result exists.
        total: jobs in all; None if the cases are not known here.
        running: jobs whose log shows signs of life.
        failed: jobs whose log ends with an error, and those that ended without a last line.
        quarantined: cases that this stage found unusable.
        reasons: what some of the failed jobs said last (for a training, its model shows this).
    """

    stage: str
    done: int
    total: int | None
    running: int = 0
    failed: int = 0
    quarantined: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every result is there."""
        return self.done == self.total


def stage_status(study: Path, settings: Settings, now: float | None = None) -> list[StageStatus]:
    """How far each stage is, in the order in which data pass through them.

    Args:
        study: folder of the study, in a folder of results.
        settings: as written by its last run.
        now: seconds since 1970, for tests.
    """
    now = time.time() if now is None else now
    data = data_of(study, settings.data_id)
    return [
        _status(stage, results, logs, records, now)
        for stage, results, logs, records in _stages(study, data, settings)
    ]


def _stages(
    study: Path, data: Path, settings: Settings
) -> Iterator[tuple[str, list[Path] | None, Iterable[Path], Iterable[Path]]]:
    """Each stage with a result of each of its jobs, its logs, and the records of its cases."""
    cases = _cases(settings)
    folds = range(settings.splits.fold_count)
    models = list(settings.trainings())
    cells = [(model, name) for model in models for name in settings.scenarios_of(model.method)]
    of_data, of_study = data / "logs", study / "logs"
    if settings.data.simulated:
        results = _each(cases, lambda c: [scans_folder(data, c.case) / "record.json"])
        yield "simulate", results, of_data.glob("simulate/*.log"), ()
    yield (
        "convert",
        _each(
            cases, lambda c: [converted_folder(data, c.case) / f"{name}.json" for name in c.sources]
        ),
        of_data.glob("convert*/*.log"),
        data.glob("converted/*/*.json"),
    )
    yield (
        "register",
        _each(cases, lambda c: [registered_folder(data, c.case) / "registration.json"]),
        of_data.glob("register/*.log"),
        data.glob("registered/*/registration.json"),
    )
    yield "split", [splits_file(study)], of_study.glob("split.log"), ()
    if settings.network.unplanned or plan_file(study).is_file():
        yield "plan-network", [plan_file(study)], of_study.glob("plan-network.log"), ()
    fingerprints = [fingerprint_file(study, fold) for fold in folds]
    yield "fingerprint", fingerprints, of_study.glob("fingerprint-*.log"), ()
    prepared = preprocessed_folder(study, settings.preprocessing.folder_of(folds[-1]))
    yield (
        "preprocess",
        _each(cases, lambda c: [prepared / f"{c.case}.json"]),
        of_study.glob("preprocess/*.log"),
        prepared.glob("*.json"),
    )
    trained = [model_folder(study, model) / "model.safetensors" for model in models]
    yield "train", trained, of_study.glob("train/*.log"), ()
    predicted = [prediction_folder(study, *cell) / "predictions.json" for cell in cells]
    yield "infer", predicted, of_study.glob("infer/*.log"), ()
    measured = [metrics_file(study, *cell) for cell in cells]
    yield "evaluate", measured, of_study.glob("evaluate/*.log"), ()
    last = {"report": "report/index.html", "track": "tracking.json", "faults": "report/faults.json"}
    for stage, result in ({"tabulate": "tables/summary.json"} | last).items():
        yield stage, [study / result], of_study.glob(f"{stage}.log"), ()


def _cases(settings: Settings) -> list[CaseSource] | None:
    """The study's cases; None where its sheet is missing, as in another working folder."""
    try:
        return cases_of(settings)
    except RemodalError:
        return None


def _each(
    cases: list[CaseSource] | None, results: Callable[[CaseSource], list[Path]]
) -> list[Path] | None:
    return None if cases is None else [path for case in cases for path in results(case)]


def _status(
    stage: str,
    results: list[Path] | None,
    logs: Iterable[Path],
    records: Iterable[Path],
    now: float,
) -> StageStatus:
    found = sum(path.is_file() for path in results) if results is not None else None
    running, failed, reasons = 0, 0, []
    if results is None or found < len(results):
        for log in logs:
            ended = ending(log)
            if not ended.outcome and shows_life(log, now):
                running += 1
            elif ended.outcome in ("", "failed", "killed"):
                failed += 1
                reasons.append(f"{stage} {log.stem}: {ended.reason or WITHOUT_A_WORD} ({log})")
    known = [record for path in records if (record := _record(path))]
    quarantined = {record.case for record in known if not record.ok and record.stage == stage}
    done = len(known) if found is None else found
    total = None if results is None else len(results)
    shown = [] if stage == "train" else sorted(reasons)[:_REASONS]
    return StageStatus(stage, done, total, running, failed, len(quarantined), shown)


def _record(path: Path) -> Record | None:
    try:
        return read_record(path)
    except (OSError, ValueError):
        return None
