"""Pseudonyms of patients and examinations, which stay the same in later scans.

They are numbers, remembered beside the sheet, or come from a key: whoever has the same key gives a
patient the same pseudonym at another time and place, and nobody can find out the PatientID by
trying all that there may be, as from a plain hash.
"""

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

from remodal.errors import UserError
from remodal.results.files import read_json, write_json
from remodal.scan.grouping import Examination

_SHORTEST_KEY = 16
#: Hexadecimal digits of a pseudonym: among 10,000 patients two are alike once in 5 million exports.
_DIGITS = 12


def pseudonyms(
    examinations: Sequence[Examination], kept: Path, key: bytes | None = None
) -> list[tuple[str, str]]:
    """Pseudonyms of the case and the patient of each examination.

    A patient is a PatientID: an export whose PatientIDs are all alike makes all one patient, which
    keeps them in one fold. Where the ID is missing, each examination is a patient.

    Args:
        examinations: all of them, in the order in which new ones are numbered.
        kept: JSON file that remembers the numbers, by digests of the IDs; written again.
        key: where there is one, pseudonyms are made of it and of the IDs, and nothing is kept.
    """
    if key is not None:
        return [
            (
                _keyed(key, "case", f"{one.patient}\n{one.study}"),
                _keyed(key, "patient", one.patient),
            )
            for one in examinations
        ]
    known = read_json(kept) if kept.is_file() else {"patients": {}, "cases": {}}
    found = []
    for one in examinations:
        patient = _name(known["patients"], "patient", one.patient)
        case = _name(known["cases"], "case", f"{one.patient}\n{one.study}")
        found.append((case, patient))
    write_json(kept, known)
    return found


def read_key(path: Path) -> bytes:
    """The key in a file, without white space around it.

    Raises:
        UserError: there is no such file, or the key is short enough to be guessed.
    """
    how = f"make one: `openssl rand -hex 32 > {path}`; keep it in the hospital"
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise UserError("the key cannot be read", where=str(path), remedy=how) from error
    if len(key) < _SHORTEST_KEY:
        expected = f"a secret of {_SHORTEST_KEY} characters or more"
        raise UserError("the key is too short", where=str(path), expected=expected, remedy=how)
    return key


def _keyed(key: bytes, kind: str, identity: str) -> str:
    """HMAC-SHA-256 (RFC 2104) of an ID, cut; the kind keeps cases and patients apart."""
    content = f"{kind}\n{identity}".encode(errors="surrogateescape")
    return kind + hmac.new(key, content, hashlib.sha256).hexdigest()[:_DIGITS]


def _name(known: dict[str, str], kind: str, identity: str) -> str:
    digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:24]
    return known.setdefault(digest, f"{kind}{len(known) + 1:04d}")
