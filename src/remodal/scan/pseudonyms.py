"""Pseudonyms of patients and examinations: numbers, which stay the same in later scans."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from remodal.results.files import read_json, write_json
from remodal.scan.grouping import Examination


def pseudonyms(examinations: Sequence[Examination], kept: Path) -> list[tuple[str, str]]:
    """Pseudonyms of the case and the patient of each examination.

    A patient is a PatientID: an export whose PatientIDs are all alike makes all one patient, which
    keeps them in one fold. Where the ID is missing, each examination is a patient.

    Args:
        examinations: all of them, in the order in which new ones are numbered.
        kept: JSON file that remembers them, by digests of the IDs; written again.
    """
    known = read_json(kept) if kept.is_file() else {"patients": {}, "cases": {}}
    found = []
    for one in examinations:
        patient = _name(known["patients"], "patient", one.patient)
        case = _name(known["cases"], "case", f"{one.patient}\n{one.study}")
        found.append((case, patient))
    write_json(kept, known)
    return found


def _name(known: dict[str, str], kind: str, identity: str) -> str:
    digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:24]
    return known.setdefault(digest, f"{kind}{len(known) + 1:04d}")
