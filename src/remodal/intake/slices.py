"""The slices of a DICOM folder as their headers describe them.

Messages number files in the order of their names and never show a name or a value: exported files
are often named after the patient, and reasons for a quarantine appear in a report that is shared.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remodal.errors import BadCase
from remodal.intake.bits import PixelFormat, pixel_format
from remodal.intake.elements import harmless_tags, number, numbers, whole_number, words
from remodal.intake.encoding import damaged
from remodal.intake.headers import Header, quiet_pydicom, read_header

# Objects that come with a series but hold no slice of it.
_NOT_IMAGES = {"SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG", "DOC", "AU", "PLAN"}
#: Storage classes of CT, MR, PET and secondary capture (PS3.4 B.5): such a file must hold pixels.
_STORAGE = "1.2.840.10008.5.1.4.1.1."
WITH_PIXELS = {_STORAGE + end for end in ("2", "2.1", "2.2", "4", "4.1", "4.4", "7", "128", "130")}
_DICOM_NAMES = (".dcm", ".ima")
# What says that the pixels themselves identify the patient.
_IN_PIXELS = ("BurnedInAnnotation", "RecognizableVisualFeatures")
# What tells two series apart where their UIDs are blank.
_TRAITS = (
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "SeriesNumber",
    "SeriesDescription",
    "SeriesDate",
    "SeriesTime",
    "AcquisitionNumber",
    "EchoNumbers",
    "EchoTime",
    "FlipAngle",
    "KVP",
    "ConvolutionKernel",
    "ContrastBolusAgent",
    "SliceThickness",
)


@dataclass(frozen=True)
class Slice:
    """One slice as its header describes it; None where an element is missing or blank.

    Attributes:
        file: where it is.
        file_number: place of the file among all files, sorted by name.
        frame: which frame of the file.
        frames: how many the file has.
        series: SeriesInstanceUID.
        traits: what else tells it from the slices of another series, by keyword.
        instance: InstanceNumber.
        rows, columns: of the slice in pixels.
        position, orientation: in mm and as unit vectors, as in DICOM.
        spacing: between rows and between columns in mm, as in DICOM.
        slope, intercept: of the rescale.
        table: dataset whose Modality LUT Sequence takes the place of the rescale.
        form: how a pixel is stored; None if unknown or not supported.
        samples: values per pixel, 1 for grey.
        photometric: what they mean.
        storage: SOPClassUID.
        image_type: words on the image's origin.
        burned_in: whether it says that its pixels show who the patient is: annotations that are
            burned in, or a recognisable face.
        pixels_at: first byte of the slice in its file, if it can be read straight from there: a
            compressed one cannot.
        pixel_bytes: length of the file's pixel data, if it can be read so.
        tags: harmless ones, for the record.
        groups: a frame's own functional groups, those that all frames share, the file's elements.
    """

    file: Path
    file_number: int
    frame: int
    frames: int
    series: str
    traits: dict[str, str]
    instance: int | None
    rows: int | None
    columns: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    slope: float | None
    intercept: float | None
    table: Any | None
    form: PixelFormat | None
    samples: int
    photometric: str
    storage: str
    image_type: tuple[str, ...]
    burned_in: bool
    pixels_at: int | None
    pixel_bytes: int | None
    tags: dict[str, Any]
    groups: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]] = field(
        repr=False, compare=False
    )


def read_slices(files: list[Path]) -> tuple[list[Slice], list[str]]:
    """Read the headers of all slices; files that are not images are left out with a warning.

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
    if not file.stat().st_size and file.suffix.lower() in ("", *_DICOM_NAMES):
        raise BadCase("it is empty (0 bytes)", remedy="copy the series again")
    header = read_header(file)
    if header is None:
        if file.suffix.lower() in _DICOM_NAMES:
            raise damaged()
        return "files that are not DICOM"
    # pydicom converts a value only on access.
    with nullcontext() if isinstance(header.elements, dict) else quiet_pydicom():
        return _read(file, file_number, header)


def _read(file: Path, file_number: int, header: Header) -> list[Slice] | str:
    elements = header.elements
    if _NOT_IMAGES & {*words(elements, "Modality")} or "DirectoryRecordSequence" in elements:
        return "DICOM objects without a slice"
    if "Rows" not in elements:
        if "".join(words(elements, "SOPClassUID")) in ("", *WITH_PIXELS):
            raise damaged()
        return "DICOM objects without a slice"
    try:
        return list(_frames_of(file, file_number, header))
    except BadCase:
        raise
    except Exception as error:
        # pydicom converts a value on access, which may raise anything.
        raise damaged() from error


def _frames_of(file: Path, file_number: int, header: Header) -> Iterator[Slice]:
    elements = header.elements
    frames = int(number(elements, "NumberOfFrames") or 1)
    if frames < 1:
        raise BadCase(f"NumberOfFrames is {frames}", expected="1 or more")
    per_frame = elements.get("PerFrameFunctionalGroupsSequence") or []
    if frames > 1 and len(per_frame) != frames:
        raise BadCase(
            f"{frames} frames without a place for each", expected="an enhanced multi-frame image"
        )
    shared = (elements.get("SharedFunctionalGroupsSequence") or [{}])[0]
    rows, columns = whole_number(elements, "Rows"), whole_number(elements, "Columns")
    form = pixel_format(elements)
    size = (rows or 0) * (columns or 0) * (form.stored.itemsize if form else 0)
    of_file = {
        "file": file,
        "file_number": file_number,
        "frames": frames,
        "series": "".join(words(elements, "SeriesInstanceUID")),
        "traits": _traits(elements),
        "instance": whole_number(elements, "InstanceNumber"),
        "rows": rows or None,
        "columns": columns or None,
        "table": elements if elements.get("ModalityLUTSequence") else None,
        "form": form,
        "samples": whole_number(elements, "SamplesPerPixel") or 1,
        "photometric": "".join(words(elements, "PhotometricInterpretation")),
        "storage": "".join(words(elements, "SOPClassUID")),
        "image_type": words(elements, "ImageType"),
        "burned_in": any("YES" in words(elements, keyword) for keyword in _IN_PIXELS),
        "pixel_bytes": header.pixel_bytes,
        "tags": harmless_tags(elements),
    }
    for frame in range(frames):
        place = plane = pixels = values = elements
        own = per_frame[frame] if per_frame else {}
        if per_frame:
            groups = [own, shared]
            place = functional_group(groups, "PlanePositionSequence")
            plane = functional_group(groups, "PlaneOrientationSequence")
            pixels = functional_group(groups, "PixelMeasuresSequence")
            values = functional_group(groups, "PixelValueTransformationSequence")
        yield Slice(
            frame=frame,
            groups=(own, shared, elements),
            position=numbers(place, "ImagePositionPatient", 3),
            orientation=numbers(plane, "ImageOrientationPatient", 6),
            spacing=numbers(pixels, "PixelSpacing", 2),
            slope=number(values, "RescaleSlope"),
            intercept=number(values, "RescaleIntercept"),
            pixels_at=None if header.pixels_at is None else header.pixels_at + frame * size,
            **of_file,
        )


def _traits(elements: Mapping[str, Any]) -> dict[str, str]:
    found = {keyword: "\\".join(words(elements, keyword)) for keyword in _TRAITS}
    return {keyword: value for keyword, value in found.items() if value}


def functional_group(groups: list[Mapping[str, Any]], keyword: str) -> Mapping[str, Any]:
    """A functional group of a frame, from its own groups or else the shared ones."""
    for group in groups:
        if group.get(keyword):
            return group.get(keyword)[0]
    return {}
