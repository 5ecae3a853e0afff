"""The quality picture: both images in a checkerboard, before and after, in three planes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from remodal.geometry.orientation import Orientation
from remodal.geometry.volume import Geometry, Volume
from remodal.registration.transforms import warp_image
from remodal.results.files import atomic_path

_TILE_MM = 40.0
_WIDTH, _GAP, _HEADER = 1100, 8, 30
_OUTLINE, _BACKGROUND, _TEXT = (255, 214, 10), (14, 14, 16), (235, 235, 235)
# What is at the left edge of each view: the patient's right, or the front.
_LEFT_SIDES = ("R", "R", "A")
_CT_WINDOW, _CT_AIR = (-110.0, 240.0), -500.0

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Pair:
    """A moving modality before registration and on the fixed grid."""

    modality: str
    before: Volume
    after: Volume


def draw_pairs(
    path: Path,
    fixed_name: str,
    fixed: Volume,
    label: np.ndarray,
    pairs: Sequence[Pair],
    body_threshold: float | None,
) -> None:
    """Write a PNG with a row before and a row after registration for each moving modality.

    Tiles come alternately from the fixed and the moving image, shown as a radiologist sees them
    (the patient's right on the left, head up). The line is the label's outline on the fixed grid:
    where an organ leaves it, or breaks at a tile's edge, the images do not agree. The planes go
    through the label's largest sections or, without a label, through the middle of the body. A CT
    is shown in an abdominal window, any other image in a window of its own.

    Args:
        path: picture to write.
        fixed_name: name of the fixed modality.
        fixed: fixed image.
        label: label on the fixed grid, (z, y, x), whose non-zero values are outlined as one.
        pairs: moving images.
        body_threshold: intensity above which a voxel is body; the picture is cropped to the body.
    """
    rows = [(fixed_name, fixed)] if not pairs else []
    for pair in pairs:
        rows.append((f"{fixed_name} and {pair.modality} before registration", pair.before))
        rows.append((f"{fixed_name} and {pair.modality} after registration", pair.after))
    box = _body_box(fixed.array, body_threshold)
    orientation = Orientation.of(fixed.geometry)
    height, depth, width = (
        (box[axis].stop - box[axis].start) * step
        for axis, step in zip(orientation.axes, orientation.spacing(fixed.geometry))
    )
    scale = (_WIDTH - 4 * _GAP) / (2 * width + depth)
    band = _HEADER + round(max(height, depth) * scale) + _GAP
    sheet = Image.new("RGB", (_WIDTH, band * len(rows)), _BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for row, (title, moving) in enumerate(rows):
        left = _GAP
        pen.text((left, row * band + 7), title, _TEXT, font)
        for view in range(3):
            panel = _panel(fixed, moving, label, view, box, scale)
            sheet.paste(panel, (left, row * band + _HEADER))
            side = (left + 6, row * band + _HEADER + panel.height // 2)
            pen.text(side, _LEFT_SIDES[view], _TEXT, font)
            left += panel.width + _GAP
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")


def _panel(
    fixed: Volume, moving: Volume, label: np.ndarray, view: int, box: Box, scale: float
) -> Image.Image:
    """One plane: a checkerboard of the two images with the label's outline; `scale` in px / mm."""
    orientation = Orientation.of(fixed.geometry)
    # View 0 looks along the patient's head-foot axis, 1 along the front-back, 2 along the left.
    axis = orientation.axes[view]
    index = _largest_section(label, axis, box[axis])
    part: Box = tuple(slice(index, index + 1) if a == axis else box[a] for a in range(3))
    images = fixed.array[part], _on_part(moving, fixed.geometry, part)
    spacing = np.delete(orientation.spacing(fixed.geometry), view)
    flat = [
        _flat(_grey(image, of.array), orientation, view)
        for image, of in zip(images, (fixed, moving))
    ]
    size = tuple(max(1, round(n * step * scale)) for n, step in zip(flat[0].shape, spacing))[::-1]
    first, second = (_enlarged(image, size) for image in flat)
    tile = _TILE_MM * scale
    y, x = np.mgrid[: size[1], : size[0]]
    board = np.where((y // tile + x // tile) % 2 == 0, first, second)
    colours = np.repeat(board[:, :, None], 3, axis=2)
    mask = _flat((label[part] > 0) * np.uint8(255), orientation, view)
    colours[_edge(_enlarged(mask, size) > 127)] = _OUTLINE
    return Image.fromarray(colours)


def _flat(array: np.ndarray, orientation: Orientation, view: int) -> np.ndarray:
    """A one-voxel-thick part as a viewer sees it: head or front up, the patient's right left."""
    flat = np.squeeze(orientation.apply(array), view)
    return flat if view == 0 else flat[::-1]


def _body_box(array: np.ndarray, threshold: float | None) -> Box:
    body = np.ones(array.shape, bool) if threshold is None else array > threshold
    spans = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(body.any(axis=others))
        spans.append(
            slice(places[0], places[-1] + 1) if places.size else slice(0, array.shape[axis])
        )
    return tuple(spans)


def _largest_section(label: np.ndarray, axis: int, within: slice) -> int:
    """Index along an axis where the label is largest; the middle of the body without a label."""
    others = tuple(other for other in range(3) if other != axis)
    areas = np.count_nonzero(label, axis=others)[within]
    return within.start + int(np.argmax(areas) if areas.any() else len(areas) // 2)


def _on_part(volume: Volume, grid: Geometry, part: Box) -> np.ndarray:
    """The volume on a part of the fixed grid, untransformed; black where the volume ends."""
    first = [span.start for span in part[::-1]]
    origin = tuple(grid.affine[:3, :3] @ first + grid.origin)
    shape = tuple(span.stop - span.start for span in part)
    return warp_image(
        volume,
        Geometry(shape, grid.spacing, origin, grid.direction),
        [],
        float(volume.array.min()),
        order=1,
    ).array


def _grey(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Grey values of a part of an image, in the window that suits the whole image."""
    is_ct = whole.min() < _CT_AIR
    low, high = _CT_WINDOW if is_ct else np.percentile(whole[::2, ::2, ::2], (1.0, 99.5))
    share = (part.astype(np.float32) - low) / max(high - low, 1e-6)
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)


def _enlarged(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(array))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _edge(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask with a neighbour outside it."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner
