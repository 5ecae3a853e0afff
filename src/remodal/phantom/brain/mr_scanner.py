"""The MR scanner: slices of a sequence's own thickness, bias field, noise, and skull-stripping.

As BraTS' images were made: each sequence was acquired with thick slices, then resampled to the
grid that all of them share, with everything outside the brain set to zero.
"""

from dataclasses import dataclass

import numpy as np

from remodal.phantom.brain.cortex import Axes
from remodal.phantom.shapes import Array, Waves


@dataclass(frozen=True)
class Acquisition:
    """How one sequence is acquired.

    Attributes:
        thickness: of its slices, mm.
        noise: standard deviation in each of the two channels, with white matter in T1 as 1.
        bias: how much brighter or darker the coil makes a place (standard deviation, relative).
        coil: how that varies.
        gain: what the scanner calls white matter in T1.
    """

    thickness: float
    noise: float
    bias: float
    coil: Waves
    gain: float


def draw_acquisition(
    thickness: tuple[float, float],
    noise: tuple[float, float],
    bias: tuple[float, float],
    rng: np.random.Generator,
) -> Acquisition:
    """Draw a sequence's acquisition; each range holds the least and the most."""
    return Acquisition(
        thickness=float(rng.uniform(*thickness)),
        noise=float(rng.uniform(*noise)),
        bias=float(rng.uniform(*bias)),
        coil=Waves.drawn(rng, 220, 420),
        gain=float(np.exp(rng.uniform(np.log(200), np.log(1200)))),
    )


def acquire(
    signal: Array, inside: Array, axes: Axes, acquisition: Acquisition, rng: np.random.Generator
) -> Array:
    """The image of a sequence as it is distributed.

    Args:
        signal: brightness of the patient on the grid (z, y, x).
        inside: which voxels skull-stripping leaves.
        axes: x, y and z of the grid (1-D, mm).
        acquisition: how it is acquired.
        rng: draws the noise.

    Returns:
        int16 (z, y, x); zero outside the brain, and at least 1 inside.
    """
    bright = signal * np.exp(np.float32(acquisition.bias) * acquisition.coil.on(*axes))
    into, back = _slices(axes[2], acquisition.thickness)
    sliced = np.tensordot(into, bright, 1)
    sliced = np.tensordot(back, _rician(sliced, acquisition.noise, rng), 1)
    image = np.rint(np.maximum(acquisition.gain * sliced, 1)).astype(np.int16)
    image[~inside] = 0
    return image


def _rician(signal: Array, noise: float, rng: np.random.Generator) -> Array:
    """Magnitude of a signal with Gaussian noise in both channels."""
    real, imaginary = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(noise)
    return np.hypot(signal + real, imaginary)


def _slices(heights: Array, thickness: float) -> tuple[Array, Array]:
    """Matrices (slice, height) that average over slices, and (height, slice) of the way back."""
    step = float(heights[1] - heights[0])
    thickness = max(thickness, step)
    count = int(np.ceil((heights[-1] - heights[0] + step) / thickness))
    middles = (heights[0] + heights[-1]) / 2 + thickness * (np.arange(count) - (count - 1) / 2)
    # How much of each height lies in each slice.
    lower = np.maximum(heights[None] - step / 2, middles[:, None] - thickness / 2)
    upper = np.minimum(heights[None] + step / 2, middles[:, None] + thickness / 2)
    into = np.maximum(upper - lower, 0)
    into /= into.sum(axis=1, keepdims=True)
    place = np.clip((heights - middles[0]) / thickness, 0, count - 1)
    back = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(count)))
    return into.astype(np.float32), back.astype(np.float32)
