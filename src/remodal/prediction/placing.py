"""A patient's images on one grid, and what was found there back on an image's own grid."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.registration.ways import mask_of, masked_images
from remodal.settings import MaskSettings, PreprocessingSettings, RegistrationSettings

if TYPE_CHECKING:
    from remodal.registration.alignment import Alignment, Images
    from remodal.registration.transforms import Chain


@dataclass(frozen=True)
class Placed:
    """Images on one grid.

    Attributes:
        volumes: by modality.
        stored: the grid of each image as it is stored.
        chains: transforms from the shared grid to each image that was moved.
        reference: the image whose axes the shared grid has.
    """

    volumes: dict[str, Volume]
    stored: dict[str, Geometry]
    chains: "dict[str, Chain]"
    reference: str

    @property
    def grid(self) -> Geometry:
        """The grid that the images share."""
        return self.volumes[self.reference].geometry

    def back(self, image: Volume, modality: str, *, outside: float) -> Volume:
        """An image on the shared grid, on the grid of one of the images as it is stored.

        Values are interpolated linearly, unless the grids are the same.

        Args:
            image: float32, such as the probability of a class.
            modality: whose grid.
            outside: value of the voxels that the shared grid does not reach.
        """
        if self.is_own_grid(modality):
            return image
        from remodal.registration.inverse import carried_back

        chain = self.chains.get(modality, [])
        return carried_back(image, self.stored[modality], chain, outside)

    def is_own_grid(self, modality: str) -> bool:
        """Whether the shared grid is that of an image as it is stored."""
        return not self.chains.get(modality) and self.grid.agrees_with(self.stored[modality])


def on_one_grid(
    volumes: Mapping[str, Volume],
    registration: RegistrationSettings,
    masks: Mapping[str, Volume],
) -> Placed:
    """All images on the grid of the fixed modality, or of the first one if that is missing.

    The grid may be extended or resampled, as `registration.grid` says; that of a single image is
    its own.

    Raises:
        BadCase: the images cannot be registered.
    """
    stored = {name: volume.geometry for name, volume in volumes.items()}
    reference = registration.reference(volumes)
    if len(volumes) == 1:
        return Placed(dict(volumes), stored, {}, reference)
    from remodal.registration.alignment import Images  # a single image needs no registration
    from remodal.registration.common_grid import common_grid, on_grid

    others = [stored[name] for name in volumes if name != reference]
    grid = common_grid(stored[reference], others, registration.grid)
    fixed = on_grid(volumes[reference], grid, registration.outside)
    field = None if fixed is volumes[reference] else stored[reference]
    placed, chains = {reference: fixed}, {}
    for name, volume in volumes.items():
        if name != reference:
            pair = Images(fixed, volume, masks.get(reference), masks.get(name), field)
            alignment = _aligned(pair, name, registration.of(name))
            placed[name], chains[name] = alignment.warped, alignment.transforms
    return Placed({name: placed[name] for name in volumes}, stored, chains, reference)


def _aligned(images: "Images", modality: str, settings: RegistrationSettings) -> "Alignment":
    from remodal.registration import alignment

    try:
        return alignment.align(images, settings)
    except BadCase as error:
        raise BadCase(
            error.what, where=f"--{modality}", expected=error.expected, remedy=error.remedy
        ) from error


def require_masks(
    given: Collection[str],
    modalities: Iterable[str],
    registration: RegistrationSettings,
    preprocessing: PreprocessingSettings,
) -> None:
    """Check that the masks which a model needs for a patient's images are given.

    Args:
        given: modalities of the images that have a mask.
        modalities: those of all images.
        registration: the model's.
        preprocessing: the model's.

    Raises:
        UserError: one is missing.
    """
    present = list(modalities)
    if len(present) > 1:
        needed = masked_images(registration, present)
        used = "its images are laid on each other by"
        _require(mask_of(registration), needed, given, used)
    reference = registration.reference(present)
    _require(preprocessing.crop.mask, [reference], given, "it is cropped by")


def _require(
    wanted: MaskSettings | None,
    modalities: Iterable[str],
    given: Collection[str],
    used: str,
) -> None:
    for modality in modalities if wanted else ():
        if modality not in given:
            made_by = f"study {wanted.of(modality).study}" if wanted.study else "the labels"
            raise UserError(
                f"the model needs a mask of the {modality} image: {used} masks of {made_by}",
                where="predict",
                expected=f"--mask {modality}=FILE, or its path in column `mask` of a sheet",
            )
