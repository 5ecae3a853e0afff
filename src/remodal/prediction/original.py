"""The original slices of a DICOM series, to which a SEG or an RTSTRUCT refers."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from remodal.errors import UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.headers import is_dicom, quiet_pydicom
from remodal.intake.selection import one_series
from remodal.intake.slices import Slice, read_slices
from remodal.intake.source_files import files_of, path_and_number
from remodal.intake.stack import check_series, same_places, sort_slices

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
#: What says who the patient is, and in which study: empty in what refers to a series without it.
_PATIENT_AND_STUDY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber"),
    "ReferringPhysicianName",
)
#: How far a voxel may lie off a slice, in voxels, and still count as lying on it.
_ON_PLANE = 0.01


@dataclass(frozen=True)
class OriginalSeries:
    """A series that a segmentation was made of.

    Attributes:
        slices: one for each place, in the order along their normal; of a multi-frame file, in the
            order of its frames.
        headers: of the files, without pixels: one of each slice, or the only one of a multi-frame
            file.
    """

    slices: list[Slice]
    headers: list[Dataset]

    @property
    def multi_frame(self) -> bool:
        """Whether the slices are frames of one file."""
        return self.slices[0].frames > 1

    def header_of(self, number: int) -> Dataset:
        """The header of the file that holds a slice."""
        return self.headers[0 if self.multi_frame else number]

    @property
    def thickness(self) -> float:
        """Distance in mm from one slice to the next; 1 if there is only one."""
        normal = np.cross(*np.reshape(self.slices[0].orientation, (2, 3)))
        heights = np.sort([one.position for one in self.slices] @ normal)
        return float(np.median(np.diff(heights))) if len(heights) > 1 else 1.0

    def plane(self, number: int, thickness: float = 1.0) -> Geometry:
        """The grid of a slice's pixels, with z along its normal."""
        one = self.slices[number]
        along, down = np.reshape(one.orientation, (2, 3))
        axes = np.stack([along, down, np.cross(along, down)], axis=1)
        return Geometry(
            shape=(1, one.rows, one.columns),
            spacing=(one.spacing[1], one.spacing[0], thickness),
            origin=one.position,
            direction=tuple(axes.ravel().tolist()),
        )


def original_series(source: Path, modality: str) -> OriginalSeries:
    """The slices of a DICOM series, as `read_series` chooses them.

    Raises:
        UserError: the image is no DICOM series, lacks a UID, or is spread over several multi-frame
            files.
        BadCase: as `read_series`.
    """
    path, _ = path_and_number(Path(source))
    if not path.is_dir() and not is_dicom(path):
        raise UserError(
            f"a DICOM SEG or RTSTRUCT refers to the slices of a DICOM series, and the {modality} "
            "image is none",
            where=f"--{modality} {source}",
            expected="a DICOM folder",
            remedy="or write NIfTI, NRRD or MHA",
        )
    found, _ = read_slices(files_of(Path(source)))
    found, _ = one_series(found, Path(source))
    check_series(found)
    files = sorted({one.file for one in found})
    if found[0].frames > 1:
        if len(files) > 1:
            raise UserError(
                f"the {modality} image is {len(files)} multi-frame files",
                where=f"--{modality} {source}",
                expected="one slice per file, or one multi-frame file",
                remedy="write NIfTI, NRRD or MHA",
            )
        slices = sorted(found, key=lambda one: one.frame)
    else:
        ordered, heights = sort_slices(found)
        copies = {other for _, *others in same_places(heights) for other in others}
        slices = [one for index, one in enumerate(ordered) if index not in copies]
    named = dict.fromkeys(one.file for one in slices)
    with quiet_pydicom():
        headers = [dcmread(file, stop_before_pixels=True) for file in named]
    _require_uids(headers, f"--{modality} {source}")
    return OriginalSeries(slices, headers)


def with_values(dataset: Dataset, **values: Any) -> Dataset:
    """The dataset itself, with the values of elements set by their keywords."""
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def copy_patient(header: Dataset, dataset: Dataset) -> None:
    """Copy patient and study from a slice's header, in Unicode, whatever alphabet it has.

    Values are copied as they are, even if DICOM would have them otherwise.
    """
    with quiet_pydicom():
        dataset.SpecificCharacterSet = "ISO_IR 192"
        for keyword in _PATIENT_AND_STUDY:
            setattr(dataset, keyword, header.get(keyword, ""))


def _require_uids(headers: list[Dataset], where: str) -> None:
    for keyword in _UIDS:
        missing = sum(not header.get(keyword) for header in headers)
        if missing:
            raise UserError(
                f"{keyword} is missing in {missing} of {len(headers)} files of the series, and a "
                "DICOM SEG or RTSTRUCT refers to it",
                where=where,
                expected="the series as the scanner sent it, with its UIDs",
                remedy="write NIfTI, NRRD or MHA, or export the series again",
            )


def on_slices(segmentation: Volume, series: OriginalSeries) -> np.ndarray:
    """Class indices in the pixels of the original slices.

    Where the volume's voxels lie on the slices they are taken as they are; where the series was
    resampled (a tilted gantry, uneven steps), each pixel gets the class of the nearest voxel.

    Args:
        segmentation: class indices on the grid that the series was read into.
        series: its slices.

    Returns:
        uint8 (slice, row, column).
    """
    thickness = segmentation.geometry.spacing[2]
    found = np.zeros((len(series.slices), *series.plane(0).shape[1:]), np.uint8)
    for number, pixels in enumerate(found):
        _sample(segmentation, series.plane(number, thickness), pixels)
    return found


def _sample(segmentation: Volume, plane: Geometry, pixels: np.ndarray) -> None:
    """Fill the pixels of one plane."""
    from scipy.ndimage import affine_transform

    grid = segmentation.geometry
    to_grid = np.linalg.inv(grid.affine) @ plane.affine
    index = int(np.rint(to_grid[2, 3]))
    own = replace(grid, shape=plane.shape, origin=tuple((grid.affine @ [0, 0, index, 1])[:3]))
    if grid.shape[1:] == plane.shape[1:] and own.agrees_with(plane, _ON_PLANE):
        if 0 <= index < grid.shape[0]:
            pixels[:] = segmentation.array[index]
        return
    matrix, offset = to_grid[:3, :3][::-1, ::-1], to_grid[:3, 3][::-1]
    # `grid-constant` has whole voxels at the border too; `constant` ends at their centres.
    pixels[:] = affine_transform(
        segmentation.array, matrix, offset, output_shape=plane.shape, order=0, mode="grid-constant"
    )[0]
