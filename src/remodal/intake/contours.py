"""Turn RTSTRUCT contours into voxels of the image they were drawn on (PS3.3 C.8.8.6)."""

from collections import Counter, defaultdict

import numpy as np
from pydicom.dataset import Dataset

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.structures import Move, Wanted, as_byte, unmoved, values_of

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_OFF_PLANE = 0.2  # slices: how far a contour may lie off the plane of a slice
_DECIMALS = 4  # of a voxel: vertices meant to be at voxel centres are rounded to exactly there


def read_structures(
    dataset: Dataset, grid: Geometry, wanted: Wanted = (), move: Move = unmoved
) -> tuple[np.ndarray, list[str]]:
    """Fill the closed contours of an RTSTRUCT: a voxel's value is its ROI's number, or as wanted.

    A voxel belongs to an ROI when its centre is inside by the even-odd rule over all contours of
    the ROI on that slice, so a contour inside another one cuts a hole. Where ROIs overlap the
    highest value wins (2 = tumour inside 1 = liver).

    Returns:
        uint8 array (z, y, x) of the grid's shape, warnings.

    Raises:
        BadCase: a wanted ROI is missing, contours lie between or outside the image's slices, ROI
            numbers are above 255, or the contours are missing.
    """
    painted = np.zeros(grid.shape, np.uint8)
    left_out: Counter[str] = Counter()
    to_indices = np.linalg.inv(grid.affine)
    rois = _contours_of(dataset)
    names = {
        int(roi.ROINumber): str(roi.get("ROIName", ""))
        for roi in dataset.get("StructureSetROISequence") or []
    }
    if "ROIContourSequence" not in dataset:
        raise BadCase("the RTSTRUCT has no contours", remedy="export the label again")
    values = values_of(names if wanted else dict.fromkeys([*rois, *names], ""), wanted)
    for number, value in sorted(values.items(), key=lambda pair: pair[1]):
        slices = defaultdict(list)
        for contour in rois.get(number, []):
            if contour.ContourGeometricType not in _CLOSED:
                left_out["contours that are points or open lines"] += 1
                continue
            index, polygon = _on_slice(contour, to_indices, grid, move)
            slices[index].append(polygon)
        if not slices:
            left_out["ROIs without a closed contour"] += 1
        for index, polygons in slices.items():
            painted[index][filled(polygons, grid.shape[1:])] = as_byte(value)
    return painted, [f"left out: {what} ({count})" for what, count in sorted(left_out.items())]


def _contours_of(dataset: Dataset) -> dict[int, list[Dataset]]:
    """The contours of each ROI, by its number."""
    found: dict[int, list[Dataset]] = defaultdict(list)
    for roi in dataset.get("ROIContourSequence") or []:
        found[int(roi.ReferencedROINumber)] += roi.get("ContourSequence") or []
    return found


def _on_slice(
    contour: Dataset, to_indices: np.ndarray, grid: Geometry, move: Move
) -> tuple[int, np.ndarray]:
    """Index of a contour's slice and its vertices (x, y) in voxels."""
    points = move(np.array(contour.ContourData, float).reshape(-1, 3))
    indices = points @ to_indices[:3, :3].T + to_indices[:3, 3]
    plane = np.rint(indices[:, 2].mean())
    if np.abs(indices[:, 2] - plane).max() > _OFF_PLANE:
        raise BadCase(
            "contours lie between the image's slices or across them",
            expected="contours on the slices of the image that they were drawn on",
            remedy="correct the sheet's `label_on`",
        )
    if not 0 <= plane < grid.shape[0]:
        raise BadCase(
            "contours lie above or below the image",
            expected="contours on the slices of the image that they were drawn on",
            remedy="correct the sheet's `label_on`",
        )
    return int(plane), indices[:, :2]


def filled(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels inside closed polygons by the even-odd rule, polygons counted together.

    Each edge toggles, in every row whose centre line it crosses, the pixels from the crossing on;
    an odd number of toggles means inside. An edge includes its lower end but not its upper one, and
    a pixel centre is inside if it lies on a left border but not on a right one, so polygons that
    share a border share no pixel.

    Args:
        polygons: vertices (x, y) in pixels, pixel centres at whole numbers.
        shape: rows and columns.

    Returns:
        Boolean array (rows, columns).
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), np.int32)
    for polygon in polygons:
        start = np.round(polygon, _DECIMALS)
        for (x0, y0), (x1, y1) in zip(start, np.roll(start, -1, axis=0)):
            if y0 == y1:
                continue
            if y0 > y1:
                x0, y0, x1, y1 = x1, y1, x0, y0
            crossed = np.arange(max(np.ceil(y0), 0), min(np.ceil(y1), rows), dtype=int)
            at = np.round(x0 + (crossed - y0) * (x1 - x0) / (y1 - y0), _DECIMALS)
            toggles[crossed, np.clip(np.ceil(at), 0, columns).astype(int)] += 1
    return (np.cumsum(toggles, axis=1) % 2 == 1)[:, :columns]
