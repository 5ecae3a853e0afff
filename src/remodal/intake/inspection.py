"""Look at the headers of every source of a data set: is it there, does it open, what is it?

A file that is cut off shows by its length. Problems that a conversion finds in voxels (a damaged
one, a constant image, a mask without tumour) do not.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import BadCase, concerns_one_case
from remodal.geometry.volume import Geometry
from remodal.intake.datasets import CaseSource, cases_of
from remodal.intake.headers import is_dicom, read_header
from remodal.intake.nifti import geometry_of_whole, is_nifti
from remodal.intake.picture_slices import pictures_of
from remodal.intake.pixels import check_lengths
from remodal.intake.rescale import check_rescale
from remodal.intake.selection import one_series
from remodal.intake.slices import read_slices
from remodal.intake.source_files import files_of, is_there, path_and_number
from remodal.intake.source_index import read_index
from remodal.intake.stack import check_series, layout_of, same_places, sort_slices
from remodal.intake.text_formats import header_of_whole
from remodal.process.progress import progress
from remodal.results.records import reason_of
from remodal.settings import Settings

_SERIES = "DICOM series"
_DRAWN = ("SEG", "RTSTRUCT")
#: Sources that one worker takes at a time.
_AT_ONCE = 4


@dataclass(frozen=True)
class Finding:
    """What one row of the sheet names.

    Attributes:
        case: its case.
        name: the modality, or `label-` and the modality that the label was drawn on.
        said: what it is, or what is wrong with it.
        usable: whether it opens.
    """

    case: str
    name: str
    said: str
    usable: bool = True


class BadSources(BadCase):
    """Images and labels that cannot be used, one line each."""

    def __init__(self, bad: Sequence[Finding], count: int) -> None:
        what = f"{len(bad)} of {count} images and labels cannot be used"
        remedy = "mend them, or the study goes on without their cases"
        super().__init__(what, remedy=remedy)
        lines = [f"  {finding.case}, {finding.name}: {finding.said}" for finding in bad]
        self.args = ("\n".join([f"{what}; {remedy}:", *lines]),)


def check_sources(settings: Settings) -> Iterator[str]:
    """Look at every image and label that a study names.

    Yields:
        One line for each that opens, then their number; nothing for simulated cases.

    Raises:
        BadSources: at the end, listing all that cannot be used.
    """
    if settings.data.simulated:
        return
    found = []
    for finding in inspect_sources(cases_of(settings), read_index(settings.data.sheet)):
        found.append(finding)
        if finding.usable:
            yield f"{finding.case}, {finding.name}: {finding.said}"
    bad = [finding for finding in found if not finding.usable]
    if bad:
        raise BadSources(bad, len(found))
    yield f"{len(found)} images and labels: ok"


def inspect_sources(cases: Iterable[CaseSource], index: Mapping[str, str]) -> Iterator[Finding]:
    """Look at every image and label of a data set, in parallel, in the order of the cases.

    Args:
        cases: all cases of the data set.
        index: the sheet's index; sources listed in it need not be on this machine.
    """
    rows = [
        (case.case, name, path, name not in case.images, str(path) in index)
        for case in cases
        for name, paths in case.sources.items()
        for path in paths
    ]
    with ProcessPoolExecutor(min(len(rows), len(os.sched_getaffinity(0)))) as pool:
        found = pool.map(_inspect, rows, chunksize=_AT_ONCE)
        yield from progress(found, "Opening", total=len(rows))


def _inspect(row: tuple[str, str, Path, bool, bool]) -> Finding:
    case, name, source, drawn, indexed = row
    if not is_there(source):
        if indexed:
            return Finding(case, name, "not on this machine; known by its index")
        return Finding(case, name, f"there is no such file or folder: {source}", usable=False)
    try:
        return Finding(case, name, _label(source) if drawn else _image(source))
    except PermissionError:
        return Finding(case, name, f"no permission to read {source}", usable=False)
    except Exception as error:
        if not concerns_one_case(error):
            raise
        return Finding(case, name, f"{reason_of(error)} ({source})", usable=False)


def _image(source: Path, drawn: bool = False) -> str:
    path, _ = path_and_number(source)
    if path.is_dir() or is_dicom(path):
        return _series(source)
    return _grid(_file_geometry(source, drawn), "image file")


def _label(source: Path) -> str:
    if pictures := pictures_of(source):
        return f"{len(pictures)} pictures"
    files = files_of(source)
    header = read_header(files[0]) if len(files) == 1 else None
    kind = header.elements.get("Modality") if header else None
    return f"DICOM {kind}" if kind in _DRAWN else _image(source, drawn=True)


def _series(source: Path) -> str:
    slices, _ = one_series(read_slices(files_of(source))[0], source)
    check_series(slices)
    check_rescale(slices)
    check_lengths(slices)
    slices, heights = sort_slices(slices)
    if same_places(heights):  # whether they are copies, only the pixels tell
        return f"{_SERIES}, {len(slices)}, some at the same place"
    layout = layout_of(slices)
    resampled = " once it is resampled" if layout.places else ""
    return _grid(layout.geometry, _SERIES) + resampled


def _file_geometry(source: Path, drawn: bool) -> Geometry:
    if is_nifti(path_and_number(source)[0]):
        return geometry_of_whole(source, sheared=drawn)
    import SimpleITK as sitk

    header_of_whole(source)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(source))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise BadCase("cannot be read as an image", expected="NIfTI, NRRD or MHA") from error
    size, spacing = reader.GetSize()[:3], reader.GetSpacing()[:3]
    return Geometry(size[::-1], spacing, reader.GetOrigin()[:3])


def _grid(geometry: Geometry, kind: str) -> str:
    size = " x ".join(map(str, geometry.shape[::-1]))
    spacing = " x ".join(f"{step:.3g}" for step in geometry.spacing)
    return f"{kind}, {size} voxels of {spacing} mm"
