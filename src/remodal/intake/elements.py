"""The elements of a DICOM header that a conversion needs, and their values."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from remodal.errors import BadCase

#: Elements that are read: keyword, number and kind, which is text, text in any language, numbers as
#: text, a 16-bit number, a 64-bit float or a sequence (PS3.6).
ELEMENTS = {
    "DirectoryRecordSequence": (0x00041220, "sequence"),
    "SpecificCharacterSet": (0x00080005, "text"),
    "ImageType": (0x00080008, "text"),
    "SOPClassUID": (0x00080016, "text"),
    "SeriesDate": (0x00080021, "text"),
    "SeriesTime": (0x00080031, "text"),
    "AcquisitionTime": (0x00080032, "text"),
    "ContentTime": (0x00080033, "text"),
    "Modality": (0x00080060, "text"),
    "Manufacturer": (0x00080070, "text"),
    "SeriesDescription": (0x0008103E, "free text"),
    "ManufacturerModelName": (0x00081090, "text"),
    "ContrastBolusAgent": (0x00180010, "text"),
    "SliceThickness": (0x00180050, "number"),
    "KVP": (0x00180060, "number"),
    "RepetitionTime": (0x00180080, "number"),
    "EchoTime": (0x00180081, "number"),
    "InversionTime": (0x00180082, "number"),
    "EchoNumbers": (0x00180086, "number"),
    "MagneticFieldStrength": (0x00180087, "number"),
    "SpacingBetweenSlices": (0x00180088, "number"),
    "TriggerTime": (0x00181060, "number"),
    "GantryDetectorTilt": (0x00181120, "number"),
    "ConvolutionKernel": (0x00181210, "text"),
    "FlipAngle": (0x00181314, "number"),
    "PatientPosition": (0x00185100, "text"),
    "DiffusionBValue": (0x00189087, "double"),
    "StudyInstanceUID": (0x0020000D, "text"),
    "SeriesInstanceUID": (0x0020000E, "text"),
    "SeriesNumber": (0x00200011, "number"),
    "AcquisitionNumber": (0x00200012, "number"),
    "InstanceNumber": (0x00200013, "number"),
    "ImagePositionPatient": (0x00200032, "number"),
    "ImageOrientationPatient": (0x00200037, "number"),
    "FrameOfReferenceUID": (0x00200052, "text"),
    "TemporalPositionIdentifier": (0x00200100, "number"),
    "NominalPercentageOfCardiacPhase": (0x00209241, "double"),
    "SamplesPerPixel": (0x00280002, "short"),
    "PhotometricInterpretation": (0x00280004, "text"),
    "NumberOfFrames": (0x00280008, "number"),
    "Rows": (0x00280010, "short"),
    "Columns": (0x00280011, "short"),
    "PixelSpacing": (0x00280030, "number"),
    "BurnedInAnnotation": (0x00280301, "text"),
    "RecognizableVisualFeatures": (0x00280302, "text"),
    "BitsAllocated": (0x00280100, "short"),
    "BitsStored": (0x00280101, "short"),
    "HighBit": (0x00280102, "short"),
    "PixelRepresentation": (0x00280103, "short"),
    "PixelPaddingValue": (0x00280120, "short"),
    "PixelPaddingRangeLimit": (0x00280121, "short"),
    "RescaleIntercept": (0x00281052, "number"),
    "RescaleSlope": (0x00281053, "number"),
    "RescaleType": (0x00281054, "text"),
    "ModalityLUTSequence": (0x00283000, "sequence"),
    "SharedFunctionalGroupsSequence": (0x52009229, "sequence"),
    "PerFrameFunctionalGroupsSequence": (0x52009230, "sequence"),
}

#: Elements that may be shown: how the image was made, nothing about whose it is.
HARMLESS = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "KVP",
    "ConvolutionKernel",
    "SliceThickness",
    "SpacingBetweenSlices",
    "GantryDetectorTilt",
    "PatientPosition",
    "ContrastBolusAgent",
    "MagneticFieldStrength",
    "RepetitionTime",
    "EchoTime",
    "FlipAngle",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
)


def number(elements: Mapping[str, Any], keyword: str) -> float | None:
    """The one number of an element; None if it is missing or blank."""
    values = numbers(elements, keyword, 1)
    return None if values is None else values[0]


def numbers(elements: Mapping[str, Any], keyword: str, count: int) -> tuple[float, ...] | None:
    """The numbers of an element; None if it is missing or blank.

    Raises:
        BadCase: not `count` finite numbers.
    """
    try:
        value = elements.get(keyword)
        values = [value] if value is None or isinstance(value, (int, float, str)) else list(value)
        if all(one is None or one == "" for one in values):
            return None
        found = tuple(float(one) for one in values)
    except Exception as error:
        # pydicom converts a value on access, which may raise anything.
        raise BadCase(f"{keyword} is not a number", expected=f"{count} numbers") from error
    if len(found) != count or not all(isfinite(one) for one in found):
        raise BadCase(f"{keyword} holds {len(found)} values", expected=f"{count} finite numbers")
    return found


def words(elements: Mapping[str, Any], keyword: str) -> tuple[str, ...]:
    """The values of an element as text; empty if it is missing, blank or makes no sense."""
    try:
        value = elements.get(keyword)
        values = [value] if value is None or isinstance(value, (int, float, str)) else list(value)
        told = (f"{float(one):.12g}" if isinstance(one, (int, float)) else one for one in values)
        return tuple(str(one).strip() for one in told if one is not None and str(one).strip())
    except Exception:  # as above
        return ()


def whole_number(elements: Mapping[str, Any], keyword: str) -> int | None:
    """The whole number of an element; None if it is missing, blank or something else."""
    try:
        value = number(elements, keyword)
    except BadCase:
        return None
    return int(value) if value is not None and value == int(value) else None


def harmless_tags(elements: Mapping[str, Any]) -> dict[str, Any]:
    """The elements that may be shown, as JSON; text is left out unless it is a technical word."""
    tags = {}
    for keyword in HARMLESS:
        try:
            value = elements.get(keyword)
        except Exception:  # as above
            continue
        values = [value] if isinstance(value, (int, float, str)) else list(value or ())
        shown = [_shown(one) for one in values]
        if shown and None not in shown:
            tags[keyword] = shown[0] if len(shown) == 1 else shown
    return tags


def _shown(value: Any) -> float | str | None:
    if isinstance(value, (int, float)):
        return float(value) if isfinite(value) else None
    return value if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._/+%-]{0,63}", str(value)) else None
