"""Records: what a stage did with one case, or why the case is quarantined.

A stage that meets a bad case, or a fault of ours in one, writes a record with the reason and an
empty file in place of each image, so that the study goes on with the other cases and nothing is
dropped silently.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from remodal.errors import BadCase, QuarantinedBefore, concerns_one_case
from remodal.results.files import atomic_path, read_json, write_json
from remodal.results.paths import (
    converted_folder,
    preprocessed_folder,
    registered_folder,
    scans_folder,
)


class Record(BaseModel):
    """What one stage did with one case (or with one image of it).

    `reason` names what was wrong, what was expected and what to do; `stage` is where the case was
    quarantined first, however many later stages passed it on. `fault` tells whether it was a fault
    of ours, whose traceback is in that stage's log, or bad data.
    """

    case: str
    stage: str
    status: Literal["ok", "quarantined"] = "ok"
    modality: str | None = None
    reason: str = ""
    fault: bool = False
    warnings: list[str] = Field(default_factory=list)
    details: dict[str, Any] = Field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the case can be used by later stages."""
        return self.status == "ok"


def write_record(path: Path, record: Record) -> None:
    """Write one record as JSON."""
    write_json(path, record.model_dump(mode="json"))


def read_record(path: Path) -> Record:
    """Read one record."""
    return Record.model_validate(read_json(path))


def case_records(study: Path, data: Path, converted: Mapping[str, Iterable[str]]) -> list[Record]:
    """Every stage's record of every case, in the order of the stages.

    Args:
        study: folder of the study's results.
        data: folder of the data set's results.
        converted: names of each case's converted images and labels; anything else in the folder
            came from an earlier sheet.
    """
    cases = {case: sorted(converted[case]) for case in sorted(converted)}
    folds = sorted(preprocessed_folder(study).glob("*/"))
    paths = [
        *(scans_folder(data, case) / "record.json" for case in cases),
        *(converted_folder(data, case) / f"{name}.json" for case in cases for name in cases[case]),
        *(registered_folder(data, case) / "registration.json" for case in cases),
        *(fold / f"{case}.json" for fold in folds for case in cases),
    ]
    return [read_record(path) for path in paths if path.is_file()]


def with_quarantine(
    work: Callable[[], Record], path: Path, blank: Record, outputs: Sequence[Path], *, wanted: bool
) -> Record:
    """Do a stage's work on one case; if the case cannot be used, quarantine it.

    The traceback of a fault of ours goes to standard error, which is the log of a job. The record
    holds only the kind of the exception, whose text may name a patient.

    Args:
        work: writes the outputs and the record, which it returns.
        path: the record.
        blank: the record of a case about which nothing is known yet.
        outputs: files that must exist, empty ones if the case is quarantined.
        wanted: whether to quarantine; otherwise the exception is raised, and no new file is left.

    Raises:
        BadCase: the case cannot be used, and no quarantine is wanted.
        UserError, EnvironmentProblem, MemoryError, OSError: problems that no case is to blame for.
    """
    earlier = {output for output in (path, *outputs) if output.exists()}
    try:
        return work()
    except Exception as error:
        if not concerns_one_case(error):
            raise
        if not wanted:
            for output in {path, *outputs} - earlier:
                output.unlink(missing_ok=True)
            raise
        if is_fault(error):
            traceback.print_exception(error)
        return quarantine(path, blank.model_copy(update=_what_was_wrong(error)), outputs)


def _what_was_wrong(error: Exception) -> dict[str, Any]:
    """The fields of a record that say why its case is quarantined."""
    if isinstance(error, QuarantinedBefore):
        return {
            "reason": str(error),
            "fault": error.fault,
            "stage": error.stage,
            "modality": error.modality,
        }
    return {"reason": reason_of(error), "fault": is_fault(error)}


@contextmanager
def noting_faults(case: str, failed: dict[str, str], *, wanted: bool) -> Iterator[None]:
    """Note a fault of ours in one of several cases that a job goes through, and go on.

    Args:
        case: the case.
        failed: reasons by case, to add to; the traceback goes to standard error.
        wanted: whether to note it; otherwise the exception is raised.
    """
    try:
        yield
    except Exception as error:
        if not wanted or not concerns_one_case(error) or not is_fault(error):
            raise
        traceback.print_exception(error)
        failed[case] = reason_of(error)


def is_fault(error: Exception) -> bool:
    """Whether an exception that concerns one case is a fault of ours, and not of the data."""
    return not isinstance(error, BadCase)


def reason_of(error: Exception) -> str:
    """Why a case is quarantined, in one line that names no patient."""
    if is_fault(error):
        return f"a fault of ours ({type(error).__name__}); the stage's log holds the traceback"
    return str(error)


def write_empty(paths: Iterable[Path]) -> None:
    """Write an empty file in place of each missing image, for Snakemake to find."""
    for path in paths:
        with atomic_path(path):
            pass


def quarantine(path: Path, record: Record, outputs: Iterable[Path] = ()) -> Record:
    """Write and return a record marked as quarantined, and write an empty file for each output."""
    write_empty(outputs)
    quarantined = record.model_copy(update={"status": "quarantined"})
    write_record(path, quarantined)
    return quarantined


def require_ok(records: Iterable[Record]) -> None:
    """Pass a quarantine on: raise what stopped the first bad record, if there is one.

    Raises:
        QuarantinedBefore: with the original stage and reason.
    """
    for record in records:
        if not record.ok:
            raise QuarantinedBefore(
                record.reason, stage=record.stage, modality=record.modality, fault=record.fault
            )
