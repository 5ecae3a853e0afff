"""Bring one image onto another's grid in the way that the settings name."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume
from remodal.registration.common_grid import within
from remodal.registration.quality import body_mask, coarsened, quality_of
from remodal.registration.transforms import Chain, displaced, warp_image
from remodal.registration.ways import options_of, way_of
from remodal.settings import RegistrationSettings

#: Voxel size in mm at which agreement is measured if no optimiser aligned the images.
_MEASURED_AT = 2.0


@dataclass(frozen=True)
class Images:
    """Two images of a case and, for a way that asks for it, a mask of one structure in each.

    A mask has its own grid; it is None if the image has no mask. `field` is the fixed image's own
    grid, if it was brought to another one, which may reach further.
    """

    fixed: Volume
    moving: Volume
    fixed_mask: Volume | None = None
    moving_mask: Volume | None = None
    field: Geometry | None = None

    def in_field(self, body: np.ndarray, grid: Geometry) -> np.ndarray:
        """The part of a body that the fixed image shows itself; the body if that is nothing.

        Args:
            body: (z, y, x) bool.
            grid: the body's, along the fixed image's axes.
        """
        if self.field is None:
            return body
        shown = body & within(self.field, grid)
        return shown if shown.any() else body


@dataclass(frozen=True)
class Alignment:
    """A moving image on the fixed grid.

    Attributes:
        warped: in the moving image's data type; the moving image itself if nothing was done.
        transforms: elastix transform parameter maps, from the fixed grid to the moving image; empty
            if the image lies as its header says.
        quality: see `quality_of`; empty if nothing was measured.
        warnings: what a reader of the report should know.
    """

    warped: Volume
    transforms: Chain
    quality: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def align(images: Images, settings: RegistrationSettings) -> Alignment:
    """Bring the moving image onto the grid of the fixed one in the way of `settings.method`.

    Raises:
        BadCase: the images cannot be aligned in this way.
        UserError: unknown way, or a wrong option.
    """
    return way_of(settings.method).align(images, settings, options_of(settings))


def resampled(
    images: Images,
    chain: Chain,
    settings: RegistrationSettings,
    warnings: Sequence[str] = (),
) -> Alignment:
    """Bring the moving image onto the fixed grid by known transforms; measure the agreement.

    Raises:
        BadCase: a constant image, or images apart in space.
    """
    require_contrast(images)
    require_overlap(images.fixed.geometry, displaced(images.moving.geometry, chain))
    grid = images.fixed.geometry
    fixed, moving = (coarsened(image, _MEASURED_AT) for image in (images.fixed, images.moving))
    body = body_mask(fixed, settings.body_threshold)
    return Alignment(
        warped=warp_image(images.moving, grid, chain, settings.outside),
        transforms=chain,
        quality=quality_of(fixed, moving, images.in_field(body, fixed.geometry), chain),
        warnings=list(warnings),
    )


def require_contrast(images: Images) -> None:
    """Require that both images hold only finite values, and more than one.

    Raises:
        BadCase: one does not.
    """
    for name, volume in (("fixed", images.fixed), ("moving", images.moving)):
        _require_contrast(volume, name)


def _require_contrast(volume: Volume, name: str) -> None:
    low, high = volume.array.min(), volume.array.max()
    if not np.isfinite(low) or not np.isfinite(high):
        raise BadCase(f"the {name} image holds values that are no numbers")
    if low == high:
        raise BadCase(
            f"the {name} image is constant (every voxel is {low:g})",
            expected="an image of a patient",
        )


def require_overlap(fixed: Geometry, moving: Geometry) -> None:
    """Require that two grids share some space, however their axes lie.

    Raises:
        BadCase: they lie apart.
    """
    boxes = [_box(geometry) for geometry in (fixed, moving)]
    (low, high), (other_low, other_high) = boxes
    gap = np.maximum(low - other_high, other_low - high)
    if np.any(gap > 0):
        axis = int(np.argmax(gap))
        raise BadCase(
            f"the images do not overlap: {gap[axis]:.0f} mm apart along {'xyz'[axis]}",
            expected="images of one body part in one frame of reference",
            remedy="check that both belong to the same examination",
        )
    if (apart := _gap(fixed, moving)) > 0:
        raise BadCase(
            f"the images do not overlap: {apart:.0f} mm apart",
            expected="images of one body part in one frame of reference",
            remedy="check that both belong to the same examination",
        )


def _gap(first: Geometry, second: Geometry) -> float:
    """Width in mm of the widest gap between two turned boxes; negative if they overlap.

    Two convex bodies lie apart only if a plane lies between them; for boxes, one that is parallel
    to a face of one of them or to an edge of each (the separating axis theorem).
    """
    axes, half, middle = [], [], []
    for geometry in (first, second):
        size = np.array(geometry.shape[::-1])
        axes.append(np.reshape(geometry.direction, (3, 3)).T)
        half.append(size * geometry.spacing / 2)
        middle.append(geometry.affine[:3] @ [*(size - 1) / 2, 1])
    across = np.cross(axes[0][:, None], axes[1][None]).reshape(-1, 3)
    length = np.linalg.norm(across, axis=1, keepdims=True)
    across = (across / np.maximum(length, 1e-6))[length[:, 0] > 1e-6]
    planes = np.concatenate([*axes, across])
    reach = sum(np.abs(planes @ own.T) @ sides for own, sides in zip(axes, half))
    return float((np.abs(planes @ (middle[0] - middle[1])) - reach).max())


def _box(geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest x, y, z (LPS, mm) of the corners of the border voxels."""
    ends = [(-0.5, length - 0.5) for length in geometry.shape[::-1]]
    corners = np.array([[i, j, k, 1] for i in ends[0] for j in ends[1] for k in ends[2]])
    places = corners @ geometry.affine[:3].T
    return places.min(axis=0), places.max(axis=0)
