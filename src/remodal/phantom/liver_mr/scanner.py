"""The MR scanner: where the slices lie, and what they look like."""

from dataclasses import dataclass

import numpy as np

from remodal.geometry.components import largest_component
from remodal.geometry.volume import Geometry
from remodal.intake.datasets.t1t2_phantom import LESION, LIVER
from remodal.phantom.breathing import linear_sample
from remodal.phantom.canvas import Canvas
from remodal.phantom.liver_mr.pose import Pose
from remodal.phantom.placement import Placement
from remodal.phantom.scanner import axes_of, axial_grid
from remodal.phantom.shapes import Array, Waves, smooth_step

Rng = np.random.Generator
#: What is scanned above and below the liver, least and most, mm.
_MARGIN = (8.0, 26.0)
#: How far the slices' middle is from the body's (standard deviation), mm.
_OFF_CENTRE = 4.0


@dataclass(frozen=True)
class Slices:
    """A stack of slices.

    Attributes:
        grid: along its own axes.
        placement: the turn from these to the scanner's.
        thickness: of a slice, mm; without the gap to the next.
    """

    grid: Geometry
    placement: Placement
    thickness: float


def plan_slices(
    canvas: Canvas,
    pose: Pose,
    field_of_view: float,
    size: tuple[int, int],
    tilt: tuple[float, float, float],
    gap: float,
    rng: Rng,
) -> Slices:
    """Plan slices that hold the liver where it is now.

    Args:
        canvas: the patient.
        pose: where the patient lies.
        field_of_view: in-plane width, mm.
        size: matrix, and number of slices, about.
        tilt: of the slices, degrees about x, y and z.
        gap: between slices, as a share of their distance.
        rng: draws the rest.
    """
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_euler("xyz", tilt, degrees=True).as_matrix()
    points = np.argwhere(canvas.liver > 0.5)
    points = np.stack(
        [axis[points[:, 2 - i]] for i, axis in enumerate((canvas.x, canvas.y, canvas.z))]
    )
    # Where it will be: the inverse of what `pose` says, by one step of a fixed point.
    there = points + pose.table[:, None]
    there = there + (points - pose.painted(there))
    heights = (turn.T @ there)[2]
    low, high = heights.min() - rng.uniform(*_MARGIN), heights.max() + rng.uniform(*_MARGIN)
    middle = [(axis[0] + axis[-1]) / 2 for axis in (canvas.x, canvas.y)]
    middle = np.array([*middle, float(there[2].mean())]) + pose.table * (1, 1, 0)
    middle = turn.T @ (middle + rng.normal(0, (_OFF_CENTRE, _OFF_CENTRE, 0)))
    matrix, count = size
    count = round(count * rng.uniform(0.92, 1.08))
    step = round((high - low) / (count - 1), 3)
    grid = axial_grid(matrix, field_of_view, tuple(middle[:2]), round(low, 3), count, step)
    return Slices(grid, Placement(turn), (1 - gap) * step)


def sampled(
    images: Array, canvas: Canvas, slices: Slices, pose: Pose, stray: Array | None = None
) -> Array:
    """What slices show of images on a canvas, averaged over each voxel.

    Args:
        images: (image, z, y, x) on the canvas.
        canvas: says where they lie.
        slices: to be filled.
        pose: where the patient lies.
        stray: vectors (3, z, y, x) that are added to the place of each voxel, mm.

    Returns:
        float32 (image, z, y, x).
    """
    grid = slices.grid
    starts, fine = zip(*((axis[0], axis[1] - axis[0]) for axis in (canvas.x, canvas.y, canvas.z)))
    x, y, z = axes_of(grid)
    across, through = (
        _parts(axis, step, step / size) for axis, step, size in zip((x, y), grid.spacing, fine)
    )
    depths = _parts(np.zeros(1), slices.thickness, slices.thickness / fine[2]).ravel()
    ends = _extent(images, canvas)
    margin = max(*grid.spacing, slices.thickness) + (0 if stray is None else np.abs(stray).max())
    result = np.zeros((len(images), *grid.shape), np.float32)
    for k, height in enumerate(z):
        where = pose.painted(_places(slices, x, y, height))
        there = ((where > ends[0] - margin) & (where < ends[1] + margin)).all(axis=0)
        if not there.any():
            continue
        rows, columns = (_span(there.any(axis=axis)) for axis in (1, 0))
        shape = len(images), *through[rows].shape, *across[columns].shape
        total = np.zeros((shape[0], shape[1], shape[3]), np.float32)
        for depth in depths:
            places = _places(slices, across[columns], through[rows], height + depth)
            if stray is not None:
                near = stray[:, k, rows, columns]
                places = places + near.repeat(shape[2], 1).repeat(shape[4], 2)
            places = pose.painted(places)
            index = [(places[i] - starts[i]) / fine[i] for i in (2, 1, 0)]
            total += linear_sample(images, *index).reshape(shape).mean(axis=(2, 4))
        result[:, k, rows, columns] = total / len(depths)
    return result


def _places(slices: Slices, x: Array, y: Array, height: float) -> Array:
    """Scanner coordinates (3, y, x) of places in a slice, given along its own axes; float32."""
    own = np.broadcast_arrays(x.ravel()[None], y.ravel()[:, None], height)
    return np.tensordot(slices.placement.turn, np.stack(own), 1).astype(np.float32)


def _extent(images: Array, canvas: Canvas) -> Array:
    """Least and greatest x, y, z (2, 3, 1, 1) between which images are not zero, mm."""
    there = np.any(images, axis=0)
    sides = [_span(there.any(axis=other)) for other in ((0, 1), (0, 2), (1, 2))]
    axes = canvas.x, canvas.y, canvas.z
    ends = [
        [axis[side][end] + sign * (axis[1] - axis[0]) for axis, side in zip(axes, sides)]
        for end, sign in ((0, -1), (-1, 1))
    ]
    return np.array(ends).reshape(2, 3, 1, 1)


def _span(there: Array) -> slice:
    """From the first to the last that is true, of which there are some."""
    found = np.flatnonzero(there)
    return slice(int(found[0]), int(found[-1]) + 1)


def _parts(axis: Array, step: float, wanted: float) -> Array:
    """Places (voxel, part) within each voxel of an axis."""
    count = max(1, round(wanted))
    return axis[:, None] + step * ((np.arange(count) + 0.5) / count - 0.5)


@dataclass(frozen=True)
class Acquisition:
    """How an image is acquired.

    Attributes:
        liver: brightness of the patient's liver, which becomes `gain`.
        gain: what the scanner calls that.
        noise: standard deviation in each of the two channels, relative to the liver.
        bias: how much brighter or darker the coil makes a place (standard deviation, relative).
        ghosting: strength of the ghosts of what moves, relative; 0: none.
        period: distance of the ghosts, as a share of the field of view.
    """

    liver: float
    gain: float
    noise: float
    bias: float
    ghosting: float = 0.0
    period: float = 0.2


def acquired(signal: Array, slices: Slices, acquisition: Acquisition, rng: Rng) -> Array:
    """The image of a contrast, int16 (z, y, x).

    Args:
        signal: what the slices show (z, y, x).
        slices: the grid.
        acquisition: how it is acquired.
        rng: draws coil and noise.
    """
    axes = axes_of(slices.grid)
    bright = signal / np.float32(acquisition.liver)
    bright *= np.exp(np.float32(acquisition.bias) * Waves.drawn(rng, 240, 480).on(*axes))
    if acquisition.ghosting:
        bright = _with_ghosts(bright, acquisition, rng)
    noise = np.float32(acquisition.noise)
    real, imaginary = rng.standard_normal((2, *bright.shape), dtype=np.float32) * noise
    image = acquisition.gain * np.hypot(bright + real, imaginary)
    return np.clip(np.rint(image), 0, 32767).astype(np.int16)


def _with_ghosts(bright: Array, acquisition: Acquisition, rng: Rng) -> Array:
    """Add copies of what breathing moves, most of it in front, along the phase-encoding axis y.

    They are weaker the farther they are, come in and out of phase, and wrap around.
    """
    rows = bright.shape[1]
    front = 1 - smooth_step(np.arange(rows, dtype=np.float32) / rows, 0.2, 0.75)
    moving = bright * (0.25 + 0.75 * front)[None, :, None]
    ghosted = bright.copy()
    for order in (1, 2):
        strength = acquisition.ghosting / order * rng.uniform(0.6, 1, len(bright))
        strength = (strength * rng.choice([-1, 1])).astype(np.float32)[:, None, None]
        away = max(1, round(order * acquisition.period * rows))
        ghosted += strength * (np.roll(moving, away, 1) + np.roll(moving, -away, 1))
    return np.abs(ghosted)


def labelled(shares: Array) -> Array:
    """The annotation (uint8, z, y, x) of shares (liver, lesion; z, y, x) of each voxel."""
    liver = largest_component(shares[0] >= 0.5)
    label = np.where(liver, LIVER, 0).astype(np.uint8)
    label[liver & (shares[1] >= 0.5)] = LESION
    return label
