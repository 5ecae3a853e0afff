"""No registration: the images of a case share one grid, which is checked.

An image whose voxels lie on the fixed image's but are stored along other axes (RAS instead of LPS,
or from the top) is put into the fixed image's order, which changes no value.
"""

from typing import TYPE_CHECKING

from remodal.errors import BadCase
from remodal.settings import RegistrationSettings, Section

if TYPE_CHECKING:
    from remodal.geometry.volume import Volume
    from remodal.registration.alignment import Alignment, Images

#: How many voxels apart grids may be and still count as the same, as in `Geometry.agrees_with`.
_TOLERANCE = 1e-3


class Options(Section):
    """None."""


def align(images: "Images", settings: RegistrationSettings, options: Options) -> "Alignment":
    """The moving image as it is, but with its axes in the order of the fixed image's.

    Raises:
        BadCase: its voxels do not lie on the fixed image's.
    """
    import numpy as np

    from remodal.geometry.lattice import ordered, place, window
    from remodal.geometry.volume import Volume
    from remodal.registration.alignment import Alignment

    fixed, moving = images.fixed.geometry, images.moving
    if moving.geometry.agrees_with(fixed):
        return Alignment(moving, [])
    placement = place(moving.geometry, fixed)
    if placement is not None and placement.shift <= _TOLERANCE:
        block = ordered(moving.array, placement)
        if block.shape == fixed.shape and window(block, placement, fixed) is not None:
            return Alignment(Volume(np.ascontiguousarray(block), fixed), [])
    raise BadCase(
        f"lies on another grid ({_grid(moving)}) than the fixed image ({_grid(images.fixed)})",
        expected="the same grid",
        remedy="set registration.method to `elastix` or `header`, or resample the image",
    )


def described(settings: RegistrationSettings, options: Options, moving: str) -> str:
    """One sentence for the methods paragraph."""
    return "Images of a case that shared one grid were not registered."


def _grid(volume: "Volume") -> str:
    shape = " x ".join(map(str, volume.geometry.shape[::-1]))
    origin = ", ".join(f"{place:.4g}" for place in volume.geometry.origin)
    return f"{shape} voxels from {origin} mm"
