"""Ways of registration, one file each, chosen by `registration.method`.

A module of this folder is a way. It defines

- `Options`, a `Section`: what `registration.options.<way>` may hold;
- `align(images, settings, options) -> Alignment`, a pure function from two images of a case
  (`Images`) to the moving one on the fixed one's grid, the transforms, and how well that went;
- `described(settings, options, moving) -> str`, one sentence for the report's methods paragraph.
  `moving` is its subject and verb: `The other images were`.

A way whose options have a `mask` (`MaskSettings`) gets the masks of both images. Adding a way means
adding a file here, or an entry point elsewhere; nothing else is edited. Importing one must be light
(no numpy, torch or ITK), since the Snakefile does it.
"""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from remodal.errors import UserError
from remodal.extensions import OURS, available, load, require
from remodal.settings import MaskSettings, RegistrationSettings, Section

_GROUP = "remodal.registration"


def way_of(name: str, where: str = "registration.method") -> ModuleType:
    """The module of a way.

    Raises:
        UserError: unknown way.
    """
    remedy = "a new way is a new file in src/remodal/registration/ways/, or an entry point"
    return load(require(_GROUP, name, "way of registration", where, remedy), "align")


def way_options() -> dict[str, type[Section]]:
    """The model of the options of each of remodal's own ways, by the key that holds them."""
    ours = [name for name, way in available(_GROUP).items() if way.origin == OURS]
    models = {name: way_of(name).Options for name in ours}
    return {f"registration.options.{name}": m for name, m in models.items() if m.model_fields}


def options_of(settings: RegistrationSettings) -> Section:
    """The options of the way of most modalities, checked and completed; see `settings.of`.

    Raises:
        UserError: unknown way, unknown option, or a value that the option does not take.
    """
    return _checked(settings.method, settings.options.get(settings.method, {}))


def mask_of(settings: RegistrationSettings) -> MaskSettings | None:
    """The mask that the chosen ways need for their images; None: they need none."""
    return next(filter(None, map(_own_mask, _each_way(settings))), None)


def masked_images(settings: RegistrationSettings, present: Iterable[str]) -> list[str]:
    """The images of a case that need a mask: those registered by one, and the one that is fixed."""
    present = list(present)
    fixed = settings.reference(present)
    needy = {name for name in present if name != fixed and _own_mask(settings.of(name))}
    if _own_mask(settings) and present == [fixed]:
        return [fixed]
    return [name for name in present if name in needy or (needy and name == fixed)]


def _own_mask(settings: RegistrationSettings) -> MaskSettings | None:
    """The mask that the way of most modalities needs."""
    return getattr(options_of(settings), "mask", None)


def _each_way(settings: RegistrationSettings) -> list[RegistrationSettings]:
    """The way of most modalities, then that of each other one."""
    return [settings, *map(settings.of, settings.by_modality)]


def check_registration(settings: RegistrationSettings) -> None:
    """Check the chosen ways, and the options of every way that the settings give options for.

    Raises:
        UserError: as `options_of`; also if two modalities are registered by different masks.
    """
    for chosen in _each_way(settings):
        way_of(chosen.method)
        for name, options in chosen.options.items():
            _checked(name, options, complete=name == chosen.method)
        options_of(chosen)
    masks = list(filter(None, map(_own_mask, _each_way(settings))))
    if any(mask != masks[0] for mask in masks):
        raise UserError(
            "modalities are registered by different masks",
            where="registration.by_modality",
            expected="one mask for all of them",
        )


def completed(settings: RegistrationSettings) -> dict[str, Any]:
    """The settings as plain values with all options of the chosen ways, and of no other."""
    own = {
        name: {"method": chosen.method, "options": _options_in_full(settings.of(name))}
        for name, chosen in settings.by_modality.items()
    }
    options = {"options": _options_in_full(settings), "by_modality": own}
    return settings.model_dump(mode="json") | options


def _options_in_full(settings: RegistrationSettings) -> dict[str, Any]:
    return {settings.method: options_of(settings).model_dump(mode="json")}


def described(settings: RegistrationSettings) -> str:
    """What registration does, in one sentence, and one for each modality with its own way."""
    sentences = [_sentence(settings, "The other images were")]
    for name in settings.by_modality:
        sentences.append(_sentence(settings.of(name), f"The {name} image was"))
    return " ".join(sentences)


def _sentence(settings: RegistrationSettings, moving: str) -> str:
    return way_of(settings.method).described(settings, options_of(settings), moving)


def _checked(name: str, options: dict[str, Any], *, complete: bool = True) -> Section | None:
    """Options of a way; unless they must be `complete`, missing ones are not an error."""
    model = way_of(name, f"registration.options.{name}").Options
    try:
        return model.model_validate(options)
    except ValidationError as error:
        for problem in error.errors():
            if problem["type"] == "missing" and not complete:
                continue
            key = ".".join(str(part) for part in problem["loc"])
            unknown = problem["type"] == "extra_forbidden"
            raise UserError(
                "is no option of this way"
                if unknown
                else problem["msg"].removeprefix("Value error, "),
                where=f"registration.options.{name}.{key}".rstrip("."),
                expected=", ".join(model.model_fields) or "no option" if unknown else "",
            ) from error
        return None
