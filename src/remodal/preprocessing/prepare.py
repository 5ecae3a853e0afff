"""From volumes on one grid to a network's input, and from its output back to that grid."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.orientation import Orientation
from remodal.geometry.volume import Geometry, Vector, Volume
from remodal.masks.placing import on_grid
from remodal.preprocessing.cropping import Box, crop_box, cropped_by, nonzero_mask
from remodal.preprocessing.intensity import normalise, whole_statistics
from remodal.preprocessing.resampling import (
    CUBIC,
    LINEAR,
    coarse_axis,
    orders,
    resample,
    resample_probabilities,
    resampled_shape,
)
from remodal.settings import PreprocessingSettings

#: Share of a voxel that must lie in a mask; a little less than half allows for rounding.
_MOST_OF_A_VOXEL = 0.5 - 1e-6


@dataclass(frozen=True)
class Cropped:
    """A case oriented and cropped, before anything is done to its intensities or spacing.

    `arrays` maps a modality to its cropped voxels (z, y, x) with unchanged values; `properties` are
    those of `Prepared` that are known so far, and `spacing` is that of the source. `whole` has
    statistics of each modality before the crop, if the settings want them.
    """

    arrays: dict[str, np.ndarray]
    spacing: Vector
    properties: dict[str, Any]
    whole: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Prepared:
    """A network's input, and everything needed to go back.

    `array` is (M, z, y, x) float32, the modalities in the order of `properties["modalities"]`.

    `properties` are plain JSON values:
        modalities: names, in order.
        original: geometry of the source (`shape` z, y, x; `spacing`, `origin`, `direction` as in
            `Geometry`).
        orientation: `axes` and `flips` of `Orientation`.
        box: first and past-the-last voxel of each canonical axis that were kept.
        cropped_by: what the box encloses: `body`, `nonzero`, `mask` or `none`.
        spacing: of the prepared grid, (z, y, x) in mm: the target, up to rounding to whole voxels.
        shape: of the prepared grid.
        coarse_axis: the axis along which slices were not mixed, or None.
        intensities: for each modality the fields of `Intensity`.
    """

    array: np.ndarray
    properties: dict[str, Any]


def prepare(
    volumes: Mapping[str, Volume],
    fingerprint: Mapping[str, Any],
    settings: PreprocessingSettings,
    mask: Volume | None = None,
) -> Prepared:
    """Orient, crop, clip, normalise and resample a case: `crop_case`, then `scale`."""
    return scale(crop_case(volumes, settings, mask), fingerprint, settings)


def crop_case(
    volumes: Mapping[str, Volume], settings: PreprocessingSettings, mask: Volume | None = None
) -> Cropped:
    """Orient and crop a case.

    Args:
        volumes: the modalities that are present, on one grid.
        settings: what to do.
        mask: for a crop by mask: bool, on its own grid; None: there is none.

    Raises:
        BadCase: different grids, no body, or no mask where one is demanded.
    """
    geometry = next(iter(volumes.values())).geometry
    for name, volume in volumes.items():
        if not volume.geometry.agrees_with(geometry):
            raise BadCase(
                f"`{name}` is on another grid than `{next(iter(volumes))}`",
                expected="registered modalities",
            )
    crop = settings.crop
    orientation = Orientation.of(geometry)
    spacing = orientation.spacing(geometry)
    arrays = {name: orientation.apply(volume.array) for name, volume in volumes.items()}
    inside = orientation.apply(on_grid(mask, geometry)) if crop.by == "mask" and mask else None
    by = cropped_by(crop, inside)
    box = crop_box(list(arrays.values()), spacing, settings, inside)
    kept = {name: array[box] for name, array in arrays.items()}
    if by == "mask" and crop.outside is not None:
        kept = {
            name: np.where(inside[box], array, array.dtype.type(crop.outside))
            for name, array in kept.items()
        }
    properties = {
        "modalities": list(arrays),
        "original": _plain(geometry),
        "orientation": _plain(orientation),
        "box": [[side.start, side.stop] for side in box],
        "cropped_by": by,
    }
    of_whole = arrays if settings.normalise == "image" else {}
    whole = {name: whole_statistics(array, settings.clip) for name, array in of_whole.items()}
    return Cropped(kept, spacing, properties, whole)


def scale(
    cropped: Cropped, fingerprint: Mapping[str, Any], settings: PreprocessingSettings
) -> Prepared:
    """Clip, normalise and resample a cropped case.

    Intensities are clipped and normalised before resampling, so that no cubic spline rings from
    metal or from the border of a masked image into tissue. With `case_nonzero`, only voxels of
    `nonzero_mask` count, and all others are zero, also after resampling.

    Args:
        cropped: see `crop_case`.
        fingerprint: of the training cases; see `fingerprint_fold`. It is not used if the settings
            do not depend on the fold.
        settings: what to do.

    Raises:
        BadCase: intensities that cannot be normalised.
    """
    shape_before = next(iter(cropped.arrays.values())).shape
    target = tuple(settings.spacing or fingerprint["spacing"])
    shape = resampled_shape(shape_before, cropped.spacing, target)
    coarse = coarse_axis(cropped.spacing, target)
    prepared = np.empty((len(cropped.arrays), *shape), np.float32)
    intensities = {}
    masked = settings.normalise == "case_nonzero"
    mask = nonzero_mask(list(cropped.arrays.values())) if masked else None
    for index, (name, array) in enumerate(cropped.arrays.items()):
        measured = cropped.whole.get(name) or fingerprint.get("foreground", {}).get(name)
        try:
            image, done = normalise(array, settings, measured, mask)
        except BadCase as error:
            raise BadCase(f"`{name}` {error}") from error
        prepared[index] = resample(image, shape, orders(CUBIC, coarse))
        intensities[name] = asdict(done)
    if mask is not None:
        share = resample(mask, shape, orders(LINEAR, coarse))
        prepared[:, share < _MOST_OF_A_VOXEL] = 0
    sides = zip(cropped.spacing, shape_before, shape)
    properties = cropped.properties | {
        "spacing": [old * was / now for old, was, now in sides],
        "shape": list(shape),
        "coarse_axis": coarse,
        "intensities": intensities,
    }
    return Prepared(prepared, properties)


def restore_probabilities(probabilities: np.ndarray, properties: Mapping[str, Any]) -> Volume:
    """Segmentation in the source's geometry from class probabilities on the prepared grid.

    Probabilities are interpolated linearly onto the source's voxels before the most probable class
    is chosen; whatever was cropped away becomes background.

    Args:
        probabilities: (C, z, y, x), background first.
        properties: of the prepared case.

    Returns:
        uint8 class indices.
    """
    _require_shape(probabilities.shape[1:], properties)
    box = box_of(properties)
    shape = tuple(side.stop - side.start for side in box)
    linear = orders(LINEAR, properties["coarse_axis"])
    return _pasted(resample_probabilities(probabilities, shape, linear), properties, np.uint8(0))


def restore_image(image: np.ndarray, properties: Mapping[str, Any], outside: float = 0.0) -> Volume:
    """Bring an image on the prepared grid back into the source's geometry, by linear interpolation.

    Args:
        image: (z, y, x), for example an attention map.
        properties: of the prepared case.
        outside: value for whatever was cropped away.

    Returns:
        float32 volume.
    """
    _require_shape(image.shape, properties)
    box = box_of(properties)
    shape = tuple(side.stop - side.start for side in box)
    linear = orders(LINEAR, properties["coarse_axis"])
    return _pasted(resample(image, shape, linear), properties, np.float32(outside))


def _pasted(array: np.ndarray, properties: Mapping[str, Any], outside: np.generic) -> Volume:
    """Undo cropping and orientation."""
    geometry = geometry_from(properties["original"])
    orientation = orientation_of(properties)
    whole = np.full(geometry.shape, outside)
    orientation.apply(whole)[box_of(properties)] = array
    return Volume(whole, geometry)


def _plain(fields: Geometry | Orientation) -> dict[str, list]:
    """JSON form of a dataclass of tuples."""
    return {name: list(values) for name, values in asdict(fields).items()}


def geometry_from(content: Mapping[str, Any]) -> Geometry:
    """Geometry from its JSON form."""
    return Geometry(**{field: tuple(values) for field, values in content.items()})


def orientation_of(properties: Mapping[str, Any]) -> Orientation:
    """How the case's axes lay in its source."""
    return Orientation(**{key: tuple(value) for key, value in properties["orientation"].items()})


def box_of(properties: Mapping[str, Any]) -> Box:
    """The box that was kept, in canonical axes."""
    return tuple(slice(start, stop) for start, stop in properties["box"])


def _require_shape(shape: tuple[int, ...], properties: Mapping[str, Any]) -> None:
    if tuple(shape) != tuple(properties["shape"]):
        raise ValueError(f"{shape} on a prepared grid of {properties['shape']}")
