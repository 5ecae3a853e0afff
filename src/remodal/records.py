"""Records: what a stage did with one case, or why the case is quarantined.

A stage that meets a bad case writes a record with its reason and an empty file in place of each
image, so that the study goes on with the other cases and nothing is dropped in silence.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from remodal.errors import BadCase
from remodal.files import atomic_path, read_json, write_json


class Record(BaseModel):
    """What one stage did with one case (or with one image of it).

    `reason` names what was wrong, what was expected and what to do; `stage` is where the case was
    quarantined first, however many later stages passed it on.
    """

    case: str
    stage: str
    status: Literal["ok", "quarantined"] = "ok"
    modality: str | None = None
    reason: str = ""
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


def quarantine(path: Path, record: Record, outputs: Iterable[Path] = ()) -> None:
    """Write a quarantined record and an empty file in place of each output."""
    for output in outputs:
        with atomic_path(output):
            pass
    write_record(path, record.model_copy(update={"status": "quarantined"}))


def require_ok(records: Iterable[Record]) -> None:
    """Pass a quarantine on: raise what stopped the first bad record, if there is one.

    Raises:
        BadCase: with the original reason.
    """
    for record in records:
        if not record.ok:
            raise BadCase(record.reason)
