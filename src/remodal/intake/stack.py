"""Stack slices into a volume: order and grid come from geometry, never from names or numbers."""

from dataclasses import dataclass, replace

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.slice_places import SlicePlaces
from remodal.intake.slices import Slice
from remodal.intake.steps import SAME_STEP, finest_run

_GREY = ("", "MONOCHROME1", "MONOCHROME2")  # not PALETTE COLOR, whose values stand for colours
_SAME_PLACE = 0.01  # mm: closer slices are the same place
_STEEPEST = 45  # degrees
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


def same_place_numbers(slices: list[Slice]) -> list[int]:
    """For each of some parallel slices the number of its place; several may share one."""
    ordered, heights = sort_slices(slices)
    numbers = np.concatenate([[0], np.cumsum(np.diff(heights) >= _SAME_PLACE)]).tolist()
    of_slice = {id(one): number for one, number in zip(ordered, numbers)}
    return [of_slice[id(one)] for one in slices]


@dataclass(frozen=True)
class Layout:
    """Where the volume of sorted slices lies.

    Attributes:
        geometry: the volume's grid.
        places: where the slices lie that must be resampled onto it; None: they lie on it.
        notes: what is said of it in the record.
    """

    geometry: Geometry
    places: SlicePlaces | None
    notes: list[str]


def layout_of(slices: list[Slice]) -> Layout:
    """Lay out sorted slices, each at a place of its own.

    Slices of a tilted gantry, and slices whose distance changes along the series, get a regular
    grid (see slice_places).

    Raises:
        BadCase: gaps, steps that make no sense, slices that are shifted sideways or lean too far.
    """
    axes = _axes(slices[0])
    positions = np.array([one.position for one in slices])
    local = (positions - positions[0]) @ axes
    run = finest_run(local[:, 2], [one.instance for one in slices])
    row_spacing, column_spacing = slices[0].spacing
    size = max(slices[0].rows * row_spacing, slices[0].columns * column_spacing)
    angle = _lean_of(local, min(slices[0].spacing), size)
    heights = local[:, 2] if run else np.linspace(0, local[-1, 2], len(slices))
    shifts = np.outer(heights / local[-1, 2], local[-1, :2])
    anchor, step = run or (0, float(heights[1]))
    notes = _unevenness(local - np.column_stack([shifts, heights]), step)
    grid = Geometry(
        shape=(len(slices), slices[0].rows, slices[0].columns),
        spacing=(column_spacing, row_spacing, step),
        origin=tuple(positions[0].tolist()),
        direction=tuple(axes.ravel().tolist()),
    )
    if not run and not angle:
        return Layout(grid, None, notes)
    first = replace(grid, shape=(1, *grid.shape[1:]))
    shifts = shifts if angle else np.zeros_like(shifts)
    places = SlicePlaces(first, tuple(heights), tuple(map(tuple, shifts.tolist())), anchor)
    return Layout(places.regular, places, [*_resampling(places, angle), *notes])


def _unevenness(off: np.ndarray, step: float) -> list[str]:
    """A note if slices lie off the places that they should have (mm) by more than rounding.

    Raises:
        BadCase: they lie too far off.
    """
    uneven = float(np.abs(off).max())
    if uneven > SAME_STEP * step:
        raise BadCase(
            f"slices lie up to {uneven:.2f} mm beside a straight, even stack",
            expected=f"at most {SAME_STEP:.0%} of the step of {step:.3g} mm",
        )
    notable = uneven > _NOTABLE * step
    return [f"slices lie up to {uneven:.3f} mm off an even grid"] if notable else []


def _resampling(places: SlicePlaces, angle: float) -> list[str]:
    steps = np.diff(places.heights)
    tilted = f"the slices lean by {angle:.1f} degrees (tilted gantry)"
    uneven = f"the step between slices changes, from {steps.min():.3g} to {steps.max():.3g} mm"
    why = [*([tilted] if angle else []), *([uneven] if np.ptp(steps) > _NOTABLE else [])]
    sizes = [" x ".join(map(str, one.shape[::-1])) for one in (places.straight, places.regular)]
    return [
        f"{' and '.join(why)}: resampled from {sizes[0]} voxels onto a regular grid of {sizes[1]}, "
        f"{places.first.spacing[2]:.3g} mm between slices"
    ]


def _lean_of(local: np.ndarray, pixel: float, size: float) -> float:
    """By how many degrees slices lean; 0 if the last one lies on the normal of the first.

    Args:
        local: the slices' places along rows, columns and normal of the first (mm).
        pixel: the smaller side of a pixel (mm).
        size: the longer side of a slice (mm), by which a volume may grow at most.

    Raises:
        BadCase: some slices are shifted sideways, or all lean too far.
    """
    across = np.diff(local[:, :2], axis=0)
    if np.linalg.norm(local[-1, :2]) <= _LEAN * pixel:
        return 0.0
    # A tilted gantry shifts every slice against the one before; a moved table shifts all slices
    # after it.
    jumps = np.linalg.norm(across, axis=1)
    is_jump = jumps > jumps.max() / 4
    if is_jump.mean() <= 0.5:
        first = int(np.flatnonzero(is_jump)[0])
        raise BadCase(
            f"the slices are shifted sideways, by {jumps[first]:.2f} mm after slice {first + 1} of "
            f"{len(local)} (the table moved?)",
            expected="slices stacked along their normal",
            remedy="put the parts into folders of their own",
        )
    lean = float(np.linalg.norm(local[-1, :2]))
    angle = float(np.degrees(np.arctan2(lean, local[-1, 2])))
    if angle > _STEEPEST or lean > size:
        raise BadCase(
            f"the slices lean by {angle:.1f} degrees, {lean:.0f} mm in all",
            expected=f"a gantry that is tilted by {_STEEPEST} degrees and {size:.0f} mm at most",
            remedy="look at the positions of the slices, or resample the series",
        )
    return angle


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
