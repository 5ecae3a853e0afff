"""A segmentation in a file: an image of voxels, a DICOM SEG or an RTSTRUCT."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from remodal.geometry.volume import Volume
from remodal.intake.nifti import write_volume
from remodal.prediction.formats import SEG, format_of
from remodal.prediction.original import OriginalSeries


@dataclass(frozen=True)
class Origin:
    """What made a segmentation.

    Attributes:
        classes: names of the classes, the first of which is 1 in the segmentation.
        method: of the model, in words.
        weights: a digest of the weights of all models.
    """

    classes: Sequence[str]
    method: str
    weights: str


def write_segmentation(
    path: Path, segmentation: Volume, origin: Origin, series: OriginalSeries | None
) -> None:
    """Write class indices in the format that the file's name says.

    Args:
        path: file to write.
        segmentation: uint8 class indices, on the grid of the segmented image as it is stored.
        origin: what made it.
        series: that image's slices; needed for a DICOM format only.

    Raises:
        UserError: the name says no format.
        EnvironmentProblem: full disk, no permission.
    """
    if series is None:
        write_volume(path, segmentation)
    elif format_of(path) == SEG:
        from remodal.prediction.segmentation_object import write_seg

        write_seg(path, segmentation, origin, series)
    else:
        from remodal.prediction.structure_set import write_rtstruct

        write_rtstruct(path, segmentation, origin, series)
