"""The translation that moves a mask's centroid in the moving image onto that in the fixed one.

Zhang et al., "Multi-phase liver tumor segmentation with spatial aggregation and uncertain region
inpainting" (MICCAI 2021), align the phases by their tumours' centres. That needs the tumour's label
in both phases, even for test cases; the liver's centroid, taken from a label or from a model's
prediction, does not.
"""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from remodal.errors import BadCase
from remodal.settings import MaskSettings, RegistrationSettings, Section

if TYPE_CHECKING:
    from remodal.geometry.volume import Volume
    from remodal.registration.alignment import Alignment, Images


class Options(Section):
    """Which structure is aligned."""

    mask: MaskSettings = Field(description="The structure, in each image.")
    empty: Literal["header", "quarantine"] = Field(
        "header",
        description="What happens where an image has no mask, or an empty one: the images are left "
        "where their headers place them, with a warning, or the case is quarantined.",
    )


def align(images: "Images", settings: RegistrationSettings, options: Options) -> "Alignment":
    """The moving image translated so that the masks' centroids coincide.

    Raises:
        BadCase: a constant image, images apart in space, or no mask and `empty` is `quarantine`.
    """
    from remodal.registration.alignment import resampled
    from remodal.registration.transforms import translation

    fixed, moving = _centroid(images.fixed_mask), _centroid(images.moving_mask)
    if fixed is None or moving is None:
        which = "fixed" if fixed is None else "moving"
        what = f"the mask of the {which} image is empty, or there is none"
        if options.empty == "quarantine":
            raise BadCase(
                what,
                expected="the structure in both images",
                remedy="set registration.options.centroid.empty to `header`",
            )
        note = f"{what}: the images lie as their headers place them"
        return resampled(images, [], settings, [note])
    shift = tuple(to - at for to, at in zip(moving, fixed))
    chain = [translation(shift, images.fixed.geometry, settings.outside)]
    return resampled(images, chain, settings)


def described(settings: RegistrationSettings, options: Options, moving: str) -> str:
    """One sentence for the methods paragraph."""
    structure = (
        f"of the reference label (values {', '.join(map(str, options.mask.label))}), also in test "
        "cases,"
        if options.mask.label
        else f"predicted by study {options.mask.study}"
    )
    return (
        f"{moving} translated so that the centroid of the structure {structure} "
        f"coincided with that in the {settings.fixed} image."
    )


def _centroid(mask: "Volume | None") -> tuple[float, float, float] | None:
    """Mean position (LPS, mm) of a mask's voxels; None if there are none."""
    import numpy as np

    if mask is None or not mask.array.any():
        return None
    index = np.argwhere(mask.array).mean(axis=0)[::-1]
    place = mask.geometry.affine[:3, :3] @ index + mask.geometry.affine[:3, 3]
    return tuple(place.tolist())
