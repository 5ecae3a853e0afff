"""What one file of an export is: an image, a label, a report, something else, or broken."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydicom.uid import UID

from remodal.errors import BadCase
from remodal.intake.encoding import damaged
from remodal.intake.headers import quiet_pydicom, read_header
from remodal.intake.series_parts import image_numbers
from remodal.intake.slices import WITH_PIXELS, read_slices
from remodal.scan.tags import REFERENCES, SCANNED, texts_of

Kind = Literal["image", "label", "object", "directory", "not DICOM", "broken", "unreadable"]

LABELS = ("SEG", "RTSTRUCT")


@dataclass(frozen=True)
class Found:
    """What a file is.

    Attributes:
        kind: an image, a label (SEG or RTSTRUCT), another DICOM object (such as a dose report), a
            DICOMDIR, or no use.
        said: why it is of no use, or what object it is.
        elements: those of `tags.SCANNED` that it has, as text.
        positions: of each frame of a multi-frame file, in mm; empty if one of them has none.
        parts: number of the image that each of these frames is of, if there are several in the
            file: what intake takes for `#.2`.
        drawn_on: UIDs of the series and frames of reference that a label names.
        images: UIDs of the images that it names: of one volume, where a series holds several.
    """

    kind: Kind
    said: str = ""
    elements: dict[str, str] = field(default_factory=dict)
    positions: list[tuple[float, ...]] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    drawn_on: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)


def look_at(path: str) -> Found:
    """Read a file's header; whatever is wrong with the file becomes its `said`."""
    try:
        return _looked_at(Path(path))
    except BadCase as error:
        return Found("broken", error.what)
    except OSError as error:
        return Found("unreadable", os.strerror(error.errno) if error.errno else "cannot be read")
    except Exception as error:
        # pydicom may raise anything on damaged files.
        return Found("broken", f"cannot be understood ({type(error).__name__})")


def _looked_at(path: Path) -> Found:
    header = read_header(path, SCANNED)
    if header is None:
        return Found("not DICOM")
    with quiet_pydicom():
        elements = texts_of(header.elements)
    if "FileSetID" in elements:
        return Found("directory")
    modality = elements.get("Modality", "")
    if modality in LABELS:
        drawn_on, images = _drawn_on(path)
        return Found("label", elements=elements, drawn_on=drawn_on, images=images)
    if "Rows" not in elements or "Columns" not in elements:
        if elements.get("SOPClassUID") in WITH_PIXELS:
            raise damaged()
        return Found("object", _name_of_class(elements), elements=elements)
    if header.pixels_at is not None:
        missing = header.pixels_at + header.pixel_bytes - path.stat().st_size
        if missing > 0:
            return Found("broken", f"{missing} bytes of its pixels are missing")
    if elements.get("NumberOfFrames", "1") in ("0", "1"):
        return Found("image", elements=elements)
    return _several_frames(path, elements)


def _name_of_class(elements: dict[str, str]) -> str:
    """What kind of object it is, as the standard calls it: `X-Ray Radiation Dose SR Storage`."""
    name = UID(elements.get("SOPClassUID", "")).name
    return name if name.endswith("Storage") else ""


def _several_frames(path: Path, elements: dict[str, str]) -> Found:
    try:
        frames, _ = read_slices([path])
    except BadCase:  # such as a film, whose frames have no place
        return Found("image", elements=elements)
    first = frames[0]
    for keyword, values in {
        "ImageOrientationPatient": first.orientation,
        "PixelSpacing": first.spacing,
    }.items():
        if values is not None:
            elements[keyword] = "\\".join(f"{value:.12g}" for value in values)
    positions = [one.position for one in frames if one.position is not None]
    if len(positions) < len(frames):
        return Found("image", elements=elements)
    parts = image_numbers(frames)
    return Found(
        "image",
        elements=elements,
        positions=positions,
        parts=parts if max(parts) > 1 else [],
    )


def _drawn_on(path: Path) -> tuple[list[str], list[str]]:
    """UIDs of the series and frames of reference that a label refers to, and of the images."""
    header = read_header(path, REFERENCES)
    if header is None:
        raise damaged()
    series, frames = [], []
    with quiet_pydicom():
        elements = header.elements
        for one in elements.get("ReferencedSeriesSequence") or []:
            series.append(_uid(one, "SeriesInstanceUID"))
        for frame in elements.get("ReferencedFrameOfReferenceSequence") or []:
            frames.append(_uid(frame, "FrameOfReferenceUID"))
            for study in frame.get("RTReferencedStudySequence") or []:
                for one in study.get("RTReferencedSeriesSequence") or []:
                    series.append(_uid(one, "SeriesInstanceUID"))
        frames.append(_uid(elements, "FrameOfReferenceUID"))
        images = dict.fromkeys(_images_drawn_on(elements))
    return [uid for uid in dict.fromkeys([*series, *frames]) if uid], list(filter(None, images))


def _images_drawn_on(elements: Any) -> Iterator[str]:
    """UIDs of the images that the frames of a SEG, or the contours of an RTSTRUCT, come from.

    The lists of all images of a series are not looked at: they may be longer.
    """
    groups = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
    paths = [(group, "DerivationImageSequence", "SourceImageSequence") for group in groups]
    paths.append(("ROIContourSequence", "ContourSequence", "ContourImageSequence"))
    for path in paths:
        found = [elements]
        for keyword in path:
            found = [one for item in found for one in item.get(keyword) or []]
        for image in found:
            yield _uid(image, "ReferencedSOPInstanceUID")


def _uid(elements: Any, keyword: str) -> str:
    return str(elements.get(keyword) or "")
