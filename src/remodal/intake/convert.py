"""Convert a hospital's files to NIfTI and a record, or quarantine the case with the reason.

Each function writes two files: the volume and its record. A quarantined case leaves an empty volume
and the reason. Neither holds a name, identifier, date or UID of the source, nor its path.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import BadCase, EnvironmentProblem, QuarantinedBefore, UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.acquisition import intensity_range
from remodal.intake.headers import is_dicom
from remodal.intake.label_source import LabelSource
from remodal.intake.nifti import read_geometry, read_image, write_volume
from remodal.intake.slice_places import SlicePlaces
from remodal.intake.source_files import is_there, path_and_number
from remodal.intake.source_index import content_digest, digest_of_sources, is_digest
from remodal.results.records import Record, read_record, require_ok, with_quarantine, write_record
from remodal.settings.names import label_name

_INT16 = np.iinfo(np.int16)


def convert_image(
    source: Path,
    output: Path,
    record: Path,
    *,
    case: str,
    modality: str,
    quarantine: bool = False,
    indexed: str = "",
) -> Record:
    """Convert one image of a case to NIfTI.

    The voxels are int16 if they are whole numbers that fit, otherwise float32.

    Args:
        source: DICOM folder or enhanced multi-frame file, or NIfTI, NRRD or MHA file.
        output: the NIfTI file; empty in a quarantine.
        record: details on success are `format`, `shape` (z, y, x), `spacing`, `origin` and
            `direction` (x, y, z; mm; LPS), `dtype`, harmless DICOM `tags`, the `range` of the
            intensities (their 0.5th and 99.5th percentile) and the source's `sha256`; of a DICOM
            series also its `slice_numbers`, `rising` or `falling` along its slices (empty: neither)
            and, if they were resampled, where its `slices` lie.
        case: the sheet's pseudonym.
        modality: the sheet's word.
        quarantine: do not raise for a bad case, but record the reason.
        indexed: digest of the source in the sheet's index; any other text: it is not indexed.

    Raises:
        BadCase: the image cannot be used, and no quarantine is wanted.
        UserError: an indexed source is missing, or is not what was indexed.
        EnvironmentProblem: a file cannot be read, or the output cannot be written.
    """
    _require_indexed([Path(source)], indexed, f"{case}, {modality}")

    def read() -> tuple[Volume, dict[str, Any], list[str]]:
        if not is_there(Path(source)):
            raise BadCase(
                "there is no such image",
                expected="a DICOM folder or an image file",
                remedy="add the file, or correct the path in the sheet",
            )
        volume, details, warnings = _read_image(Path(source))
        volume = _checked(volume)
        return volume, details | {"range": intensity_range(volume.array)}, warnings

    blank = Record(case=case, stage="convert", modality=modality)
    return _convert(read, output, record, blank, quarantine)


def convert_label(
    source: LabelSource,
    reference_record: Path,
    reference: Path,
    output: Path,
    record: Path,
    *,
    case: str,
    drawn_on: str,
    quarantine: bool = False,
    indexed: str = "",
) -> Record:
    """Convert one label of a case to NIfTI (uint8) on the grid of the image it was drawn on.

    Args:
        source: its files: DICOM SEG, RTSTRUCT, NIfTI, NRRD (also Slicer's) or MHA, or folders that
            hold a SEG, an RTSTRUCT or a series of label slices.
        reference_record: record of the converted image; its quarantine is passed on.
        reference: the converted image.
        output: the NIfTI file; empty in a quarantine.
        record: details on success are `format`, the geometry as in `convert_image`, `values`
            (number of voxels of each value except 0) and the source's `sha256`.
        case: the sheet's pseudonym.
        drawn_on: the modality of `reference`.
        quarantine: do not raise for a bad case, but record the reason.
        indexed: digest of the source in the sheet's index; any other text: it is not indexed.

    Raises:
        BadCase: the image cannot be used, and no quarantine is wanted.
        UserError: an indexed source is missing, or is not what was indexed.
        EnvironmentProblem: a file cannot be read, or the output cannot be written.
    """
    _require_indexed(source.files, indexed, f"{case}, {label_name(drawn_on)}")

    def read() -> tuple[Volume, dict[str, Any], list[str]]:
        from remodal.intake.labels import read_label

        image = read_record(reference_record)
        require_ok([image])
        numbers = image.details.get("slice_numbers", "")
        told = image.details.get("slices")
        slices = SlicePlaces.of_json(told) if told else None
        label = read_label(source, read_geometry(reference), numbers, slices)
        values, counts = np.unique(label.volume.array, return_counts=True)
        voxels = {str(value): int(count) for value, count in zip(values, counts) if value}
        warnings = label.warnings if voxels else [*label.warnings, "the label is empty"]
        details = {"format": label.kind, "sha256": label.sha256, "values": voxels}
        return label.volume, details, warnings

    blank = Record(case=case, stage="convert-label", modality=drawn_on)
    return _convert(read, output, record, blank, quarantine)


def _require_indexed(sources: Sequence[Path], indexed: str, where: str) -> None:
    """Check that indexed sources still have the content that was indexed.

    Raises:
        UserError: they are missing, or their content differs.
    """
    if not is_digest(indexed):
        return
    if not all(map(is_there, sources)):
        raise UserError(
            "the source is in the sheet's index but not on this machine",
            where=where,
            expected="the data set at the path that the sheet names",
            remedy="make it available, or pull what was made from it: `remodal pull data`",
        )
    if digest_of_sources([content_digest(source) for source in sources]) != indexed:
        raise UserError(
            "the source is not what the sheet's index says",
            where=where,
            expected="the content that was indexed",
            remedy="if the change is wanted: `remodal index --again`",
        )


def _convert(
    read: Callable[[], tuple[Volume, dict[str, Any], list[str]]],
    output: Path,
    record: Path,
    blank: Record,
    quarantine: bool,
) -> Record:
    def work() -> Record:
        volume, details, warnings = _read_named(read, blank)
        write_volume(output, volume)
        details |= {**geometry_details(volume.geometry), "dtype": volume.array.dtype.name}
        result = blank.model_copy(update={"details": details, "warnings": warnings})
        write_record(record, result)
        return result

    return with_quarantine(work, record, blank, [output], wanted=quarantine)


def _read_named(
    read: Callable[[], tuple[Volume, dict[str, Any], list[str]]], blank: Record
) -> tuple[Volume, dict[str, Any], list[str]]:
    """Read; name a bad case by its pseudonym, not by its path, which may hold a person's name."""
    try:
        return read()
    except QuarantinedBefore:
        raise
    except BadCase as error:
        modality = blank.modality or ""
        name = label_name(modality) if blank.stage == "convert-label" else modality
        raise BadCase(
            error.what, where=f"{blank.case}, {name}", expected=error.expected, remedy=error.remedy
        ) from error
    except PermissionError as error:
        raise EnvironmentProblem(
            "no permission to read", where=str(error.filename), remedy="make it readable"
        ) from error


def geometry_details(geometry: Geometry) -> dict[str, Any]:
    """A geometry as a record holds it: `shape` (z, y, x), the others x, y, z in mm, LPS."""
    return {
        "shape": list(geometry.shape),
        "spacing": list(geometry.spacing),
        "origin": list(geometry.origin),
        "direction": list(geometry.direction),
    }


def _read_image(source: Path) -> tuple[Volume, dict[str, Any], list[str]]:
    path, _ = path_and_number(source)
    if path.is_dir() or is_dicom(path):
        from remodal.intake.dicom import read_series

        series = read_series(source)
        details = {
            "format": "DICOM series",
            "tags": series.tags,
            "slice_numbers": series.numbers,
            "sha256": series.sha256,
        }
        if series.places is not None:
            details["slices"] = series.places.as_json()
        return series.volume, details, series.warnings
    volume, warnings = read_image(source)
    details = {"format": "image file", "tags": {}, "sha256": content_digest(source)}
    return volume, details, warnings


def _checked(volume: Volume) -> Volume:
    """The volume in its stored number format.

    Raises:
        BadCase: one slice, NaN or infinite voxels, or a constant image.
    """
    array = volume.array
    if len(array) < 2:
        raise BadCase("the image has 1 slice", expected="at least 2")
    if array.dtype.kind == "f":
        # Check the values as they are stored: a finite 64-bit number may be infinite in 32 bits.
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
        bad = int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            raise BadCase(
                f"{bad} voxels are NaN or infinite in 32-bit floats",
                expected="a number in every voxel",
                remedy="export the image again",
            )
    first = array.flat[0]
    if all(bool((plane == first).all()) for plane in array):
        raise BadCase(f"the image is constant: every voxel is {first:g}")
    if array.dtype == np.int16:
        return volume
    fits = array.min() >= _INT16.min and array.max() <= _INT16.max
    if fits and (array.dtype.kind != "f" or _whole(array)):
        return volume.with_array(array.astype(np.int16))
    return volume.with_array(array.astype(np.float32, copy=False))


def _whole(array: np.ndarray) -> bool:
    return bool(np.array_equal(array, np.rint(array)))
