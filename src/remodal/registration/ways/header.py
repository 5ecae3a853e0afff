"""By the headers alone: the images are assumed to lie where their headers say."""

from typing import TYPE_CHECKING

from remodal.settings import RegistrationSettings, Section

if TYPE_CHECKING:
    from remodal.registration.alignment import Alignment, Images


class Options(Section):
    """None."""


def align(images: "Images", settings: RegistrationSettings, options: Options) -> "Alignment":
    """The moving image resampled onto the fixed one's grid, without any transform.

    Raises:
        BadCase: a constant image, or images apart in space.
    """
    from remodal.registration.alignment import resampled

    return resampled(images, [], settings)


def described(settings: RegistrationSettings, options: Options, moving: str) -> str:
    """One sentence for the methods paragraph."""
    return (
        f"{moving} brought onto the {settings.fixed} image's grid by the headers, "
        "without registration."
    )
