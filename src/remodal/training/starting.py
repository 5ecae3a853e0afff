"""What a training starts from: the method, its first weights, its frozen inputs, its companions."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from remodal.errors import UserError
from remodal.methods import build_method, check_patch, check_roles
from remodal.methods.base import Method, channels_last
from remodal.models.model_files import load_model
from remodal.results.files import sha256
from remodal.settings import Settings
from remodal.settings.recipe import StartingWeights


def require_method_of_study(settings: Settings, name: str) -> None:
    """Check that the study has this method.

    Raises:
        UserError: it has no method of this name.
    """
    if name not in settings.methods:
        raise UserError(
            f"unknown method `{name}`",
            where="--method",
            expected=f"one of {', '.join(settings.methods)}",
        )


def starting_method(
    settings: Settings, name: str, seed: int, inputs: Mapping[str, Path], device: torch.device
) -> Method:
    """A method of the study as its training begins, on the training's device.

    Args:
        settings: of the study.
        name: key of `settings.methods`.
        seed: of the random weights.
        inputs: folders of the trained models that it is given, by role.
        device: where it is trained.

    Raises:
        UserError: input models or weights are missing or do not fit, or the patch does not.
    """
    _require_inputs(settings, name, inputs)
    chosen = settings.methods[name]
    modalities = settings.modalities_of(name)
    check_roles(chosen.type, modalities, inputs, f"methods.{name}.inputs")
    check_patch(chosen.type, settings.recipe_of(name), settings.network, f"patch of `{name}`")
    torch.manual_seed(seed)
    method = build_method(
        chosen.type,
        modalities,
        len(settings.data.classes),
        settings.network,
        chosen.options,
    )
    if weights := settings.recipe_of(name).starting_weights:
        _load(method, weights)
    method.inputs = {role: _frozen(load_model(path).method) for role, path in inputs.items()}
    _take_over(method, name, inputs)
    method.companions = {
        key: channels_last(network)
        for key, network in method.build_companions(settings.network).items()
    }
    given = (other.network for other in method.inputs.values())
    for network in (method.network, *method.companions.values(), *given):
        network.to(device)
    return method


def _require_inputs(settings: Settings, name: str, inputs: Mapping[str, Path]) -> None:
    wanted = settings.methods[name].inputs
    if set(wanted) != set(inputs):
        raise UserError(
            f"input models {sorted(inputs)} given for method `{name}`",
            where="--input",
            expected=", ".join(f"{role}=<folder of {model}>" for role, model in wanted.items())
            or "none",
        )


def _take_over(method: Method, name: str, inputs: Mapping[str, Path]) -> None:
    try:
        method.start_from(method.inputs)
    except RuntimeError as error:
        raise UserError(
            f"the input models do not fit ({_first_line(error)})",
            where=f"methods.{name}.inputs",
            expected="models with the networks that this method starts from: "
            + ", ".join(map(str, inputs.values())),
        ) from error


def _frozen(method: Method) -> Method:
    method.network.requires_grad_(False).eval()
    return method


def _load(method: Method, weights: StartingWeights) -> None:
    where, setting = str(weights.file), "recipe.starting_weights"
    if not weights.file.is_file():
        raise UserError("is missing", where=where, expected=f"the file of {setting}")
    found = sha256(weights.file)
    if found != weights.sha256:
        raise UserError(
            f"is another file than {setting} means: its digest is {found}",
            where=where,
            expected=weights.sha256,
        )
    try:
        method.load(_read(weights.file))
    except (RuntimeError, KeyError, ValueError) as error:
        raise UserError(
            f"does not fit the network ({_first_line(error)})",
            where=where,
            expected=f"weights of a `{method.name}` of this size",
        ) from error


def _read(file: Path) -> dict[str, Tensor]:
    """The tensors of a file; for a checkpoint, those of its `state_dict`.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file, device="cpu")
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"no weights can be read: {_first_line(error)}") from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    if not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError("it holds no mapping of names to tensors")
    return content


def _first_line(error: Exception) -> str:
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)
