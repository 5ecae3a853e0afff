"""Bring labels onto the grid of the image drawn on: SEG, RTSTRUCT, Slicer, images, pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.drawn import DRAWN
from remodal.intake.headers import is_dicom, read_header
from remodal.intake.label_placing import placed
from remodal.intake.label_source import LabelSource
from remodal.intake.picture_slices import pictures_of, read_pictures
from remodal.intake.slice_numbers import laid_by_number
from remodal.intake.slice_places import SlicePlaces
from remodal.intake.slice_resampling import onto_regular
from remodal.intake.source_files import files_of, is_there, path_and_number
from remodal.intake.source_index import content_digest, digest_of_sources
from remodal.intake.structures import Wanted

_HIGHEST = 255
_AS_SLICES = "what was drawn on the slices was resampled as these"


@dataclass(frozen=True)
class Label:
    """A label on its image's grid, in the values of its source.

    `volume` is uint8. `kind` says what it was read from, `sha256` is of the source's content.
    """

    volume: Volume
    kind: str
    sha256: str
    warnings: list[str]


def read_label(
    source: LabelSource,
    grid: Geometry,
    slice_numbers: str = "",
    slices: SlicePlaces | None = None,
) -> Label:
    """Read a label and bring it onto the grid of the image it was drawn on.

    A SEG's or RTSTRUCT's values are its segment or ROI numbers, unless the source says which value
    a name gets. A label image keeps its values, unless the source renumbers them; it may be rotated
    or flipped relative to the image and may cover only a part of it. Where its voxels lie on the
    image's nothing is resampled; where they are finer, coarser or oblique each class is, which a
    warning says. What was drawn on slices that were resampled is resampled as these. If the source
    says so, a label's place comes from the slices' numbers instead (see slice_numbers). A folder of
    pictures has one for each slice of the image (see picture_slices).
    Where structures overlap, the highest value wins.

    Args:
        source: files, or folders that hold one DICOM object, a series of label slices or pictures.
        grid: the image's geometry.
        slice_numbers: how the image's slice numbers run along its slices, if they do.
        slices: where the image's slices lie if it was resampled.

    Raises:
        BadCase: a file is missing or damaged, lies beside the image's voxels or outside the image,
            has values that are not whole numbers from 0 to 255 (or to the highest that the source
            renumbers) or not among those that the source knows, or lacks a wanted structure.
    """
    parts = [_read_part(file, source, grid, slice_numbers, slices) for file in source.files]
    arrays = [part.volume.array for part in parts]
    if source.values is not None:
        arrays = [(array != 0) * np.uint8(value) for array, value in zip(arrays, source.values)]
    if source.renumbered:
        arrays = [_renumbered(array, source.renumbered) for array in arrays]
    return Label(
        volume=Volume(np.maximum.reduce(arrays), grid),
        kind=", ".join(dict.fromkeys(part.kind for part in parts)),
        sha256=digest_of_sources([part.sha256 for part in parts]),
        warnings=list(dict.fromkeys(warning for part in parts for warning in part.warnings)),
    )


def _renumbered(array: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """The label with its values replaced: each pair holds the value that comes and that there is.

    Raises:
        BadCase: it has a value that no pair names.
    """
    table = np.zeros(_highest(pairs) + 1, np.uint8)
    for value, own in pairs:
        table[own] = value
    known = {0, *(own for _, own in pairs)}
    counts = np.bincount(array.ravel())
    if unknown := [value for value in np.flatnonzero(counts).tolist() if value not in known]:
        raise BadCase(
            f"{counts[unknown[0]]} voxels of the label have the unknown value {unknown[0]}",
            expected=", ".join(map(str, sorted(known))),
            remedy="correct the label, or check which release of the data set it is of",
        )
    return table[array]


def _highest(pairs: Sequence[tuple[int, int]]) -> int:
    """The highest value that a file may have; `pairs` as `LabelSource.renumbered`."""
    return max([_HIGHEST, *(own for _, own in pairs)])


def _read_part(
    file: Path,
    source: LabelSource,
    grid: Geometry,
    slice_numbers: str,
    slices: SlicePlaces | None,
) -> Label:
    if not is_there(file):
        raise BadCase(
            "there is no such label", remedy="add the file, or correct the path in the sheet"
        )
    drawn_on = slices.straight if slices else grid

    def resampled(array: np.ndarray) -> Volume:
        return onto_regular(array, slices, label=True) if slices else Volume(array, grid)

    if pictures := pictures_of(file):
        array = whole_numbers(read_pictures(pictures, drawn_on))
        return Label(resampled(array), "pictures", content_digest(file), [])
    drawn = _drawn_object(file)
    if drawn is not None:
        kind, volume, warnings = _read_drawn(drawn, source.structures, grid, slices)
        return Label(volume, kind, content_digest(file), warnings)
    kind, own, sha256, warnings = _read_image(file, source.structures)
    label = own.with_array(whole_numbers(own.array, _highest(source.renumbered)))
    if source.by_slice_number:
        array, odd = laid_by_number(label.array, own.geometry, drawn_on, slice_numbers)
        return Label(resampled(array), kind, sha256, [*warnings, *odd])
    array, odd = placed(label, grid, slices)
    return Label(Volume(array, grid), kind, sha256, [*warnings, *odd])


def _drawn_object(source: Path) -> Path | None:
    """The one SEG or RTSTRUCT that `source` is or holds; None for an image or a series of slices.

    Raises:
        BadCase: there are several.
    """
    if source.is_file():
        return source if is_dicom(source) else None
    headers = {file: read_header(file) for file in files_of(source) if file.is_file()}
    drawn = [
        file
        for file, header in headers.items()
        if header and header.elements.get("SOPClassUID") in DRAWN
    ]
    if len(drawn) > 1:
        raise BadCase(
            f"{len(drawn)} SEGs and RTSTRUCTs in one folder",
            expected="one",
            remedy="name the file in the sheet instead of the folder",
        )
    return drawn[0] if drawn else None


def _read_drawn(
    path: Path, wanted: Wanted, grid: Geometry, slices: SlicePlaces | None
) -> tuple[str, Volume, list[str]]:
    from remodal.intake.drawn import read_drawn

    if slices is None:
        kind, array, warnings = read_drawn(path, grid, wanted)
        return kind, Volume(array, grid), warnings
    try:
        kind, array, warnings = read_drawn(path, slices.straight, wanted, slices.straightened)
    except BadCase as on_slices:
        try:
            kind, array, warnings = read_drawn(path, grid, wanted)
        except BadCase:
            raise on_slices from None
        return kind, Volume(array, grid), warnings
    return kind, onto_regular(array, slices, label=True), [*warnings, _AS_SLICES]


def _read_image(source: Path, wanted: Wanted) -> tuple[str, Volume, str, list[str]]:
    from remodal.intake.slicer import is_slicer, read_slicer

    if is_slicer(source):
        volume, warnings = read_slicer(source, wanted)
        return "Slicer segmentation", volume, content_digest(source), warnings
    if wanted:
        raise BadCase(
            "the label has no named structures",
            expected="a SEG, an RTSTRUCT or a Slicer segmentation (.seg.nrrd)",
            remedy="leave the sheet's column `structures` empty",
        )
    if path_and_number(source)[0].is_dir():
        from remodal.intake.dicom import read_series

        series = read_series(source, label=True)
        return "DICOM series", series.volume, series.sha256, series.warnings
    from remodal.intake.nifti import read_image

    volume, warnings = read_image(source, sheared=True)
    return "image file", volume, content_digest(source), warnings


def whole_numbers(array: np.ndarray, highest: int = _HIGHEST) -> np.ndarray:
    """A label's values as whole numbers: uint8, or uint16 where values over 255 are right.

    Args:
        array: of any type.
        highest: the highest value that is right, at most 65535.

    Raises:
        BadCase: values that are not whole numbers from 0 to the highest.
    """
    if array.dtype.kind == "f":
        fractions = int(np.count_nonzero(~(array == np.rint(array))))
        if fractions:
            raise BadCase(
                f"{fractions} voxels of the label are not whole numbers",
                expected="class numbers",
                remedy="export the label itself, not an interpolated or probability image",
            )
    first, last = array.min(), array.max()
    if first < 0 or last > highest:
        raise BadCase(
            f"the label's values go from {first:g} to {last:g}",
            expected=f"whole numbers from 0 to {highest}",
        )
    return array.astype(np.min_scalar_type(highest))
