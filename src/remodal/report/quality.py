"""What happened to the cases: quarantine, warnings, and how well their images were registered."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remodal.records import Record, read_record
from remodal.report.slices import Panel

_WORST = 6


@dataclass(frozen=True)
class Note:
    """A case, the stage that spoke of it, and what it said."""

    case: str
    stage: str
    reason: str


@dataclass(frozen=True)
class Pair:
    """Registration quality of one image of a case, under `Registration.columns`."""

    case: str
    modality: str
    values: list[float]


@dataclass(frozen=True)
class Registration:
    """The registration section; empty lists when nothing was registered."""

    method: str
    columns: list[str] = field(default_factory=list)
    rows: list[Pair] = field(default_factory=list)
    thumbnails: list[Panel] = field(default_factory=list)
    histograms: str = ""
    caption: str = ""


def case_records(study: Path, data: Path) -> list[Record]:
    """Every stage's record of every case, in the order of the stages."""
    return [
        *_records(data / "converted", "*/*.json"),
        *_records(data / "registered", "*/registration.json"),
        *_records(study / "preprocessed", "fold*/*.json"),
    ]


def _records(folder: Path, pattern: str) -> Iterator[Record]:
    for path in sorted(folder.glob(pattern)):
        if path.name != "fingerprint.json":
            yield read_record(path)


def quarantined(records: list[Record], splits: dict[str, Any]) -> list[Note]:
    """Cases that are in no number, with the stage that stopped them first and its reason."""
    notes: dict[str, Note] = {}
    for record in records:
        if not record.ok:
            notes.setdefault(record.case, Note(record.case, record.stage, record.reason))
    for case, reason in splits.get("quarantined", {}).items():
        notes.setdefault(case, Note(case, "split", reason))
    return sorted(notes.values(), key=lambda note: note.case)


def warnings(records: list[Record]) -> list[Note]:
    """Warnings about cases that were used all the same."""
    found = dict.fromkeys(
        Note(record.case, record.stage, text)
        for record in records
        if record.ok
        for text in record.warnings
    )
    return sorted(found, key=lambda note: (note.case, note.stage, note.reason))


def registration_quality(settings, records, data) -> Registration:
    return Registration(settings.registration.method)
