"""Stack slices into a volume: order and grid come from geometry, never from names or numbers."""

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.slices import Slice

_GREY = ("", "MONOCHROME1", "MONOCHROME2")  # not PALETTE COLOR, whose values stand for colours
_SAME_PLACE = 0.01  # mm: closer slices are the same place
_OFF_GRID = 0.1  # of a step: how far a slice may lie from its place on the uniform grid
_NOTABLE = 0.01  # of a step: unevenness beyond this is warned of
_LEAN = 0.5  # of a pixel: how far the last slice may lie off the first one's normal


def check_series(slices: list[Slice]) -> None:
    """Check that the slices are one series of grey images with every tag that is needed.

    Raises:
        BadCase: mosaics, one slice, missing tags, colour, or slices of different kinds.
    """
    if any("MOSAIC" in one.image_type for one in slices):
        raise BadCase(
            "each image is a mosaic of many slices (Siemens)",
            expected="one slice per image, or an enhanced multi-frame image",
            remedy="convert the series to NIfTI (dcm2niix takes mosaics apart) and name that",
        )
    if any(one.samples != 1 or one.photometric not in _GREY for one in slices):
        raise BadCase("the slices are in colour", expected="one grey value a pixel")
    if len(slices) == 1:
        raise BadCase("the series has 1 slice", expected="at least 2")
    _require_tags(slices)
    for word, values in {
        "sizes (Rows, Columns)": {(one.rows, one.columns) for one in slices},
        "pixel sizes (PixelSpacing)": _distinct([one.spacing for one in slices], 1e-4),
        "orientations (ImageOrientationPatient)": _distinct(
            [one.orientation for one in slices], 1e-3
        ),
    }.items():
        if len(values) > 1:
            raise BadCase(
                f"{len(values)} different {word} in one series",
                expected="one",
                remedy="split the folder",
            )


def _require_tags(slices: list[Slice]) -> None:
    needed = {
        "Rows (0028,0010)": "rows",
        "Columns (0028,0011)": "columns",
        "ImagePositionPatient (0020,0032)": "position",
        "ImageOrientationPatient (0020,0037)": "orientation",
        "PixelSpacing (0028,0030)": "spacing",
        "BitsAllocated of 8, 16 or 32 and PixelRepresentation (0028,0100 and 0103)": "form",
    }
    missing = {
        tag: sum(getattr(one, field) is None for one in slices) for tag, field in needed.items()
    }
    if any(missing.values()):
        raise BadCase(
            "; ".join(f"{tag} missing in {count}" for tag, count in missing.items() if count)
            + f" of {len(slices)} slices",
            expected="it in every slice",
        )
    if any(min(one.spacing) <= 0 for one in slices):
        raise BadCase("PixelSpacing is not positive")


def _distinct(values: list[tuple[float, ...]], tolerance: float) -> list[tuple[float, ...]]:
    distinct: list[tuple[float, ...]] = []
    for value in dict.fromkeys(values):
        if not any(np.allclose(value, other, rtol=tolerance, atol=tolerance) for other in distinct):
            distinct.append(value)
    return distinct


def sort_slices(slices: list[Slice]) -> tuple[list[Slice], np.ndarray]:
    """Sort slices along their normal (rows x columns), the direction of the volume's z axis.

    Returns:
        The slices, and their heights along the normal in mm.
    """
    normal = _axes(slices[0])[:, 2]
    heights = np.array([one.position for one in slices]) @ normal
    order = np.argsort(heights, kind="stable")
    return [slices[index] for index in order], heights[order]


def same_places(heights: np.ndarray) -> list[list[int]]:
    """Indices of sorted slices that share a place: a list for each place that has several."""
    breaks = np.flatnonzero(np.diff(heights) >= _SAME_PLACE) + 1
    places = np.split(np.arange(len(heights)), breaks)
    return [place.tolist() for place in places if len(place) > 1]


def grid_of(slices: list[Slice]) -> tuple[Geometry, list[str]]:
    """Grid of sorted slices, each at a place of its own.

    Returns:
        Geometry, and warnings about unevenness that is small enough.

    Raises:
        BadCase: gaps, non-uniform steps, slices that lean or are shifted sideways.
    """
    axes = _axes(slices[0])
    positions = np.array([one.position for one in slices])
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    thickness = float(step @ axes[:, 2])
    _check_steps(positions @ axes[:, 2])
    _check_sideways(positions, axes[:, 2], slices[0].spacing)
    row_spacing, column_spacing = slices[0].spacing
    uneven = np.abs(positions - positions[0] - np.outer(np.arange(len(slices)), step)).max()
    if uneven > _OFF_GRID * thickness:
        raise BadCase(
            f"slices lie up to {uneven:.2f} mm beside a straight, even stack",
            expected=f"at most {_OFF_GRID:.0%} of the step of {thickness:.3g} mm",
        )
    notable = uneven > _NOTABLE * thickness
    warnings = [f"slices lie up to {uneven:.3f} mm off an even grid"] if notable else []
    geometry = Geometry(
        shape=(len(slices), slices[0].rows, slices[0].columns),
        spacing=(column_spacing, row_spacing, thickness),
        origin=tuple(positions[0].tolist()),
        direction=tuple(axes.ravel().tolist()),
    )
    return geometry, warnings


def _check_steps(heights: np.ndarray) -> None:
    """Check that no slices are missing and that the step does not change along the series."""
    steps = np.diff(heights)
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    parts = np.split(steps, np.flatnonzero(np.abs(np.diff(steps)) > _OFF_GRID * usual) + 1)
    if len(parts) > 1 and min(len(part) for part in parts) > 1:
        raise BadCase(
            f"the step between slices changes from {parts[0].mean():.3g} to "
            f"{parts[1].mean():.3g} mm at slice {len(parts[0]) + 1} of {len(heights)}",
            expected="one step",
            remedy="put the parts into folders of their own, or resample the series",
        )
    wide = np.flatnonzero(steps > 1.5 * usual)
    if not len(wide):
        return
    ratios = steps[wide] / usual
    if np.abs(ratios - np.rint(ratios)).max() < _OFF_GRID:
        missing = int(np.rint(ratios).sum()) - len(wide)
        raise BadCase(
            f"gap: {missing} {'slice' if missing == 1 else 'slices'} missing, the first after "
            f"slice {wide[0] + 1} of {len(heights)} "
            f"(step {steps[wide[0]]:.3g} mm instead of {usual:.3g} mm)",
            expected="every slice of the series",
            remedy="export the series again",
        )
    raise BadCase(
        f"non-uniform steps between slices: {steps.min():.3g} to {steps.max():.3g} mm",
        expected="one step",
        remedy="resample the series, or put its parts into folders of their own",
    )


def _check_sideways(
    positions: np.ndarray, normal: np.ndarray, spacing: tuple[float, float]
) -> None:
    """Check that the last slice lies on the normal of the first."""
    across = np.diff(positions - np.outer(positions @ normal, normal), axis=0)
    if np.linalg.norm(across.sum(axis=0)) <= _LEAN * min(spacing):
        return
    # A tilted gantry shifts every slice against the one before; a moved table shifts all slices
    # after it.
    jumps = np.linalg.norm(across, axis=1)
    is_jump = jumps > jumps.max() / 4
    if is_jump.mean() > 0.5:
        heights = positions @ normal
        step = (heights[-1] - heights[0]) / len(across)
        angle = np.degrees(np.arctan2(np.linalg.norm(across.mean(axis=0)), step))
        raise BadCase(
            f"the slices lean by {angle:.1f} degrees (tilted gantry)",
            expected="slices stacked along their normal",
            remedy="resample the series onto a rectangular grid first",
        )
    first = int(np.flatnonzero(is_jump)[0])
    raise BadCase(
        f"the slices are shifted sideways, by {jumps[first]:.2f} mm after slice {first + 1} of "
        f"{len(positions)} (the table moved?)",
        expected="slices stacked along their normal",
        remedy="put the parts into folders of their own",
    )


def _axes(one: Slice) -> np.ndarray:
    """Orthonormal axes (columns: along a row, down a column, normal) of a slice.

    Raises:
        BadCase: the two directions of the tag are not perpendicular unit vectors.
    """
    along, down = np.reshape(one.orientation, (2, 3))
    lengths = np.linalg.norm([along, down], axis=1)
    if np.abs(lengths - 1).max() > 1e-2 or abs(along @ down) > 1e-3:
        raise BadCase(
            "ImageOrientationPatient is not two directions",
            expected="two perpendicular unit vectors",
        )
    along = along / lengths[0]
    down = down - (down @ along) * along
    down = down / np.linalg.norm(down)
    return np.stack([along, down, np.cross(along, down)], axis=1)
