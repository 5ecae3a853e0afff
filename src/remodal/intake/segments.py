"""Turn a DICOM SEG into voxels of the image it was drawn on (PS3.3 A.51, C.8.20)."""

from collections.abc import Callable

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array

from remodal.errors import BadCase
from remodal.geometry.lattice import ordered, place, window
from remodal.geometry.volume import Geometry
from remodal.intake.elements import number, numbers
from remodal.intake.slices import functional_group
from remodal.intake.structures import Move, Wanted, as_byte, unmoved, values_of


def read_segments(
    dataset: Dataset, grid: Geometry, wanted: Wanted = (), move: Move = unmoved
) -> tuple[np.ndarray, list[str]]:
    """Paint the frames of a SEG: a voxel's value is the number of its segment, or the wanted one.

    Where segments overlap, the highest value wins (2 = tumour inside 1 = liver). Frames may be in
    any order and rotated or flipped relative to the image; SEGs usually omit empty ones. In a
    fractional SEG, a voxel belongs to the segment if it has at least half of the maximum.

    Returns:
        uint8 array (z, y, x) of the grid's shape, warnings.

    Raises:
        BadCase: a wanted segment is missing, frames do not lie on the image's slices or anywhere,
            or segment numbers are above 255.
    """
    kind = str(dataset.get("SegmentationType", ""))
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    frames = [[frame, shared] for frame in dataset.get("PerFrameFunctionalGroupsSequence") or []]
    frames = frames or [[shared]]
    promised = int(dataset.get("NumberOfFrames") or len(frames))
    if promised != len(frames):
        raise BadCase(
            f"the segmentation has {promised} frames, but says of {len(frames)} where they lie",
            remedy="export the label again",
        )
    read_frame = _frame_reader(dataset, len(frames), grid)
    painted = np.zeros(grid.shape, np.uint8)
    labelmap = kind == "LABELMAP"
    # A label map has the numbers of its segments in its pixels.
    drawn_in = [0 if labelmap else _segment_number(groups) for groups in frames]
    values = values_of(_names(dataset, drawn_in), wanted)
    for index in sorted(range(len(frames)), key=lambda index: values.get(drawn_in[index], 0)):
        if drawn_in[index] not in values and not labelmap:
            continue
        frame = read_frame(index)
        if not frame.any():
            continue
        if kind == "FRACTIONAL":
            frame = frame >= 0.5 * (number(dataset, "MaximumFractionalValue") or 255)
        target, block = _on_slice(frame, frames[index], painted, grid, move)
        if not labelmap:
            target[block != 0] = as_byte(values[drawn_in[index]])
            continue
        for segment in np.unique(block[block != 0]).tolist():
            if segment in values or not wanted:
                target[block == segment] = as_byte(values.get(segment, segment))
    return painted, ["fractional segments, cut at half"] if kind == "FRACTIONAL" else []


def _names(dataset: Dataset, drawn: list[int]) -> dict[int, str]:
    """Name of each segment by its number; empty for segments drawn but not described."""
    described = {
        int(one.SegmentNumber): str(one.get("SegmentLabel", ""))
        for one in dataset.get("SegmentSequence") or []
    }
    # A label map may describe its background.
    return {
        number: name for number, name in (dict.fromkeys(drawn, "") | described).items() if number
    }


def _segment_number(groups: list[Dataset]) -> int:
    segment = functional_group(groups, "SegmentIdentificationSequence")
    return int(segment.ReferencedSegmentNumber)


def _on_slice(
    frame: np.ndarray, groups: list[Dataset], painted: np.ndarray, grid: Geometry, move: Move
) -> tuple[np.ndarray, np.ndarray]:
    """The part of `painted` that a frame covers, and the frame in its order."""
    placement = place(_geometry_of(frame, groups, grid, move), grid)
    if placement is None:
        raise BadCase(
            "frames of the segmentation lie beside the image's slices or pixels",
            expected="the grid of the image that it was drawn on",
            remedy="correct the sheet's `label_on`, or export the label on that image",
        )
    block = ordered(frame[None], placement)
    part = window(block, placement, grid)
    if part is None:
        raise _outside()
    return painted[part], block


def _outside() -> BadCase:
    return BadCase(
        "frames of the segmentation lie outside the image",
        expected="the grid of the image that it was drawn on",
        remedy="correct the sheet's `label_on`",
    )


def _geometry_of(frame: np.ndarray, groups: list[Dataset], grid: Geometry, move: Move) -> Geometry:
    """Grid of one frame, as thick as the image along the frame's normal."""
    position = numbers(functional_group(groups, "PlanePositionSequence"), "ImagePositionPatient", 3)
    plane = functional_group(groups, "PlaneOrientationSequence")
    orientation = numbers(plane, "ImageOrientationPatient", 6)
    spacing = numbers(functional_group(groups, "PixelMeasuresSequence"), "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        raise BadCase(
            "frames of the segmentation lack their place",
            expected="plane position, plane orientation and pixel measures",
        )
    along, down = np.reshape(orientation, (2, 3))
    axes = np.stack([along, down, np.cross(along, down)], axis=1)
    across = np.abs(np.reshape(grid.direction, (3, 3)).T @ axes[:, 2]).argmax()
    return Geometry(
        shape=(1, *frame.shape),
        spacing=(spacing[1], spacing[0], grid.spacing[across]),
        origin=tuple(move(np.array([position]))[0].tolist()),
        direction=tuple(axes.ravel().tolist()),
    )


def _frame_reader(dataset: Dataset, count: int, grid: Geometry) -> Callable[[int], np.ndarray]:
    """A function from a frame's index to its pixels (rows, columns)."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    size = rows * columns
    # Before anything is decoded: a forged size may ask for any amount of memory.
    if size > np.prod(sorted(grid.shape)[1:]):
        raise _outside()
    syntax = dataset.file_meta.TransferSyntaxUID
    if int(dataset.BitsAllocated) != 1 or syntax.is_encapsulated:
        return lambda index: pixel_array(dataset, index=index, raw=True)
    packed = np.frombuffer(dataset.PixelData, np.uint8)
    if len(packed) * 8 < size * count:
        raise BadCase("the segmentation is cut short", remedy="export the label again")

    def read(index: int) -> np.ndarray:
        # Frames follow one another bit by bit, even within a byte (PS3.5 8.1.1).
        first = index * size
        part = packed[first // 8 : -(-(first + size) // 8)]
        bits = np.unpackbits(part, bitorder="little")[first % 8 : first % 8 + size]
        return bits.reshape(rows, columns)

    return read
