"""elastix: transforms that make the images agree, measured by mutual information."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from remodal.settings import RegistrationSettings, Section

if TYPE_CHECKING:
    from remodal.registration.alignment import Alignment, Images


class Options(Section):
    """Transforms, pyramid and optimiser."""

    transforms: list[Literal["translation", "rigid", "affine", "bspline"]] = Field(
        ["rigid", "bspline"], description="Transforms, estimated one after the other."
    )
    grid_spacing: float = Field(
        20.0, gt=0, description="Final B-spline control point spacing in mm."
    )
    resolutions: int = Field(3, ge=1, description="Number of image pyramid levels.")
    iterations: int = Field(250, ge=1, description="Iterations at each level.")
    samples: int = Field(2048, ge=100, description="Voxels drawn at each iteration.")
    bending: float = Field(
        500.0, ge=0, description="Weight of the B-spline's bending energy beside its metric."
    )
    working_spacing: float = Field(
        2.0,
        gt=0,
        description="Voxel size in mm that transforms are estimated at; finer images are averaged.",
    )
    seed: int = Field(121212, description="Seed of the random sampler.")


def align(images: "Images", settings: RegistrationSettings, options: Options) -> "Alignment":
    """The moving image warped so that it agrees with the fixed one.

    The transforms are estimated on copies averaged to about `working_spacing`, from points inside
    the body that the fixed image itself shows; the moving image is interpolated once, at full
    resolution. The result is the same, bit for bit, from run to run.

    Raises:
        BadCase: a constant image, images apart in space, or elastix gives up.
    """
    import numpy as np

    from remodal.registration.alignment import Alignment, require_contrast, require_overlap
    from remodal.registration.elastix import estimate
    from remodal.registration.quality import body_mask, coarsened, quality_of, without_extremes
    from remodal.registration.transforms import onto, warp_image

    require_contrast(images)
    require_overlap(images.fixed.geometry, images.moving.geometry)
    fixed = coarsened(images.fixed, options.working_spacing)
    moving = coarsened(images.moving, options.working_spacing)
    body = images.in_field(body_mask(fixed, settings.body_threshold), fixed.geometry)
    transforms = estimate(
        without_extremes(fixed, settings.body_threshold),
        without_extremes(moving, settings.body_threshold),
        body.astype(np.uint8),
        options,
        settings.outside,
    )
    # The transforms name the coarse grid they were estimated on, not the one images are wanted on.
    grid = images.fixed.geometry
    transforms = onto(transforms, grid)
    return Alignment(
        warped=warp_image(images.moving, grid, transforms, settings.outside),
        transforms=transforms,
        quality=quality_of(fixed, moving, body, transforms),
    )


def described(settings: RegistrationSettings, options: Options, moving: str) -> str:
    """One sentence for the methods paragraph."""
    transforms = ", then ".join(options.transforms).replace("bspline", "B-spline")
    spacing = (
        f", final control point spacing {options.grid_spacing:g} mm"
        if "bspline" in options.transforms
        else ""
    )
    return (
        f"{moving} registered to the {settings.fixed} image with elastix [1, 2]: "
        f"{transforms}, mutual information, {options.resolutions} resolutions of "
        f"{options.iterations} iterations{spacing}."
    )
