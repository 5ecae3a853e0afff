"""Pictures of one axial slice: grey image, coloured outlines, a yellow arrow, a map."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

#: Colours of the regions, in order; they repeat from the seventh region on.
OUTLINES = {
    "red": "#ff3b30",
    "green": "#34c759",
    "blue": "#0a84ff",
    "orange": "#ff9f0a",
    "violet": "#bf5af2",
    "cyan": "#64d2ff",
}
ARROW = "#ffd60a"
#: On a signed map: where it is zero, and the outlines of the truth.
ZERO, TRUTH = "#101418", "#1fa34a"
_PIXELS = 300
_HU_WINDOW = (-110.0, 190.0)
_HU_AIR = -500.0

Box = tuple[slice, slice]
#: Tail and tip (x, y), in pixels.
Arrow = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One picture for the page: a PNG as a data URI, the column it stands in, and its alt text."""

    source: str
    heading: str
    description: str
    note: str = ""


def read_axial(path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Array (z, y, x) and spacing (z, y, x) in mm, turned so that a slice looks radiological.

    Rows run from anterior to posterior and columns from the patient's right to left, whatever the
    order in which the file stores its axes.
    """
    from remodal.geometry.orientation import Orientation
    from remodal.intake.nifti import read_volume

    volume = read_volume(path)
    orientation = Orientation.of(volume.geometry)
    return orientation.apply(volume.array), orientation.spacing(volume.geometry)


def is_ct(image: np.ndarray) -> bool:
    """Whether an image is in Hounsfield units: only a CT holds air, far below zero."""
    return float(image.min()) < _HU_AIR


def grey_range(image: np.ndarray) -> tuple[float, float]:
    """Intensities shown as black and white.

    A CT gets an abdominal window of 300 HU about 40 HU; any other image its 1st and 99.5th
    percentiles.
    """
    if is_ct(image):
        return _HU_WINDOW
    low, high = np.percentile(image, (1.0, 99.5))
    return float(low), float(high)


def slice_of_most(mask: np.ndarray) -> int:
    """Index of the slice that holds the most voxels of a mask (z, y, x)."""
    return int(mask.sum(axis=(1, 2)).argmax())


def box_around(mask: np.ndarray, spacing: tuple[float, float], least: float = 140.0) -> Box:
    """Square box in millimetres around a mask (y, x), with a margin, clipped to the slice.

    Args:
        mask: what must be inside; if it is empty, the box is the whole slice.
        spacing: pixel size (y, x) in mm.
        least: smallest side in mm.
    """
    if not mask.any():
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    spans = [(p.min(), p.max() + 1) for p in np.nonzero(mask)]
    side = max([least, *(1.15 * (b - a) * s for (a, b), s in zip(spans, spacing, strict=True))])
    box = []
    for (first, last), size, length in zip(spans, spacing, mask.shape, strict=True):
        width = min(round(side / size), length)
        start = min(max(round((first + last - width) / 2), 0), length - width)
        box.append(slice(start, start + width))
    return box[0], box[1]


def arrow_to(mask: np.ndarray, spacing: tuple[float, float]) -> Arrow | None:
    """An arrow to the largest object of a mask (y, x).

    It comes diagonally from the side with the most room; None if the mask is empty.
    """
    from scipy import ndimage

    objects, count = ndimage.label(mask)
    if not count:
        return None
    largest = 1 + int(np.argmax(np.bincount(objects.ravel())[1:]))
    rows, columns = np.nonzero(objects == largest)
    centre = np.array([columns.mean(), rows.mean()])
    size = np.array(mask.shape[::-1], float)
    step = np.where(centre < size / 2, 1.0, -1.0) / np.array(spacing[::-1])
    step *= np.array(spacing[::-1]).max()
    length = 0.20 * size.min() / np.abs(step).max()
    points = np.stack([columns, rows], axis=1) - centre
    reach = max(float((points @ step / (step @ step)).max()), 0.0) + 0.03 * size.min()
    tip = centre + reach * step
    return tuple(tip + length * step), tuple(tip)


def draw(
    image: np.ndarray,
    spacing: tuple[float, float],
    grey: tuple[float, float],
    *,
    outlines: Sequence[np.ndarray] = (),
    arrow: Arrow | None = None,
    heat: np.ndarray | None = None,
    heat_range: tuple[float, float] = (0.0, 1.0),
    signed: bool = False,
) -> str:
    """Draw one slice and return it as a PNG data URI.

    Args:
        image: pixels (y, x).
        spacing: pixel size (y, x) in mm; the picture has the patient's proportions.
        grey: intensities of black and white.
        outlines: masks (y, x) whose edge is drawn, each in a colour of `OUTLINES`.
        arrow: drawn in yellow.
        heat: a map (y, x) shown in place of the image.
        heat_range: its values at the ends of the colour scale.
        signed: whether its zero matters: it is white and a black line, red is below and blue above;
            outlines are green.
    """
    height, width = image.shape[0] * spacing[0], image.shape[1] * spacing[1]
    scale = _PIXELS / 100 / max(height, width)
    figure = Figure(figsize=(width * scale, height * scale), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    if heat is None:
        axes.imshow(image, cmap="gray", vmin=grey[0], vmax=grey[1], interpolation="bilinear")
    else:
        colours = "RdBu" if signed else "inferno"
        axes.imshow(heat, cmap=colours, vmin=heat_range[0], vmax=heat_range[1])
    for mask, colour in zip(outlines, cycle([TRUTH] if signed else OUTLINES.values())):
        if mask.any():
            axes.contour(mask.astype(float), [0.5], colors=colour, linewidths=1.6)
    if signed and heat is not None and heat.min() < 0 < heat.max():
        axes.contour(heat, [0.0], colors=ZERO, linewidths=1.6)
    if arrow is not None:
        tail, tip = arrow
        style = {"arrowstyle": "-|>", "color": ARROW, "linewidth": 2.0, "mutation_scale": 13}
        axes.annotate("", xy=tip, xytext=tail, arrowprops=style | {"shrinkA": 0, "shrinkB": 0})
    axes.set_aspect("auto")
    axes.set_xlim(-0.5, image.shape[1] - 0.5)
    axes.set_ylim(image.shape[0] - 0.5, -0.5)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return png_uri(buffer.getvalue())


def png_uri(content: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
