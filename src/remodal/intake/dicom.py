"""Read a DICOM series into a volume: sorted by geometry, checked, in rescaled values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from remodal.counting import counted
from remodal.errors import BadCase
from remodal.geometry.volume import Volume
from remodal.intake.padding import fill_padding
from remodal.intake.pixels import read_stored
from remodal.intake.rescale import check_rescale, check_units, rescaled
from remodal.intake.same_series import check_content
from remodal.intake.selection import one_series
from remodal.intake.slice_numbers import SliceNumbers, slice_numbers
from remodal.intake.slice_places import SlicePlaces
from remodal.intake.slices import Slice, read_slices
from remodal.intake.source_files import files_of
from remodal.intake.source_index import digest_of
from remodal.intake.stack import Layout, check_series, layout_of, same_places, sort_slices
from remodal.results.files import sha256


@dataclass(frozen=True)
class Series:
    """A series that was read.

    `volume` is in rescaled values (HU): int16 where they fit, otherwise float32. `tags` are those
    of the first slice and hold nothing that identifies the patient. `sha256` covers the content of
    all files of the source, including those that hold no slice, but not their names or order.
    `numbers` says how InstanceNumber runs along the slices, upwards. `places` says where the slices
    lie if they were resampled; None: they are the planes of the volume.
    """

    volume: Volume
    tags: dict[str, Any]
    sha256: str
    warnings: list[str]
    numbers: SliceNumbers = ""
    places: SlicePlaces | None = None


def read_series(source: Path, *, label: bool = False) -> Series:
    """Read the one DICOM series of a folder, or an enhanced multi-frame file.

    Slices are ordered by their positions. Compressed transfer syntaxes are decoded, a rescale that
    changes from slice to slice is applied slice by slice, and duplicate slices are used once. Those
    of a tilted gantry, or whose distance changes, are resampled onto a regular grid. UIDs may be
    blank.

    Args:
        source: folder, perhaps followed by a SeriesNumber (`#4`), or file.
        label: the values are classes, whatever the modality: they need not be HU.

    Raises:
        BadCase: with a reason that reveals neither file names nor values of the header.
    """
    files = files_of(source)
    slices, warnings = read_slices(files)
    slices, left_out = one_series(slices, source)
    check_series(slices)
    check_rescale(slices)
    slices, heights = sort_slices(slices)
    stored, digests, overlaid = read_stored(slices)
    digests += [sha256(file) for file in sorted(set(files) - {one.file for one in slices})]
    slices, stored, copies = _without_copies(slices, heights, stored)
    layout = layout_of(slices)
    warnings += [
        *left_out,
        *_burned_in(slices),
        *overlaid,
        *copies,
        *layout.notes,
        *check_content(stored, slices),
    ]
    warnings += [] if label else fill_padding(stored, slices)
    values, scaled = rescaled(stored, slices)
    warnings += [*scaled, *([] if label else check_units(values, slices))]
    volume = _laid_out(values, layout, label)
    numbers = slice_numbers(slices)
    return Series(volume, slices[0].tags, digest_of(digests), warnings, numbers, layout.places)


def _laid_out(values: np.ndarray, layout: Layout, label: bool) -> Volume:
    if layout.places is None:
        return Volume(values, layout.geometry)
    from remodal.intake.slice_resampling import onto_regular

    return onto_regular(values, layout.places, label=label)


def _burned_in(slices: list[Slice]) -> list[str]:
    """A warning if pixels may show who the patient is; what they show is not looked at."""
    if count := sum(one.burned_in for one in slices):
        return [
            f"WARNING: {count} of {len(slices)} slices say that their pixels identify the patient "
            "(burned-in annotations, or a recognisable face): look at them before sharing anything"
        ]
    return []


def _without_copies(
    slices: list[Slice], heights: np.ndarray, stored: np.ndarray
) -> tuple[list[Slice], np.ndarray, list[str]]:
    """Drop exact copies of slices; different slices at one place are an error."""
    places = same_places(heights)
    if not places:
        return slices, stored, []
    for first, *others in places:
        for other in others:
            same_scale = (slices[first].slope, slices[first].intercept) == (
                slices[other].slope,
                slices[other].intercept,
            )
            if not same_scale or not np.array_equal(stored[first], stored[other]):
                raise BadCase(
                    f"duplicates: several different slices at {counted(len(places), 'place')}",
                    expected="one slice a place",
                    remedy="split the phases, echoes or time points into folders of their own",
                )
    copies = {other for _, *others in places for other in others}
    kept = [index for index in range(len(slices)) if index not in copies]
    if len(kept) == 1:
        raise BadCase("the series has 1 slice and copies of it", expected="at least 2 places")
    warning = f"left out: copies of slices ({len(copies)})"
    return [slices[index] for index in kept], stored[kept], [warning]
