"""Breathing between the phases: a smooth known displacement of everything in the trunk.

Convention: for a point x of the patient as the venous series shows them, x + u(x) is where the same
tissue lies in the arterial series (LPS, mm).
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from remodal.phantom.placement import Placement
from remodal.phantom.shapes import Waves, oval, smooth_step
from remodal.results.files import atomic_path

_STEP = 6.0
"""Spacing of the grid that a displacement is kept on, mm; it varies over ten times this length."""


@dataclass(frozen=True)
class Displacement:
    """Displacement vectors on a coarse grid, linear between its points.

    Attributes:
        x, y, z: grid axes in scanner coordinates, mm, evenly spaced.
        vectors: (3, z, y, x) float32; x, y and z components in mm.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    vectors: np.ndarray

    def on(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Vectors (3, z, y, x) on the finer grid of three axes, mm."""
        along = [_weights(fine, axis) for fine, axis in ((z, self.z), (y, self.y), (x, self.x))]
        vectors = np.tensordot(self.vectors, along[0], (1, 1))
        vectors = np.tensordot(vectors, along[1], (1, 1))
        return np.tensordot(vectors, along[2], (1, 1)).astype(np.float32)

    def inverse(self) -> "Displacement":
        """The inverse v, with y + v(y) = x where y = x + u(x), by fixed-point iteration.

        It is exact at the grid's points and within about 0.2 mm between them, since both
        displacements are linear there.
        """
        axes = (self.z, self.y, self.x)
        start = np.meshgrid(
            *(np.arange(len(axis), dtype=np.float32) for axis in axes), indexing="ij"
        )
        steps = [float(axis[1] - axis[0]) for axis in axes]
        back = -self.vectors
        # Neighbours move alike (|grad u| < 0.6 at most), so the error ends up below 0.01 mm.
        for _ in range(12):
            index = [place + back[2 - i] / steps[i] for i, place in enumerate(start)]
            back = -linear_sample(self.vectors, *index)
        return Displacement(self.x, self.y, self.z, back)


def _weights(fine: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Matrix (fine, axis) of linear interpolation; constant beyond the ends."""
    step = axis[1] - axis[0]
    place = np.clip((np.asarray(fine) - axis[0]) / step, 0, len(axis) - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(len(axis)))).astype(np.float32)


def linear_sample(image: np.ndarray, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Trilinear interpolation at voxel positions; constant beyond the image's edge.

    Args:
        image: (..., z, y, x).
        z: positions along the axis z in voxels; z, y and x broadcast to one shape.
        y: the same along y.
        x: the same along x.

    Returns:
        (..., *shape) float32.
    """
    low, rest = [], []
    for place, length in zip((z, y, x), image.shape[-3:]):
        place = np.clip(place, 0, length - 1)
        first = np.minimum(place.astype(np.int32), max(length - 2, 0))
        low.append(first)
        rest.append((place - first).astype(np.float32))
    depth, height, width = image.shape[-3:]
    flat = image.reshape(*image.shape[:-3], -1)
    base = (low[0] * height + low[1]) * width + low[2]
    # The next voxel along each axis; an axis of one voxel has none.
    down, below, right = (
        step * (n > 1) for step, n in ((height * width, depth), (width, height), (1, width))
    )

    def along_x(start: np.ndarray) -> np.ndarray:
        value = flat[..., start]
        return value + rest[2] * (flat[..., start + right] - value)

    def along_y(start: np.ndarray) -> np.ndarray:
        value = along_x(start)
        return value + rest[1] * (along_x(start + below) - value)

    value = along_y(base)
    return value + rest[0] * (along_y(base + down) - value)


@dataclass(frozen=True)
class TrunkFrame:
    """Where the trunk is: what breathing moves, and the spine, which it does not move.

    Attributes:
        centre: middle of the cavity, x and y, mm.
        half_width, half_depth: of the cavity, mm.
        spine: middle of a vertebral body, x and y, mm.
        dome: height of the top of the liver, mm.
    """

    centre: tuple[float, float]
    half_width: float
    half_depth: float
    spine: tuple[float, float]
    dome: float


def draw_breathing(
    frame: TrunkFrame,
    axes: tuple[np.ndarray, np.ndarray, np.ndarray],
    liver: np.ndarray,
    shift: float,
    rng: np.random.Generator,
) -> Displacement:
    """Draw u: the liver moves by `shift` along z on average, and forward on its way down.

    The motion fades towards the spine, the body wall, the tops of the lungs and the pelvis. A small
    wave makes it uneven, and the whole patient is shifted by up to 2 mm.

    Args:
        frame: where the trunk is.
        axes: voxel centres of `liver` along x, y, z, mm; the field covers them.
        liver: share of each voxel that is liver (z, y, x).
        shift: mean head-foot motion of the liver in mm, positive to the head.
        rng: draws the rest.
    """
    x, y, z = (np.arange(axis[0] - _STEP, axis[-1] + 2 * _STEP, _STEP) for axis in axes)
    weight = _mobility(frame, x, y, z)
    nearest = [
        np.clip(np.rint((coarse - axis[0]) / (axis[1] - axis[0])).astype(int), 0, len(axis) - 1)
        for coarse, axis in zip((z, y, x), axes[::-1])
    ]
    moved = np.average(weight, weights=liver[np.ix_(*nearest)])
    weight = weight * (shift / moved)
    uneven = [0.12 * Waves.drawn(rng, 90, 170).on(x, y, z) for _ in range(3)]
    forward = rng.uniform(0.1, 0.3)
    sideways = rng.uniform(-0.1, 0.1)
    vectors = np.stack(
        [
            weight * (sideways + uneven[0]),
            weight * (forward + uneven[1]),
            weight * (1 + uneven[2]),
        ]
    )
    vectors += rng.uniform(-2, 2, 3).reshape(3, 1, 1, 1)
    return Displacement(x, y, z, vectors.astype(np.float32))


def _mobility(frame: TrunkFrame, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """How much each point takes part in breathing, from 0 to 1; (z, y, x)."""
    across, through, along = x[None, None, :], y[None, :, None], z[:, None, None]
    cx, cy = frame.centre
    depth = -oval(across - cx, through - cy, frame.half_width, frame.half_depth)
    wall = smooth_step(depth, -30, 35)
    spine = np.hypot(across - frame.spine[0], through - frame.spine[1])
    hold = smooth_step(spine, 12, 80)
    above = 1 - 0.85 * smooth_step(along - frame.dome, 0, 140)
    below = 1 - 0.75 * smooth_step(frame.dome - along, 120, 320)
    return wall * hold * above * below


def write_displacement(path: Path, displacement: Displacement, placement: Placement) -> None:
    """Write a displacement as a vector image (MetaImage, .mha) that ITK can use as a transform.

    It is written in the scanner's coordinates.
    `sitk.DisplacementFieldTransform(sitk.ReadImage(path, sitk.sitkVectorFloat64))` maps a point of
    the venous series to the same tissue in the arterial series.
    """
    axes = displacement.x, displacement.y, displacement.z
    vectors = placement.points(np.moveaxis(displacement.vectors, 0, -1))
    voxels = zlib.compress(vectors.astype("<f4").tobytes(), 6)

    def listed(values: Iterable[float]) -> str:
        return " ".join(f"{value:.9g}" for value in values)

    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "True",
        "CompressedDataSize": str(len(voxels)),
        # The axes one after the other, that is, the columns of a direction matrix.
        "TransformMatrix": listed(placement.turn.T.ravel()),
        "Offset": listed(placement.points([axis[0] for axis in axes])),
        "ElementSpacing": listed(axis[1] - axis[0] for axis in axes),
        "DimSize": listed(len(axis) for axis in axes),
        "ElementNumberOfChannels": "3",
        "ElementType": "MET_FLOAT",
        "ElementDataFile": "LOCAL",
    }
    lines = "".join(f"{key} = {value}\n" for key, value in header.items())
    with atomic_path(path) as temporary:
        temporary.write_bytes(lines.encode() + voxels)
