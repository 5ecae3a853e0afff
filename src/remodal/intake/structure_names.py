"""What a label's files call its values."""

from pathlib import Path
from typing import Any

from remodal.errors import BadCase
from remodal.intake.bids_names import name_of_file
from remodal.intake.headers import is_dicom, quiet_pydicom
from remodal.intake.label_source import LabelSource
from remodal.intake.slicer import is_slicer, segment_names
from remodal.intake.source_files import files_of

_ENDINGS = (".seg.nrrd", ".nii.gz")


def structure_names(source: LabelSource) -> dict[int, str]:
    """The name of each of a label's values, as far as the files or the sheet name them.

    Structures that the sheet names have these names; one file per structure names it by its own
    name; SEG, RTSTRUCT and Slicer's segmentations hold names. A label image names nothing, but in
    BIDS the name of a mask says what it is of.

    Args:
        source: the label.

    Raises:
        BadCase: a file that is damaged.
    """
    if source.structures:
        return dict(source.structures)
    if source.values is not None:
        return {value: _stem(file) for value, file in zip(source.values, source.files)}
    file = source.files[0]
    if structure := _of_bids(file):
        return {1: structure}
    if file.is_dir():
        files = [one for one in files_of(file) if one.is_file() and is_dicom(one)]
        return _of_dicom(files[0]) if len(files) == 1 else {}
    if is_slicer(file):
        return segment_names(file)
    return _of_dicom(file) if file.is_file() and is_dicom(file) else {}


def _of_bids(file: Path) -> str:
    name = name_of_file(file.name)
    return name.entities.get("label", "") if name and name.suffix == "mask" else ""


def _stem(file: Path) -> str:
    if structure := _of_bids(file):
        return structure
    ending = next((one for one in _ENDINGS if file.name.endswith(one)), file.suffix)
    return file.name.removesuffix(ending)


def _of_dicom(file: Path) -> dict[int, str]:
    """Names of the segments of a SEG or the ROIs of an RTSTRUCT, by their numbers."""
    import pydicom

    from remodal.intake.unknown_vr import with_known_vrs

    try:
        with quiet_pydicom():
            dataset: Any = with_known_vrs(pydicom.dcmread(file, stop_before_pixels=True))
            segments = dataset.get("SegmentSequence") or []
            rois = dataset.get("StructureSetROISequence") or []
            named = {int(one.SegmentNumber): one.get("SegmentLabel", "") for one in segments}
            named |= {int(one.ROINumber): one.get("ROIName", "") for one in rois}
    except OSError:
        raise
    except Exception as error:
        # Damage can make pydicom raise anything.
        raise BadCase("the DICOM label is damaged or incomplete", where=str(file)) from error
    return {number: str(name) for number, name in named.items() if name}
