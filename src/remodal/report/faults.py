"""Faults of ours in a study's cases: what is left to report once everything else is done."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from remodal.counting import counted
from remodal.errors import FaultOfOurs
from remodal.intake.datasets import cases_of
from remodal.metrics.cases import failed_cases
from remodal.results.files import read_json, write_json
from remodal.results.paths import log_file, metrics_file, prediction_folder
from remodal.results.records import Record, case_records
from remodal.settings import Settings


@dataclass(frozen=True)
class Fault:
    """A fault in one case: the stage that met it, what it was, and the log with its traceback."""

    case: str
    stage: str
    reason: str
    log: Path


class FaultsLeft(FaultOfOurs):
    """What is to be reported, one line per fault."""

    def __init__(self, faults: list[Fault]) -> None:
        cases = len({fault.case for fault in faults})
        what = (
            f"{counted(cases, 'case')} met a fault of ours and "
            f"{'is' if cases == 1 else 'are'} missing; all else is done, and the report says where"
        )
        remedy = "please report each with its log (which may hold names: look first)"
        super().__init__(what, remedy=remedy)
        lines = [f"  {f.case}, {f.stage}: {f.reason}: {f.log}" for f in faults]
        self.args = ("\n".join([f"{what}; {remedy}:", *lines]),)


def find_faults(settings: Settings, study: Path, data: Path) -> list[Fault]:
    """The faults of ours in a study's cases, in the order of the stages.

    Args:
        settings: the study.
        study: folder of its results.
        data: folder of the data set's results.
    """
    converted = {source.case: list(source.sources) for source in cases_of(settings)}
    found: dict[tuple[str, str, str | None], Fault] = {}
    for record in case_records(study, data, converted):
        if record.fault:
            # A later stage passes on what stopped an earlier one.
            key = record.case, record.stage, record.modality
            found.setdefault(key, _fault(record, study, data))
    return [*found.values(), *_of_tests(settings, study)]


def _of_tests(settings: Settings, study: Path) -> Iterator[Fault]:
    """Test cases that a model could not predict, or whose prediction could not be measured."""
    for method in settings.methods:
        for scenario in settings.scenarios_of(method):
            for training in settings.trainings(method):
                path = metrics_file(study, training, scenario)
                for case, reason in (failed_cases(path) if path.is_file() else {}).items():
                    predictions = prediction_folder(study, training, scenario)
                    index = read_json(predictions / "predictions.json")
                    stage = "infer" if case in index["failed"] else "evaluate"
                    yield Fault(case, stage, reason, log_file(study, stage, training.job, scenario))


def _fault(record: Record, study: Path, data: Path) -> Fault:
    names = {
        "convert": ("convert", record.case, record.modality),
        "convert-label": ("convert-label", record.case, record.modality),
    }
    folder = study if record.stage == "preprocess" else data
    log = log_file(folder, *names.get(record.stage, (record.stage, record.case)))
    return Fault(record.case, record.stage, record.reason, log)


def require_no_faults(settings: Settings, study: Path, data: Path, output: Path) -> None:
    """Check that no case of a study is missing because of a fault of ours.

    Args:
        settings: the study.
        study: folder of its results.
        data: folder of the data set's results.
        output: JSON file to write if there is no fault: an empty list.

    Raises:
        FaultsLeft: there are faults; each is named with its log.
    """
    if faults := find_faults(settings, study, data):
        output.unlink(missing_ok=True)
        raise FaultsLeft(faults)
    write_json(output, [])
