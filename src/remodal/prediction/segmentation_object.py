"""A segmentation as DICOM SEG (PS3.3 A.51): binary, one segment per class, on the original slices.

Patient and study are those of the series that it refers to, as a viewer needs them; nothing else
says who the patient is.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.valuerep import DSfloat

from remodal import __version__
from remodal.geometry.volume import Volume
from remodal.intake.headers import quiet_pydicom
from remodal.prediction.concepts import concept_of
from remodal.prediction.dicom_object import (
    DESCRIPTION,
    LABEL,
    MANUFACTURER,
    MODEL_NAME,
    new_uids,
    serial_number,
)
from remodal.prediction.original import (
    OriginalSeries,
    copy_patient,
    on_slices,
    with_values,
)
from remodal.results.files import atomic_path

if TYPE_CHECKING:
    import highdicom

    from remodal.prediction.writing import Origin

#: Of the series of segmentations: higher than those that a scanner counts.
SERIES_NUMBER = 9001
_REFERRED_BY = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    "FrameOfReferenceUID",
)
#: Who the patient is comes into the finished object.
_UNKNOWN = dict.fromkeys(
    (
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
        *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
    ),
    "",
)


def write_seg(path: Path, segmentation: Volume, origin: "Origin", series: OriginalSeries) -> None:
    """Write class indices as a SEG.

    Equal segmentations of one series by the same models have equal UIDs.

    Args:
        path: file to write.
        segmentation: uint8 class indices on the grid that the series was read into.
        origin: what made it.
        series: the slices that it refers to.

    Raises:
        EnvironmentProblem: full disk, no permission.
    """
    import highdicom

    pixels = on_slices(segmentation, series)
    uids = new_uids(pixels, origin, series)
    dataset = highdicom.seg.Segmentation(
        source_images=_sources(series),
        pixel_array=_of_all_frames(pixels, series) if series.multi_frame else pixels,
        segmentation_type="BINARY",
        segment_descriptions=[
            _segment(number, name, origin) for number, name in enumerate(origin.classes, 1)
        ],
        series_instance_uid=uids.series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=uids.instance,
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=__version__,
        device_serial_number=serial_number(origin),
        content_description=DESCRIPTION,
        content_label=LABEL,
        series_description=DESCRIPTION,
    )
    copy_patient(series.headers[0], dataset)
    with atomic_path(path) as temporary, quiet_pydicom():
        dataset.save_as(temporary)


def _sources(series: OriginalSeries) -> list[Dataset]:
    """What the writing library reads of the slices, without anything that may be odd in headers."""
    if series.multi_frame:
        [header] = series.headers
        source = Dataset()
        source.update({element.tag: element for element in header})
        return [with_values(source, **_UNKNOWN)]
    return [
        with_values(
            Dataset(),
            **{keyword: header[keyword].value for keyword in _REFERRED_BY},
            **_UNKNOWN,
            Modality=str(header.get("Modality", "")) or "OT",
            Rows=one.rows,
            Columns=one.columns,
            ImagePositionPatient=[DSfloat(value, auto_format=True) for value in one.position],
            ImageOrientationPatient=[DSfloat(v, auto_format=True) for v in one.orientation],
            PixelSpacing=[DSfloat(value, auto_format=True) for value in one.spacing],
            SliceThickness=DSfloat(series.thickness, auto_format=True),
        )
        for one, header in zip(series.slices, series.headers)
    ]


def _of_all_frames(pixels: np.ndarray, series: OriginalSeries) -> np.ndarray:
    """Pixels of some frames of a file (one of its phases) among all; those left out are empty."""
    found = np.zeros((series.slices[0].frames, *pixels.shape[1:]), np.uint8)
    found[[one.frame for one in series.slices]] = pixels
    return found


def _segment(number: int, name: str, origin: "Origin") -> "highdicom.seg.SegmentDescription":
    import highdicom

    from remodal.report.slices import OUTLINES

    category, kind = concept_of(name)
    colours = list(OUTLINES.values())
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=origin.method[:64],
            family=codes.DCM.ArtificialIntelligence,
            version=serial_number(origin),
        ),
        display_color=highdicom.color.CIELabColor.from_string(colours[(number - 1) % len(colours)]),
    )
