"""Methods, one file each, and those of other packages; listing them imports none (no torch)."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from remodal.errors import UserError
from remodal.extensions import Extension, available, load, require, summary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from remodal.methods.base import Method
    from remodal.settings import NetworkSettings, RecipeSettings


_GROUP = "remodal.methods"


def method_origins() -> dict[str, str]:
    """The registered methods by name, each with the package that it comes from."""
    return {name: extension.origin for name, extension in available(_GROUP).items()}


def require_method(name: str) -> None:
    """Check that a method of this name exists, without importing it.

    Raises:
        UserError: unknown method.
    """
    _required(name)


def method_summary(name: str) -> str:
    """What a method is, in the first line of its file, without importing it.

    Raises:
        UserError: unknown method.
    """
    return summary(_required(name))


class Option(NamedTuple):
    """One option of a method."""

    name: str
    type: str
    default: Any
    description: str


def method_options(name: str) -> list[Option]:
    """The options of a method, from the model that checks them (imports the method and torch).

    Raises:
        UserError: unknown method.
    """
    fields = _method_class(name).Options.model_fields
    return [
        Option(key, _type_name(field.annotation), field.default, field.description or "")
        for key, field in fields.items()
    ]


def build_method(
    name: str,
    modalities: "Sequence[str]",
    classes: int,
    network: "NetworkSettings",
    options: dict[str, Any] | None = None,
) -> "Method":
    """Build a method by name, with randomly initialised weights (from torch's global generator).

    Raises:
        UserError: unknown method, or an option it does not have.
    """
    checked = check_options(name, options or {})
    return _method_class(name)(modalities, classes, network, checked)


def check_options(name: str, options: dict[str, Any], where: str = "") -> BaseModel:
    """The options of a method, checked and completed (imports the method and torch).

    Args:
        name: the method.
        options: the options given.
        where: the setting that gives them, for the error message.

    Raises:
        UserError: unknown method, an option that it does not have, or a value it does not accept.
    """
    model = _method_class(name).Options
    try:
        return model.model_validate(options)
    except ValidationError as error:
        problem = error.errors()[0]
        key, known = ".".join(str(part) for part in problem["loc"]), list(model.model_fields)
        what = f"method `{name}`, option `{key}`: "
        if problem["type"] != "extra_forbidden":
            raise UserError(what + problem["msg"], where=where) from error
        near = get_close_matches(key, known, n=1)
        raise UserError(
            what + "there is none of this name",
            where=where,
            expected=f"options {', '.join(known) or '(none)'}",
            remedy=f"did you mean `{near[0]}`?" if near else "",
        ) from error


class Asked(NamedTuple):
    """What a scenario asks of a method.

    Attributes:
        present: the images that are there.
        target: the one to segment; empty where all images share one truth.
    """

    present: "Collection[str]"
    target: str


def check_buildable(
    name: str,
    modalities: "Sequence[str]",
    classes: int,
    network: "NetworkSettings",
    options: dict[str, Any],
    scenarios: "Mapping[str, Asked]",
    where: str,
) -> None:
    """Check that a method can be built, and can predict in its scenarios.

    No weight is made (imports the method and torch).

    Args:
        name: the method.
        modalities: the modalities that it takes.
        classes: number of foreground classes.
        network: sizes of the network.
        options: the options given.
        scenarios: those in which it is evaluated.
        where: the setting that describes the method, for the error message.

    Raises:
        UserError: too few modalities, an option that does not fit them, or a scenario without an
            image that it needs, or whose target it cannot segment.
    """
    from remodal.networks.unfilled import unfilled

    at = where
    try:
        with unfilled():
            method = build_method(name, modalities, classes, network, options)
        for scenario, asked in scenarios.items():
            at = f"{where}, scenario `{scenario}`"
            known = [modality for modality in modalities if modality in asked.present]
            method.require_support(known)
            method.require_target(asked.target, known)
    except UserError as error:
        raise UserError(
            error.what, where=at, expected=error.expected, remedy=error.remedy
        ) from error


def check_unlabelled(name: str, recipe: "RecipeSettings", where: str) -> None:
    """Check that a method can use unlabelled samples if it is given any, and has them if it must.

    Imports the method.

    Args:
        name: the method.
        recipe: how it is trained.
        where: the setting that names the pools, for the error message.

    Raises:
        UserError: it cannot use them, or has none.
    """
    method = _method_class(name)
    if recipe.takes_unlabelled and not method.takes_unlabelled:
        raise UserError(
            f"method `{name}` does not learn from unlabelled cases",
            where=where,
            expected="pools of labelled cases only",
        )
    if method.needs_unlabelled and not recipe.takes_unlabelled:
        raise UserError(
            f"method `{name}` learns from unlabelled cases too, and is given none",
            where=where,
            expected="a pool of them beside one of labelled cases, such as [{cases: labelled, "
            "samples: 2}, {cases: unlabelled, samples: 2}] with a batch of 4",
        )


def check_patch(
    name: str, recipe: "RecipeSettings", network: "NetworkSettings", where: str
) -> None:
    """Check that a method's networks take every patch of its recipe (imports the method).

    Args:
        name: the method.
        recipe: how it is trained.
        network: sizes of the networks.
        where: the setting that holds the patch, for the error message.

    Raises:
        UserError: they do not.
    """
    multiple = _method_class(name).patch_multiple(network)
    if not recipe.patch.fits(multiple):
        raise UserError(
            f"the network of `{name}` takes no patch of {recipe.patch} voxels",
            where=where,
            expected=f"multiples of {list(multiple)}, by which it shrinks a patch, and more than "
            "one voxel in the last stage",
            remedy="change the patch or, if the network is built by them, network.strides",
        )


def check_roles(
    name: str, modalities: "Sequence[str]", inputs: "Iterable[str]", where: str
) -> None:
    """Check that a method knows the roles of the trained models it is given (imports the method).

    Args:
        name: the method.
        modalities: the modalities that it takes.
        inputs: the roles.
        where: the setting that names them, for the error message.

    Raises:
        UserError: a role that it does not know.
    """
    known = _method_class(name).roles(modalities)
    for role in inputs:
        if role not in known:
            raise UserError(
                f"`{name}` knows no input model of role `{role}`",
                where=where,
                expected=f"roles {', '.join(sorted(known))}",
            )


def _method_class(name: str) -> "type[Method]":
    return load(_required(name), "METHOD").METHOD


def _required(name: str) -> Extension:
    remedy = "a new method is a new file in src/remodal/methods/, or an entry point"
    return require(_GROUP, name, "method", remedy=remedy)


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(get_args(annotation))
    return getattr(annotation, "__name__", str(annotation))
