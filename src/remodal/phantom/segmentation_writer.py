"""The annotation of a simulated series as an annotation tool would send it: a DICOM SEG."""

from datetime import timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from remodal.phantom.dicom_writer import EQUIPMENT, Examination, dicom_time
from remodal.results.files import atomic_path

_SEGMENTS = ("Liver", "Tumour")


def write_segmentation(
    path: Path, labels: np.ndarray, images: list[Dataset], examination: Examination
) -> None:
    """Write labels as a DICOM SEG (binary) on a CT series: segment 1 liver, segment 2 tumour.

    Args:
        path: file to write; its name tells several SEGs of one examination apart.
        labels: uint8 (z, y, x): 0 background, 1 liver without its tumours, 2 tumour.
        images: the series' slices in the same order.
        examination: the study.
    """
    import highdicom
    from pydicom.sr.codedict import codes

    meanings = (
        (codes.SCT.Organ, codes.SCT.Liver),
        (codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Neoplasm),
    )
    descriptions = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=category,
            segmented_property_type=kind,
            algorithm_type="MANUAL",
            tracking_id=label,
            tracking_uid=examination.uid("segment", label),
        )
        for number, (label, (category, kind)) in enumerate(zip(_SEGMENTS, meanings), 1)
    ]
    dataset = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=labels,
        segmentation_type="BINARY",
        segment_descriptions=descriptions,
        series_instance_uid=examination.uid("series", path.stem),
        series_number=100,
        sop_instance_uid=examination.uid(path.stem),
        instance_number=1,
        manufacturer=EQUIPMENT["Manufacturer"],
        manufacturer_model_name=EQUIPMENT["ManufacturerModelName"],
        software_versions=EQUIPMENT["SoftwareVersions"],
        device_serial_number=EQUIPMENT["DeviceSerialNumber"],
        content_description="Liver and tumours",
        content_label="LIVER_TUMOUR",
    )
    _without_clock(dataset, examination)
    with atomic_path(path) as temporary:
        dataset.save_as(temporary)


def _without_clock(dataset: Dataset, examination: Examination) -> None:
    """Replace what the writing library takes from the clock or draws at random."""
    annotated = examination.started + timedelta(days=1)
    fixed = {
        "InstanceCreationDate": annotated.strftime("%Y%m%d"),
        "ContentDate": annotated.strftime("%Y%m%d"),
        "InstanceCreationTime": dicom_time(annotated),
        "ContentTime": dicom_time(annotated),
        "ContributionDateTime": annotated.strftime("%Y%m%d%H%M%S"),
        "DimensionOrganizationUID": examination.uid("dimensions"),
    }
    for element in dataset.iterall():
        if element.keyword in fixed:
            element.value = fixed[element.keyword]
