"""Open a DICOM object that was drawn on images, a SEG or an RTSTRUCT, and fill its structures."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.encoding import DEFLATED, UNDEFINED, inflated, syntax_and_end
from remodal.intake.headers import quiet_pydicom
from remodal.intake.structures import Move, Wanted, unmoved

if TYPE_CHECKING:
    from pydicom import Dataset

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
#: Storage classes of what this module reads.
DRAWN = (*_SEGMENTATIONS, _STRUCTURES)
_PIXELS = 0x7FE00010
_STRUCTURES_OF_A_VOXEL = 16  # that overlap in each voxel of a deflated label, at most
_LONGEST_HEADER = 1 << 26  # bytes


def read_drawn(
    path: Path, grid: Geometry, wanted: Wanted = (), move: Move = unmoved
) -> tuple[str, np.ndarray, list[str]]:
    """Read a SEG or RTSTRUCT onto the grid of the image that it was drawn on.

    Args:
        path: the file.
        grid: the image's grid.
        wanted: structures to take, and the values they get; empty: all, by their numbers.
        move: brings what was drawn onto `grid`, if that is not where it was drawn.

    Returns:
        What it is, uint8 array (z, y, x) of the grid's shape, warnings.

    Raises:
        BadCase: neither of them, damaged, or not drawn on this grid.
    """
    import pydicom

    from remodal.intake.contours import read_structures
    from remodal.intake.segments import read_segments
    from remodal.intake.unknown_vr import with_known_vrs

    try:
        with quiet_pydicom():
            dataset = pydicom.dcmread(BytesIO(_plain(path, grid)))
            if _is_cut(dataset):
                raise BadCase("the DICOM label is cut short", remedy="export the label again")
            dataset = with_known_vrs(dataset, nested=True)
            found = dataset.get("SOPClassUID")
            if found in _SEGMENTATIONS:
                return "DICOM SEG", *read_segments(dataset, grid, wanted, move)
            if found == _STRUCTURES:
                return "DICOM RTSTRUCT", *read_structures(dataset, grid, wanted, move)
    except BadCase:
        raise
    except Exception as error:
        if getattr(error, "errno", None) is not None:
            raise
        # Damage can make pydicom raise anything, an OSError without a number too.
        raise BadCase(
            "the DICOM label is damaged or incomplete", remedy="export the label again"
        ) from error
    raise BadCase("the DICOM file holds no label", expected="a SEG or an RTSTRUCT")


def _is_cut(dataset: "Dataset") -> bool:
    """Whether an element but the pixels holds less than it says, in the items of sequences too.

    pydicom passes over what is missing at the end, whole structures among it.
    """
    for tag in list(dataset.keys()):
        element = dataset.get_item(tag)
        told = getattr(element, "length", UNDEFINED)  # only of elements as they were read
        if tag != _PIXELS and told != UNDEFINED and len(element.value or b"") < told:
            return True
        if element.VR == "SQ" and any(_is_cut(item) for item in dataset[tag].value):
            return True
    return False


def _plain(path: Path, grid: Geometry) -> bytes:
    """The file's content, inflated.

    Raises:
        BadCase: it becomes more than a label of this grid can need.
    """
    data = path.read_bytes()
    if syntax_and_end(data)[0] != DEFLATED:
        return data
    most = _STRUCTURES_OF_A_VOXEL * int(np.prod(grid.shape)) + _LONGEST_HEADER
    plain = inflated(data, BytesIO(data), most)
    if len(plain) >= most:
        raise BadCase(
            f"the DICOM label inflates to more than {most >> 20} MB",
            expected="no more than its image can hold",
            remedy="export the label again",
        )
    return plain
