"""The elements of a header that a scan of an export reads, as bounded text."""

import hashlib
from collections.abc import Mapping
from typing import Any

from remodal.intake.elements import ELEMENTS, words
from remodal.intake.headers import by_number

_MORE = {
    "FileSetID": (0x00041130, "text"),
    "SOPInstanceUID": (0x00080018, "text"),
    "StudyDate": (0x00080020, "text"),
    "StudyTime": (0x00080030, "text"),
    "AcquisitionDate": (0x00080022, "text"),
    "AcquisitionDateTime": (0x0008002A, "text"),
    "StudyDescription": (0x00081030, "free text"),
    "DerivationDescription": (0x00082111, "free text"),
    "PatientID": (0x00100020, "free text"),
    "ContrastBolusAgent": (0x00180010, "free text"),
    "BodyPartExamined": (0x00180015, "text"),
    "ScanningSequence": (0x00180020, "text"),
    "ScanOptions": (0x00180022, "text"),
    "SequenceName": (0x00180024, "free text"),
    "ProtocolName": (0x00181030, "free text"),
    "ContrastBolusStartTime": (0x00181042, "text"),
}

#: Elements of any object; no sequences, which only pydicom reads. Numbers stay the text that they
#: are stored as.
SCANNED = by_number(
    {
        keyword: (number, kind.replace("number", "text"))
        for keyword, (number, kind) in (ELEMENTS | _MORE).items()
        if kind != "sequence"
    }
)

#: What a segmentation or structure set says about the images that it was drawn on.
REFERENCES = by_number(
    {
        "SOPClassUID": ELEMENTS["SOPClassUID"],
        "ReferencedSeriesSequence": (0x00081115, "sequence"),
        "FrameOfReferenceUID": (0x00200052, "text"),
        "ReferencedFrameOfReferenceSequence": (0x30060010, "sequence"),
        "ROIContourSequence": (0x30060039, "sequence"),
        "SharedFunctionalGroupsSequence": (0x52009229, "sequence"),
        "PerFrameFunctionalGroupsSequence": (0x52009230, "sequence"),
    }
)

#: Elements that differ between the images of one series.
OWN = frozenset(
    {
        *("SOPInstanceUID", "InstanceNumber", "AcquisitionNumber", "ImagePositionPatient"),
        *("AcquisitionDateTime", "AcquisitionTime", "ContentTime", "TriggerTime"),
        *("TemporalPositionIdentifier", "RescaleIntercept", "RescaleSlope"),
    }
)

_LONGEST = 256


def texts_of(elements: Mapping[str, Any]) -> dict[str, str]:
    """The elements that a header has, as text; several values are separated by a backslash.

    Text of more than 256 characters is cut, and a number that long is left out; a UID is replaced
    by a digest then, so that it still tells one thing from another.
    """
    found = {}
    for keyword, _ in SCANNED.values():
        if keyword not in elements:
            continue
        value = elements[keyword] if isinstance(elements, dict) else None
        text = value if isinstance(value, str) else "\\".join(words(elements, keyword))
        if len(text) > _LONGEST:
            is_name = keyword.endswith(("UID", "ID"))
            text = hashlib.sha256(text.encode()).hexdigest() if is_name else text[:_LONGEST]
        if text:
            found[keyword] = text
    return found
