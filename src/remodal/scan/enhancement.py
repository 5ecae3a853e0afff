"""What the contrast in an abdominal CT says about its phase, without a segmentation model.

Three numbers are measured in a few axial slices. The aorta is the brightest even disc of its size
in front of the spine that is darker nearly all around, which vertebrae are not: in the arterial
phase it is far brighter than the liver, in the venous phase somewhat brighter, in a plain scan not.
The liver is the largest even region of soft tissue on the patient's right. The portal vein, with
its branches, is what is brightest in the liver and its hilum: it speaks where the other two are not
clear, as in a fatty liver. The contrast agent reaches it a while after the aorta.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from remodal.errors import BadCase
from remodal.geometry.orientation import Orientation
from remodal.scan.grouping import Volume
from remodal.scan.pixels import read_planes

_PLANES = 24
_PIXEL = 2.5  # mm, about: slices are averaged to it
_COARSEST = 4.0  # mm: the aorta would be a few pixels only

_BODY, _BONE = -250, 250  # HU
_DIMMEST = 20.0  # HU
_AORTA_RADIUS, _RAY, _RAYS = 6.0, (9.0, 12.0, 15.0, 18.0, 21.0), 16  # mm, mm, count
#: Share of the rays that end in something darker, at least, and that cross something brighter, at
#: most (the spine behind the aorta; a vertebra is bright all around its marrow); by how many HU.
_DARKER, _BRIGHTER, _DARKER_BY, _BRIGHTER_BY = 0.6, 0.4, 15, 40
_BEFORE_SPINE, _RIGHT_OF_SPINE, _LEFT_OF_SPINE = (-10.0, 70.0), 25.0, 40.0  # mm
_LIVER = (20.0, 180.0)  # HU
_LIVER_RADIUS, _LIVER_LEAST = 10.0, 2000.0  # mm, mm2
_UNEVEN = 30.0  # HU: standard deviation in a disc
_VEIN_RADIUS, _HILUM = 3.5, 15.0  # mm: of a vessel; how deep the hilum cuts into the liver
_BRIGHTEST = 98  # percentile of the pixels of a slice
_SLICES_WITH_VEIN = 75  # percentile of the slices: the vein does not run through all of them

#: HU that tell the phases apart.
_ARTERIAL_OVER_LIVER, _VENOUS_OVER_LIVER, _PLAIN_AORTA = 110, 90, 85
_ARTERIAL_LIVER, _VENOUS_LIVER = 95, 75  # at most, at least
#: The portal vein as a share of the aorta: at most, at least; and over the liver, in HU.
_ARTERIAL_PORTAL, _VENOUS_PORTAL, _PORTAL_OVER_LIVER = 0.5, 0.7, 20


@dataclass(frozen=True)
class Enhancement:
    """Mean HU of aorta, liver and portal vein; None where none was found."""

    aorta: float | None
    liver: float | None
    portal: float | None = None


def phase_of(found: Enhancement) -> tuple[str, str]:
    """Phase that the enhancement speaks for, and the reason; empty if it is not clear."""
    aorta, liver = found.aorta, found.liver
    if aorta is None or liver is None:
        return "", ""
    text = f"aorta {aorta:.0f} HU, liver {liver:.0f} HU"
    if aorta < _PLAIN_AORTA:
        return "plain", text
    if aorta - liver > _ARTERIAL_OVER_LIVER and liver < _ARTERIAL_LIVER:
        return "arterial", text
    if aorta - liver < _VENOUS_OVER_LIVER and liver > _VENOUS_LIVER:
        return "venous", text
    if found.portal is None:
        return "", ""
    text += f", portal vein {found.portal:.0f} HU"
    if found.portal < _ARTERIAL_PORTAL * aorta:
        return "arterial", text
    if found.portal > max(_VENOUS_PORTAL * aorta, liver + _PORTAL_OVER_LIVER):
        return "venous", text
    return "", ""


def measure(volume: Volume) -> Enhancement:
    """Measure aorta, liver and portal vein in a CT.

    Returns:
        None for what is not found: another part of the body, pixels that cannot be read or are
        too coarse, values that are no HU.
    """
    if volume.geometry is None or volume.get("Modality") != "CT":
        return Enhancement(None, None)
    try:
        planes, pixel = _axial_planes(volume)
    except BadCase:
        return Enhancement(None, None)
    if max(pixel) > _COARSEST:
        return Enhancement(None, None)
    spine = _spine(planes, pixel)
    if spine is None:
        return Enhancement(None, None)
    livers = [found for plane in planes if (found := _liver(plane, pixel, spine)) is not None]
    return Enhancement(
        _aorta(planes, pixel, spine),
        _typical([liver for liver, _ in livers]),
        _typical([portal for _, portal in livers], _SLICES_WITH_VEIN),
    )


def _typical(values: list[float], percentile: float = 50) -> float | None:
    """Median, or another percentile, of what was found in at least three slices."""
    return float(np.percentile(values, percentile)) if len(values) >= 3 else None


def _axial_planes(volume: Volume) -> tuple[np.ndarray, tuple[float, float]]:
    """Some axial planes, rows from front to back, columns from right to left; their pixel, mm."""
    geometry = volume.geometry
    orientation = Orientation.of(geometry)
    count = len(volume.instances)
    stacked = orientation.axes[0] == 0
    chosen = np.linspace(0, count - 1, min(count, _PLANES)).astype(int) if stacked else range(count)
    array = orientation.apply(read_planes(volume, list(chosen)))
    if not stacked:
        array = array[np.linspace(0, len(array) - 1, min(len(array), _PLANES)).astype(int)]
    pixel = orientation.spacing(geometry)[1:]
    by = [max(1, round(_PIXEL / one)) for one in pixel]
    rows, columns = (size // step * step for size, step in zip(array.shape[1:], by))
    blocks = array[:, :rows, :columns].reshape(
        len(array), rows // by[0], by[0], columns // by[1], by[1]
    )
    return blocks.mean(axis=(2, 4)), tuple(one * step for one, step in zip(pixel, by))


def _disc(radius: float, pixel: tuple[float, float]) -> np.ndarray:
    """Weights of a disc, which add up to 1."""
    reach = [int(np.ceil(radius / one)) for one in pixel]
    y, x = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    inside = (y * pixel[0]) ** 2 + (x * pixel[1]) ** 2 <= radius**2
    return inside / inside.sum()


def _mean_and_deviation(plane: np.ndarray, disc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = ndimage.correlate(plane, disc, mode="nearest")
    square = ndimage.correlate(plane**2, disc, mode="nearest")
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _spine(planes: np.ndarray, pixel: tuple[float, float]) -> tuple[int, int] | None:
    """Row and column of the spine: where most bone lies above one another, at the back."""
    body = ndimage.binary_opening((planes > _BODY).any(axis=0), iterations=2)
    rows, columns = np.nonzero(body)
    if len(rows) == 0:
        return None
    bone = (planes > _BONE).mean(axis=0)
    smooth = ndimage.correlate(bone, _disc(18.0, pixel), mode="constant")
    middle = (rows.min() + rows.max()) // 2
    smooth[:middle] = 0
    half = 50 / pixel[1]
    centre = columns.mean()
    smooth[:, : max(0, int(centre - half))] = 0
    smooth[:, int(centre + half) :] = 0
    if smooth.max() < 0.02:
        return None
    row, column = np.unravel_index(smooth.argmax(), smooth.shape)
    return int(row), int(column)


def _aorta(planes: np.ndarray, pixel: tuple[float, float], spine: tuple[int, int]) -> float | None:
    """HU of what looks like the aorta in front of the spine, in most planes at one place."""
    row, column = spine
    near, far = (int(row - one / pixel[0]) for one in _BEFORE_SPINE)
    right, left = int(column - _RIGHT_OF_SPINE / pixel[1]), int(column + _LEFT_OF_SPINE / pixel[1])
    window = (slice(max(0, far), max(0, near)), slice(max(0, right), left))
    seen = np.stack([_vessels(plane, pixel)[window] for plane in planes])
    if seen.size == 0:
        return None
    reach = [2 * round(_AORTA_RADIUS / one) + 1 for one in pixel]
    near_by = ndimage.maximum_filter(seen, size=(1, *reach))
    row, column = np.unravel_index(near_by.sum(axis=0).argmax(), near_by.shape[1:])
    found = near_by[:, row, column]
    return _typical(found[found > 0].tolist())


def _vessels(plane: np.ndarray, pixel: tuple[float, float]) -> np.ndarray:
    """Mean HU around each pixel that may be the middle of a large vessel; elsewhere 0."""
    mean, deviation = _mean_and_deviation(plane, _disc(_AORTA_RADIUS, pixel))
    darker, brighter = np.zeros(plane.shape), np.zeros(plane.shape)
    for angle in np.linspace(0, 2 * np.pi, _RAYS, endpoint=False):
        ray = [_shifted(plane, radius, angle, pixel) for radius in _RAY]
        darker += np.minimum(*ray[-2:]) < mean - _DARKER_BY
        brighter += np.max(ray, axis=0) > mean + _BRIGHTER_BY
    alone = (darker >= _DARKER * _RAYS) & (brighter <= _BRIGHTER * _RAYS)
    return np.where(alone & (deviation < _UNEVEN) & (mean > _DIMMEST), mean, 0.0)


def _shifted(
    plane: np.ndarray, radius: float, angle: float, pixel: tuple[float, float]
) -> np.ndarray:
    """For each pixel, the value that lies `radius` (mm) away in a direction."""
    by = (radius * np.sin(angle) / pixel[0], radius * np.cos(angle) / pixel[1])
    return np.roll(plane, [round(one) for one in by], axis=(0, 1))


def _liver(
    plane: np.ndarray, pixel: tuple[float, float], spine: tuple[int, int]
) -> tuple[float, float] | None:
    """HU of the largest even region on the patient's right, and of the brightest in and at it."""
    mean, deviation = _mean_and_deviation(plane, _disc(_LIVER_RADIUS, pixel))
    even = (deviation < _UNEVEN) & (mean > _LIVER[0]) & (mean < _LIVER[1])
    even[:, spine[1] :] = False
    regions, count = ndimage.label(even)
    if not count:
        return None
    sizes = np.bincount(regions.ravel())[1:] * pixel[0] * pixel[1]
    largest = int(sizes.argmax())
    if sizes[largest] < _LIVER_LEAST:
        return None
    liver = regions == largest + 1
    whole = ndimage.binary_closing(liver, _disc(_HILUM, pixel) > 0) | liver
    vessels = ndimage.correlate(plane, _disc(_VEIN_RADIUS, pixel), mode="nearest")
    brightest = np.percentile(vessels[ndimage.binary_fill_holes(whole)], _BRIGHTEST)
    return float(np.median(mean[liver])), float(brightest)
