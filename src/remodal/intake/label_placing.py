"""Bring the voxels of a label file onto the image that it was drawn on."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.label_resampling import has_same_voxels, reaches_outside, resampled_label
from remodal.geometry.lattice import brought_onto, differences, ordered, place
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.slice_places import SlicePlaces
from remodal.intake.slice_resampling import onto_regular

_NOTABLE_SHIFT = 0.01  # voxels


def placed(
    label: Volume, grid: Geometry, slices: SlicePlaces | None
) -> tuple[np.ndarray, list[str]]:
    """A label's voxels on the image's grid.

    Voxels that lie on the image's are moved, not resampled. Where they have another size or
    direction, or the image itself was resampled, each class is resampled. A label with one voxel
    for each pixel of slices that were resampled goes the same way as the slices.

    Args:
        label: its values on their own grid.
        grid: the image's grid.
        slices: where the image's slices lie if it was resampled.

    Returns:
        Array of the grid's shape, in the label's number format; notes.

    Raises:
        BadCase: the label lies beside the image's voxels or outside the image.
    """
    if slices is not None:
        by_slice = _on_slices(label, slices)
        if by_slice is not None:
            told = "the label has a voxel for each pixel of the slices: resampled as these"
            return onto_regular(by_slice, slices, label=True).array, [told]
    own = label.geometry
    try:
        array, shift = brought_onto(label.array, own, grid)
    except BadCase:
        beside = slices is None and has_same_voxels(own, grid)
        if beside or reaches_outside(own, grid):
            raise
        return _resampled(label, grid)
    notes = []
    if shift > _NOTABLE_SHIFT:
        notes.append(f"the label's grid is {shift:.2f} voxels off the image's")
    if label.array.size < array.size:
        covered = label.array.size / array.size
        notes.append(f"the label covers {covered:.1%} of the image: the rest is 0")
    return array, notes


def _resampled(label: Volume, grid: Geometry) -> tuple[np.ndarray, list[str]]:
    array = resampled_label(label.array, label.geometry, grid)
    notes = [f"the label was resampled onto the image ({differences(label.geometry, grid)})"]
    values = set(np.unique(label.array)) - set(np.unique(array))
    if values:
        told = ", ".join(str(value) for value in sorted(values))
        notes.append(f"too small for the image's voxels, lost by resampling: value {told}")
    return array, notes


def _on_slices(label: Volume, slices: SlicePlaces) -> np.ndarray | None:
    """Values (slice, y, x) of a label with one voxel per pixel of the slices; None for others.

    Its header may say where the slices lie, or how they would lie if they were straight, as
    programs do that cannot store slices that lean or are unevenly spaced.
    """
    if sorted(label.geometry.shape) != sorted(slices.straight.shape):
        return None
    for grid in _as_programs_store(slices):
        placement = place(label.geometry, grid)
        if placement is not None and placement.start == (0, 0, 0):
            array = ordered(label.array, placement)
            return array if array.shape == grid.shape else None
    return None


def _as_programs_store(slices: SlicePlaces) -> Iterator[Geometry]:
    """Grids that programs give to slices that have no even, straight one.

    They lean, or are straight; their step is the mean of all, the first, the last or the finest.
    """
    straight = slices.straight
    axes = np.reshape(straight.direction, (3, 3))
    steps = np.diff(slices.heights)
    lean = axes[:, :2] @ slices.shifts[-1] / slices.heights[-1]
    for step in (straight.spacing[2], steps[0], steps[-1], steps.min()):
        for up in (axes[:, 2], axes[:, 2] + lean):
            length = float(np.linalg.norm(up))
            directions = np.column_stack([axes[:, :2], up / length])
            yield replace(
                straight,
                spacing=(*straight.spacing[:2], float(step) * length),
                direction=tuple(directions.ravel().tolist()),
            )
