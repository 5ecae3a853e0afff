"""DICOM headers: what each slice of a folder says about itself, without its pixels.

Messages count files in the order of their names and never show a name or a value: exported files
are often named after the patient, and reasons of a quarantine appear in a report that is shared.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag, Tag

from remodal.errors import BadCase

#: Tags that may be shown: how the image was made, nothing about whose it is.
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
_PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_PIXELS = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "PixelRepresentation")
_KIND = ("SOPClassUID", "SeriesInstanceUID", "ImageType", "NumberOfFrames")
_READ: list[BaseTag | int] = [
    Tag(word) for word in dict.fromkeys((*HARMLESS, *_PLACE, *_GROUPS, *_PIXELS, *_KIND))
]
# Objects that travel with a series and hold no slice of it.
_NOT_IMAGES = {"SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG", "DOC", "AU", "PLAN"}
_DICOMDIR = "1.2.840.10008.1.3.10"
_BADLY_FORMED = (ValueError, TypeError, KeyError, EOFError, NotImplementedError, AttributeError)


@dataclass(frozen=True)
class Slice:
    """One slice as its header describes it; None where a tag is missing or blank.

    `spacing` is (between rows, between columns) in mm, as in DICOM. `pixels_at` is the first byte
    of the slice in its file when it can be read straight from there, which compressed ones cannot.
    """

    file: Path
    file_number: int
    frame: int
    series: str
    rows: int | None
    columns: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    slope: float
    intercept: float
    stored: np.dtype | None
    samples: int
    pixels_at: int | None
    localizer: bool
    tags: dict[str, Any]


def files_of(source: Path) -> list[Path]:
    """The files of a DICOM folder and its sub-folders by name, hidden ones left out.

    Raises:
        BadCase: nothing there, or an empty folder.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise BadCase(
            "there is nothing at the path of the sheet", expected="a DICOM folder or an image file"
        )
    files = []
    for folder, subfolders, names in os.walk(source):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        files += [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
    if not files:
        raise BadCase("the folder is empty", expected="the slices of one series")
    return files


def read_slices(files: list[Path]) -> tuple[list[Slice], list[str]]:
    """Read the headers of all slices; what is not an image is left out and warned of.

    Args:
        files: as `files_of` lists them.

    Returns:
        The slices in the order of the files (frames of a multi-frame file in a row), warnings.

    Raises:
        BadCase: a damaged file, or no image at all.
    """
    slices: list[Slice] = []
    left_out: Counter[str] = Counter()
    with pydicom.config.disable_value_validation():
        for file_number, file in enumerate(files, 1):
            found = _slices_of(file, file_number, len(files))
            if isinstance(found, str):
                left_out[found] += 1
            else:
                slices += found
    localizers = [one for one in slices if one.localizer]
    if localizers and len(localizers) < len(slices):
        left_out["localizers"] = len(localizers)
        slices = [one for one in slices if not one.localizer]
    warnings = [f"left out: {count} {what}" for what, count in sorted(left_out.items())]
    if not slices:
        raise BadCase(
            f"no image among {len(files)} files ({'; '.join(warnings)})",
            expected="the slices of one series",
        )
    return slices, warnings


def _slices_of(file: Path, file_number: int, count: int) -> list[Slice] | str:
    """Slices of a file, or what it is instead."""
    where = f"file {file_number} of {count} (by name)"
    with open(file, "rb") as stream:
        start = stream.read(132)
        stream.seek(0)
        declared = start[128:] == b"DICM"
        if not start and file.suffix.lower() in ("", ".dcm", ".ima"):
            raise BadCase(f"{where} is empty (0 bytes)", remedy="copy the series again")
        try:
            header = pydicom.dcmread(
                stream, stop_before_pixels=True, specific_tags=_READ, force=not declared
            )
            pixels_at = _pixels_at(stream, header)
        except (InvalidDicomError, *_BADLY_FORMED) as error:
            if declared:
                raise _damaged(where) from error
            return "files that are not DICOM"
    if not declared and not ("Rows" in header and "Modality" in header):
        return "files that are not DICOM"
    if header.get("Modality") in _NOT_IMAGES or header.file_meta.get("0002,0002") == _DICOMDIR:
        return "DICOM objects without a slice"
    if "Rows" not in header:
        raise _damaged(where)
    try:
        return list(_frames_of(file, file_number, header, pixels_at))
    except BadCase as error:
        raise BadCase(f"{where}: {error.what}", expected=error.expected) from error
    except _BADLY_FORMED as error:
        raise _damaged(where) from error


def _damaged(where: str) -> BadCase:
    return BadCase(f"{where} is damaged or cut short", remedy="copy the series again")


def _pixels_at(stream: BinaryIO, header: Dataset) -> int | None:
    """First byte of uncompressed little-endian pixel data, where the header's reader stopped."""
    syntax = header.file_meta.get("TransferSyntaxUID")
    if syntax and (syntax.is_encapsulated or syntax.is_deflated or not syntax.is_little_endian):
        return None
    at = stream.tell()
    element = stream.read(12)
    if element[:4] != b"\xe0\x7f\x10\x00":
        return None
    return at + (12 if element[4:6] in (b"OW", b"OB") else 8)


def _frames_of(
    file: Path, file_number: int, header: Dataset, pixels_at: int | None
) -> Iterator[Slice]:
    frames = int(number(header, "NumberOfFrames") or 1)
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    if frames > 1 and len(per_frame) != frames:
        raise BadCase(
            f"{frames} frames without a place for each", expected="an enhanced multi-frame image"
        )
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    kind = _number_format(header)
    rows, columns = number(header, "Rows"), number(header, "Columns")
    size = int((rows or 0) * (columns or 0)) * (kind.itemsize if kind else 0)
    for frame in range(frames):
        place = plane = pixels = values = header
        if per_frame:
            groups = [per_frame[frame], shared]
            place = functional_group(groups, "PlanePositionSequence")
            plane = functional_group(groups, "PlaneOrientationSequence")
            pixels = functional_group(groups, "PixelMeasuresSequence")
            values = functional_group(groups, "PixelValueTransformationSequence")
        slope, intercept = number(values, "RescaleSlope"), number(values, "RescaleIntercept")
        yield Slice(
            file=file,
            file_number=file_number,
            frame=frame,
            series=str(header.get("SeriesInstanceUID") or ""),
            rows=int(rows) if rows else None,
            columns=int(columns) if columns else None,
            position=numbers(place, "ImagePositionPatient", 3),
            orientation=numbers(plane, "ImageOrientationPatient", 6),
            spacing=numbers(pixels, "PixelSpacing", 2),
            slope=1.0 if slope is None else slope,
            intercept=0.0 if intercept is None else intercept,
            stored=kind,
            samples=int(number(header, "SamplesPerPixel") or 1),
            pixels_at=None if pixels_at is None else pixels_at + frame * size,
            localizer="LOCALIZER" in (header.get("ImageType") or ()),
            tags=harmless_tags(header),
        )


def functional_group(groups: list[Dataset], keyword: str) -> Dataset:
    """A functional group of a frame, from its own groups or else the shared ones."""
    for group in groups:
        if group.get(keyword):
            return group[keyword][0]
    return Dataset()


def _number_format(header: Dataset) -> np.dtype | None:
    bits = header.get("BitsAllocated")
    signed = header.get("PixelRepresentation")
    if bits not in (8, 16, 32) or signed not in (0, 1):
        return None
    return np.dtype(f"{'i' if signed else 'u'}{bits // 8}")


def number(dataset: Dataset, keyword: str) -> float | None:
    """The one number of a tag, None when it is missing or blank."""
    values = numbers(dataset, keyword, 1)
    return None if values is None else values[0]


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """The numbers of a tag, None when it is missing or blank.

    Raises:
        BadCase: not `count` finite numbers.
    """
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return None
        values = [value] if isinstance(value, (int, float, str)) else list(value)
        if not values:
            return None
        found = tuple(float(one) for one in values)
    except (ValueError, TypeError) as error:
        raise BadCase(f"{keyword} is not a number", expected=f"{count} numbers") from error
    if len(found) != count or not all(isfinite(one) for one in found):
        raise BadCase(f"{keyword} holds {len(found)} values", expected=f"{count} finite numbers")
    return found


def harmless_tags(header: Dataset) -> dict[str, Any]:
    """The tags that may be shown, as JSON; text that could be more than a technical word is not."""
    tags = {}
    for keyword in HARMLESS:
        try:
            value = header.get(keyword)
        except (ValueError, TypeError):
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
