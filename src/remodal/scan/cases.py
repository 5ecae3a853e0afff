"""What was found of one examination: its pseudonyms, what became of each volume, and doubts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from remodal.counting import counted
from remodal.geometry.volume import Geometry
from remodal.scan.choosing import Choice
from remodal.scan.grouping import Examination
from remodal.scan.labels import drawn_on, unmatched

_LEAST_SHARED = 0.5


@dataclass(frozen=True)
class ScannedCase:
    """An examination that was scanned.

    Attributes:
        case: its pseudonym.
        patient: the patient's.
        choices: what became of each volume.
        notes: what else to look at.
    """

    case: str
    patient: str
    choices: tuple[Choice, ...]
    notes: tuple[str, ...]

    @property
    def taken(self) -> dict[str, Choice]:
        """The volumes that were taken, by the image that they are."""
        chosen = sorted(
            (one for one in self.choices if one.taken), key=lambda one: one.verdict.name
        )
        return {one.verdict.name: one for one in chosen}


def notes_of(examination: Examination, choices: Sequence[Choice]) -> tuple[str, ...]:
    """What to look at: labels that are not in the sheet, images that hardly overlap."""
    taken = [one for one in choices if one.taken]
    notes = []
    for one in taken:
        count = len(drawn_on(one.volume, examination.labels))
        if count > 1:
            name = one.verdict.name
            notes.append(f"{count} labels were drawn on the {name} image: none is in the sheet")
    if lost := unmatched(examination.labels, [one.volume for one in taken]):
        were = counted(len(lost), "of its labels was", "of its labels were")
        notes.append(f"{were} drawn on no image that was taken")
    for one, other in combinations(taken, 2):
        if _shared(one.volume.geometry, other.volume.geometry) < _LEAST_SHARED:
            names = f"{one.verdict.name} and {other.verdict.name}"
            notes.append(f"the {names} images cover different parts of the body")
    return tuple(notes)


def _shared(one: Geometry, other: Geometry) -> float:
    """Share of the shorter image, from feet to head, that both images cover."""
    (low, high), (other_low, other_high) = _heights(one), _heights(other)
    shorter = max(min(high - low, other_high - other_low), 1e-6)
    return max(0.0, min(high, other_high) - max(low, other_low)) / shorter


def _heights(geometry: Geometry) -> tuple[float, float]:
    ends = product(*((0, length - 1) for length in geometry.shape[::-1]))
    heights = [float((geometry.affine @ np.array([*end, 1.0]))[2]) for end in ends]
    return min(heights), max(heights)
