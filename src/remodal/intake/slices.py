"""The slices of a DICOM folder as their headers describe them.

Messages count files in the order of their names and never show a name or a value: exported files
are often named after the patient, and reasons of a quarantine appear in a report that is shared.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import BadCase
from remodal.intake.headers import (
    Header,
    damaged,
    harmless_tags,
    number,
    numbers,
    read_header,
)

# Objects that travel with a series and hold no slice of it.
_NOT_IMAGES = {"SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG", "DOC", "AU", "PLAN"}
# Storage classes of CT, MR, PET and secondary capture (PS3.4 B.5): such a file must hold pixels.
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_WITH_PIXELS = {_STORAGE + end for end in ("2", "2.1", "2.2", "4", "4.1", "4.4", "7", "128", "130")}


@dataclass(frozen=True)
class Slice:
    """One slice as its header describes it; None where an element is missing or blank.

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
        BadCase: an empty folder.
    """
    if source.is_file():
        return [source]
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
    for file_number, file in enumerate(files, 1):
        try:
            found = _slices_of(file, file_number)
        except BadCase as error:
            what = f"file {file_number} of {len(files)} (by name): {error.what}"
            raise BadCase(what, expected=error.expected, remedy=error.remedy) from error
        if isinstance(found, str):
            left_out[found] += 1
        else:
            slices += found
    localizers = sum(one.localizer for one in slices)
    if 0 < localizers < len(slices):
        left_out["localizers"] = localizers
        slices = [one for one in slices if not one.localizer]
    warnings = [f"left out: {what} ({count})" for what, count in sorted(left_out.items())]
    if not slices:
        raise BadCase(
            f"no image among {len(files)} files ({'; '.join(warnings)})",
            expected="the slices of one series",
        )
    return slices, warnings


def _slices_of(file: Path, file_number: int) -> list[Slice] | str:
    """Slices of a file, or what it is instead."""
    if not file.exists():
        raise BadCase("it is a link to nothing", remedy="copy the series again")
    if not file.stat().st_size and file.suffix.lower() in ("", ".dcm", ".ima"):
        raise BadCase("it is empty (0 bytes)", remedy="copy the series again")
    header = read_header(file)
    if header is None:
        return "files that are not DICOM"
    elements = header.elements
    if elements.get("Modality") in _NOT_IMAGES or "DirectoryRecordSequence" in elements:
        return "DICOM objects without a slice"
    if "Rows" not in elements:
        if elements.get("SOPClassUID", "") in ("", *_WITH_PIXELS):
            raise damaged()
        return "DICOM objects without a slice"
    try:
        return list(_frames_of(file, file_number, header))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged() from error


def _frames_of(file: Path, file_number: int, header: Header) -> Iterator[Slice]:
    elements = header.elements
    frames = int(number(elements, "NumberOfFrames") or 1)
    per_frame = elements.get("PerFrameFunctionalGroupsSequence") or []
    if frames > 1 and len(per_frame) != frames:
        raise BadCase(
            f"{frames} frames without a place for each", expected="an enhanced multi-frame image"
        )
    shared = (elements.get("SharedFunctionalGroupsSequence") or [{}])[0]
    stored = _number_format(elements)
    rows, columns = number(elements, "Rows"), number(elements, "Columns")
    size = int((rows or 0) * (columns or 0)) * (stored.itemsize if stored else 0)
    tags = harmless_tags(elements)
    for frame in range(frames):
        place = plane = pixels = values = elements
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
            series=str(elements.get("SeriesInstanceUID") or ""),
            rows=int(rows) if rows else None,
            columns=int(columns) if columns else None,
            position=numbers(place, "ImagePositionPatient", 3),
            orientation=numbers(plane, "ImageOrientationPatient", 6),
            spacing=numbers(pixels, "PixelSpacing", 2),
            slope=1.0 if slope is None else slope,
            intercept=0.0 if intercept is None else intercept,
            stored=stored,
            samples=int(number(elements, "SamplesPerPixel") or 1),
            pixels_at=None if header.pixels_at is None else header.pixels_at + frame * size,
            localizer="LOCALIZER" in (elements.get("ImageType") or ()),
            tags=tags,
        )


def functional_group(groups: list[Mapping[str, Any]], keyword: str) -> Mapping[str, Any]:
    """A functional group of a frame, from its own groups or else the shared ones."""
    for group in groups:
        if group.get(keyword):
            return group.get(keyword)[0]
    return {}


def _number_format(elements: Mapping[str, Any]) -> np.dtype | None:
    bits = elements.get("BitsAllocated")
    signed = elements.get("PixelRepresentation")
    if bits not in (8, 16, 32) or signed not in (0, 1):
        return None
    return np.dtype(f"{'i' if signed else 'u'}{bits // 8}")
