"""A segmentation as RTSTRUCT (PS3.3 A.19): closed planar contours on the original slices.

Patient and study are those of the series that it refers to, as a viewer needs them; nothing else
says who the patient is.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from remodal import __version__
from remodal.geometry.volume import Volume
from remodal.intake.headers import quiet_pydicom
from remodal.prediction.contours import contours_of
from remodal.prediction.dicom_object import (
    DESCRIPTION,
    LABEL,
    MANUFACTURER,
    MODEL_NAME,
    Uids,
    new_uids,
    serial_number,
)
from remodal.prediction.original import (
    OriginalSeries,
    copy_patient,
    on_slices,
    with_values,
)
from remodal.report.slices import OUTLINES
from remodal.results.files import atomic_path

if TYPE_CHECKING:
    from remodal.prediction.writing import Origin

#: Of the series of structure sets: higher than those that a scanner counts.
SERIES_NUMBER = 9002
#: SOP class of a study as RT objects refer to it (PS3.4 B.5; retired, but asked for).
_STUDY = "1.2.840.10008.3.1.2.3.1"
_CONTOUR_DATA = Tag("ContourData")


def write_rtstruct(
    path: Path, segmentation: Volume, origin: "Origin", series: OriginalSeries
) -> None:
    """Write class indices as an RTSTRUCT, an ROI of each class.

    Equal segmentations of one series by the same models have equal UIDs. A class without a voxel
    has an ROI without contours.

    Args:
        path: file to write.
        segmentation: uint8 class indices on the grid that the series was read into.
        origin: what made it.
        series: the slices that it refers to.

    Raises:
        EnvironmentProblem: full disk, no permission.
    """
    pixels = on_slices(segmentation, series)
    uids = new_uids(pixels, origin, series, "RTSTRUCT")
    dataset = _described(series, origin, datetime.now(), uids)
    for number, (name, colour) in enumerate(zip(origin.classes, cycle(OUTLINES.values())), 1):
        contours = list(_contours(pixels == number, series))
        _add_roi(dataset, number, name, colour, contours, series)
    with atomic_path(path) as temporary, quiet_pydicom():
        dataset.save_as(temporary, enforce_file_format=True)


def _described(series: OriginalSeries, origin: "Origin", now: datetime, uids: Uids) -> FileDataset:
    """All but the ROIs."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = uids.instance
    # In explicit syntaxes, the points of a contour may take 64 KB at most.
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    header = series.headers[0]
    copy_patient(header, dataset)
    day, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    with_values(
        dataset,
        SOPClassUID=RTStructureSetStorage,
        SOPInstanceUID=uids.instance,
        InstanceCreationDate=day,
        InstanceCreationTime=time,
        Modality="RTSTRUCT",
        SeriesInstanceUID=uids.series,
        SeriesNumber=SERIES_NUMBER,
        SeriesDescription=DESCRIPTION,
        OperatorsName="",
        Manufacturer=MANUFACTURER,
        ManufacturerModelName=MODEL_NAME,
        SoftwareVersions=__version__,
        DeviceSerialNumber=serial_number(origin),
        InstanceNumber=1,
        FrameOfReferenceUID=header.FrameOfReferenceUID,
        PositionReferenceIndicator=header.get("PositionReferenceIndicator", ""),
        StructureSetLabel=LABEL,
        StructureSetDate=day,
        StructureSetTime=time,
        ReferencedFrameOfReferenceSequence=[_frame_of_reference(series)],
        StructureSetROISequence=[],
        ROIContourSequence=[],
        RTROIObservationsSequence=[],
    )
    return dataset


def _frame_of_reference(series: OriginalSeries) -> Dataset:
    header = series.headers[0]
    numbers = range(1 if series.multi_frame else len(series.slices))
    images = with_values(
        Dataset(),
        SeriesInstanceUID=header.SeriesInstanceUID,
        ContourImageSequence=[_image(series, number, frame=False) for number in numbers],
    )
    study = with_values(
        Dataset(),
        ReferencedSOPClassUID=_STUDY,
        ReferencedSOPInstanceUID=header.StudyInstanceUID,
        RTReferencedSeriesSequence=[images],
    )
    return with_values(
        Dataset(),
        FrameOfReferenceUID=header.FrameOfReferenceUID,
        RTReferencedStudySequence=[study],
    )


def _image(series: OriginalSeries, number: int, *, frame: bool = True) -> Dataset:
    """Reference to a slice."""
    header = series.header_of(number)
    image = with_values(
        Dataset(),
        ReferencedSOPClassUID=header.SOPClassUID,
        ReferencedSOPInstanceUID=header.SOPInstanceUID,
    )
    if series.multi_frame and frame:
        image.ReferencedFrameNumber = series.slices[number].frame + 1
    return image


def _contours(mask: np.ndarray, series: OriginalSeries) -> Iterator[Dataset]:
    """Contours of a class (slice, row, column), slice by slice."""
    for number in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        affine = series.plane(number).affine
        for polygon in contours_of(mask[number]):
            points = polygon @ affine[:3, :2].T + affine[:3, 3]
            contour = with_values(
                Dataset(),
                ContourImageSequence=[_image(series, number)],
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(points),
            )
            contour[_CONTOUR_DATA] = _written(points)
            yield contour


def _written(points: np.ndarray) -> RawDataElement:
    """Points in mm as the file has them; one by one, the library takes a minute for a million."""
    text = "\\".join(f"{value:.4f}" for value in points.ravel())
    content = text.encode("ascii") + b" " * (len(text) % 2)
    return RawDataElement(_CONTOUR_DATA, "DS", len(content), content, 0, True, True)


def _add_roi(
    dataset: Dataset,
    number: int,
    name: str,
    colour: str,
    contours: list[Dataset],
    series: OriginalSeries,
) -> None:
    roi = with_values(
        Dataset(),
        ROINumber=number,
        ReferencedFrameOfReferenceUID=series.headers[0].FrameOfReferenceUID,
        ROIName=name[:64],
        ROIGenerationAlgorithm="AUTOMATIC",
    )
    drawn = with_values(
        Dataset(),
        ROIDisplayColor=[int(colour[first : first + 2], 16) for first in (1, 3, 5)],
        ReferencedROINumber=number,
    )
    if contours:
        drawn.ContourSequence = contours
    observed = with_values(
        Dataset(),
        ObservationNumber=number,
        ReferencedROINumber=number,
        RTROIInterpretedType="",
        ROIInterpreter="",
    )
    dataset.StructureSetROISequence.append(roi)
    dataset.ROIContourSequence.append(drawn)
    dataset.RTROIObservationsSequence.append(observed)
