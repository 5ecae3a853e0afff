"""The images of one DICOM series that lie at the same places: phases, echoes, time points.

One of them is chosen by its number behind the path: `scans/p1#.2` is the second image of the only
series of a folder, `scans/p1#4.2` that of the series with the SeriesNumber 4.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from remodal.counting import counted
from remodal.errors import BadCase
from remodal.intake.elements import words
from remodal.intake.headers import quiet_pydicom
from remodal.intake.slices import Slice
from remodal.intake.source_files import part_number
from remodal.intake.stack import same_place_numbers

#: Elements that part a series, the most telling first, and what they are called in a reason.
PARTING = {
    "ImageType": "image type",
    "ConvolutionKernel": "kernel",
    "SliceThickness": "slice thickness",
    "EchoNumbers": "echo",
    "EchoTime": "echo time",
    "InversionTime": "inversion time",
    "DiffusionBValue": "b-value",
    "NominalPercentageOfCardiacPhase": "cardiac phase",
    "TemporalPositionIdentifier": "temporal position",
    "AcquisitionNumber": "acquisition number",
    "TriggerTime": "trigger time",
    "ContrastBolusAgent": "contrast agent",
    "SeriesTime": "series time",
    "AcquisitionTime": "acquisition time",
    "ContentTime": "content time",
}
#: Where the frames of an enhanced image have them: functional group and element (PS3.3 C.7.6.16).
_OF_FRAMES = {
    "ImageType": (
        ("CTImageFrameTypeSequence", "FrameType"),
        ("MRImageFrameTypeSequence", "FrameType"),
    ),
    "ConvolutionKernel": (("CTReconstructionSequence", "ConvolutionKernel"),),
    "EchoTime": (("MREchoSequence", "EffectiveEchoTime"),),
    "DiffusionBValue": (("MRDiffusionSequence", "DiffusionBValue"),),
    "NominalPercentageOfCardiacPhase": (
        ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),
    ),
    "TemporalPositionIdentifier": (
        ("FrameContentSequence", "TemporalPositionIndex"),
        ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
    ),
    "AcquisitionNumber": (
        ("FrameContentSequence", "FrameAcquisitionNumber"),
        ("FrameContentSequence", "StackID"),
    ),
}
_ORDER = "nothing but their order"
#: Elements whose numbers may be shown: they say nothing of the patient, nor when it was.
_SHOWN = {
    *("EchoNumbers", "EchoTime", "InversionTime", "DiffusionBValue", "SliceThickness"),
    *("NominalPercentageOfCardiacPhase", "TemporalPositionIdentifier", "TriggerTime"),
}
_MOST_NAMED = 20


def one_image(slices: list[Slice], source: Path) -> tuple[list[Slice], list[str]]:
    """The slices of the one image of a series that is meant, and a note on how it was told.

    Args:
        slices: of one series.
        source: its path, perhaps with the number of the image.

    Raises:
        BadCase: there are several images and none is named, with what tells them apart; or none of
            that number.
    """
    wanted = part_number(source)
    parts, by = _parts_of(slices)
    if wanted is None and len(parts) == 1:
        return slices, []
    told = f"{counted(len(parts), 'image')} at the same places in one series"
    if by:
        told += f", told apart by {' and '.join(PARTING.get(one, one) for one in by)}"
    if wanted is None:
        raise BadCase(
            f"{told}: {_named(parts, by)}",
            expected="which one is meant",
            remedy="add its number to the path in the sheet, as in `#.1`, or behind the number of "
            "the series, as in `#4.1`",
        )
    if not 1 <= wanted <= len(parts):
        raise BadCase(
            f"there is no image {wanted}, but {told}",
            expected=f"`#.1` to `#.{len(parts)}`" if len(parts) > 1 else "a path without `#.`",
            remedy="correct the path in the sheet",
        )
    return parts[wanted - 1], [f"image {wanted} of {told}"]


def image_numbers(slices: list[Slice]) -> list[int]:
    """The number of the image that each slice of a series is of, as behind `#.`; 1 if it is one."""
    parts, _ = _parts_of(slices)
    numbers = {id(one): number for number, part in enumerate(parts, 1) for one in part}
    return [numbers[id(one)] for one in slices]


def _named(parts: list[list[Slice]], by: Sequence[str]) -> str:
    """The number of each image, its slices and, where these are harmless, what tells it apart."""
    shown = [element for element in by if element in _SHOWN]
    named = []
    for number, part in enumerate(parts[:_MOST_NAMED], 1):
        values = [f"{PARTING[one]} {_value(part[0], one)}" for one in shown]
        named.append(f"`#.{number}` ({', '.join([*values, counted(len(part), 'slice')])})")
    return ", ".join(named)


@dataclass(frozen=True)
class _Placed:
    """A slice and the number of its place, which several slices may share."""

    slice: Slice
    place: int


def _parts_of(slices: list[Slice]) -> tuple[list[list[Slice]], list[str]]:
    """Parts of a series without two slices at one place, and the elements that tell them apart.

    One part if no place is taken twice, or if nothing tells the slices there apart: copies.
    """
    if any(one.position is None or one.orientation is None for one in slices):
        return [slices], []
    if any(not np.allclose(one.orientation, slices[0].orientation, atol=1e-3) for one in slices):
        return [slices], []
    numbers = same_place_numbers(slices)
    if len(set(numbers)) == len(slices):
        return [slices], []
    with quiet_pydicom():
        parts, by = _parted([_Placed(*pair) for pair in zip(slices, numbers)])
    return [[one.slice for one in part] for part in parts], by


def _parted(slices: list[_Placed]) -> tuple[list[list[_Placed]], list[str]]:
    parts, by = [slices], []
    places = len({one.place for one in slices})
    # First what parts all places alike: an acquisition number may also differ along the slices.
    for whole in (True, False):
        for element in PARTING:
            smaller = [one for part in parts for one in _by_value(part, element)]
            alike = all(len({one.place for one in part}) == places for part in smaller)
            fewer = _repeated(smaller) < _repeated(parts)
            if fewer and min(map(len, smaller)) > 1 and (alike or not whole):
                parts, by = smaller, [*by, element]
    if not _repeated(parts):
        return parts, by
    ordered = [one for part in parts for one in _by_order(part)]
    return ([slices], []) if _repeated(ordered) else (ordered, [*by, _ORDER])


def _repeated(parts: list[list[_Placed]]) -> int:
    """How many slices lie where another one of their part does."""
    return sum(len(part) - len({one.place for one in part}) for part in parts)


def _by_value(slices: list[_Placed], element: str) -> list[list[_Placed]]:
    groups = defaultdict(list)
    for one in slices:
        groups[_value(one.slice, element)].append(one)
    return [groups[value] for value in sorted(groups, key=_rank)]


def _rank(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return 0.0, value


def _by_order(slices: list[_Placed]) -> list[list[_Placed]]:
    """The first, second ... slice of each place by number, if all places have as many."""
    places = defaultdict(dict)
    for one in slices:
        places[one.place][one.slice.instance or 0, one.slice.frame] = one
    # Copies have the same number, and are left together.
    if {len(found) for found in places.values()} != {len(slices) / len(places)}:
        return [slices]
    ranked = [[found[key] for key in sorted(found)] for found in places.values()]
    return [list(part) for part in zip(*ranked)]


def _value(one: Slice, element: str) -> str:
    """Text of an element of a slice, from its frame's functional groups or the file's own."""
    frame, shared, elements = one.groups
    for sequence, keyword in _OF_FRAMES.get(element, ()):
        for group in (frame, shared):
            items: Sequence[Mapping[str, Any]] = group.get(sequence) or ()
            if items and (found := words(items[0], keyword)):
                return "\\".join(found)
    return "\\".join(words(elements, element))
