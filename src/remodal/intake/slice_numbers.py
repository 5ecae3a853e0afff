"""Labels that follow the numbers of a DICOM series' slices, whatever their own headers say.

Some data sets come with label files whose voxels are in the order of the DICOM files (columns,
rows, InstanceNumber) but whose headers place them elsewhere, flipped against the image.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.lattice import differences
from remodal.geometry.volume import Geometry
from remodal.intake.slices import Slice

SliceNumbers = Literal["rising", "falling", ""]
"""How InstanceNumber runs along a volume's z axis; empty: not at all, or not steadily."""


def slice_numbers(slices: Sequence[Slice]) -> SliceNumbers:
    """How the numbers of sorted slices run."""
    numbers = [one.instance for one in slices]
    if None in numbers:
        return ""
    steps = np.diff(numbers)
    if (steps > 0).all():
        return "rising"
    return "falling" if (steps < 0).all() else ""


def laid_by_number(
    array: np.ndarray, own: Geometry, grid: Geometry, numbers: str
) -> tuple[np.ndarray, list[str]]:
    """Voxels in the order of an image's slice numbers, laid on the image's grid.

    Args:
        array: one plane (row, column) per slice, in the order of the slices' numbers.
        own: the label's grid as its header has it; only its spacing is looked at.
        grid: the image's grid.
        numbers: how the slice numbers run along it.

    Returns:
        Array (z, y, x) of the grid, and a warning if the header's spacing is not the image's.

    Raises:
        BadCase: the image has no steady slice numbers, or the label another number of voxels.
    """
    if not numbers:
        raise BadCase(
            "the label follows the slices' numbers, which the image does not have",
            expected="a DICOM series whose InstanceNumber rises or falls from slice to slice",
            remedy="name the original DICOM series, converted by this version of remodal",
        )
    if array.shape != grid.shape:
        raise BadCase(
            f"the label follows the slices' numbers but is on another grid than the image: "
            f"{differences(own, grid)}",
            expected="one voxel for each of the image's",
        )
    warnings = []
    if not np.allclose(own.spacing, grid.spacing, rtol=1e-2):
        told, wanted = (" x ".join(f"{step:.4g}" for step in one.spacing) for one in (own, grid))
        warnings = [f"the label's header has a spacing of {told} mm, the image {wanted} mm"]
    return (array[::-1] if numbers == "falling" else array), warnings
