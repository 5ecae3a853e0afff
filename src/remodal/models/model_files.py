"""A trained model on disk: weights in safetensors, and a description that is enough to use it.

The description carries all that prediction needs outside the study (preprocessing with its
fingerprint, registration, patch, classes, method and network), so that the folder can be shared.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from remodal.errors import UserError
from remodal.methods import build_method
from remodal.methods.base import Method
from remodal.registration.ways import completed
from remodal.results.files import atomic_path, sha256, write_json
from remodal.settings import NetworkSettings, Settings

WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
FORMAT = 2


@dataclass(frozen=True)
class TrainedModel:
    """A method with its trained weights, and what it was trained on."""

    method: Method
    description: dict[str, Any]


def describe(
    settings: Settings, method: str, fold: int, seed: int, fingerprint: dict[str, Any]
) -> dict[str, Any]:
    """Description of a model: how to build it again, and how to prepare its input.

    Args:
        settings: effective settings of the study.
        method: key of `settings.methods`.
        fold: fold whose training cases it learnt from.
        seed: seed of its training.
        fingerprint: what preprocessing measured on those cases.
    """
    chosen = settings.methods[method]
    content = settings.model_dump(mode="json")
    return {
        "format": FORMAT,
        "study": settings.study,
        "preset": settings.preset,
        "simulated": settings.data.simulated,
        "method": method,
        "label": settings.title_of(method),
        "type": chosen.type,
        "options": chosen.options,
        "modalities": settings.modalities_of(method),
        "classes": settings.data.classes,
        # JSON is written with sorted keys, and the order numbers the classes.
        "class_order": list(settings.data.classes),
        "fold": fold,
        "seed": seed,
        "network": content["network"],
        "recipe": settings.recipe_of(method).described(),
        "data": content["data"],
        "registration": completed(settings.registration),
        "preprocessing": content["preprocessing"],
        "inference": content["inference"],
        "fingerprint": fingerprint,
    }


def save_model(folder: Path, method: Method, description: dict[str, Any]) -> None:
    """Write `model.safetensors` and `model.json` into `folder`.

    The description is written last and holds the weights' digest, so that it never describes other
    weights.

    Raises:
        EnvironmentProblem: full disk, or no permission to write.
    """
    weights = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in method.network.state_dict().items()
    }
    content = save(weights)
    with atomic_path(Path(folder) / WEIGHTS) as temporary:
        temporary.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    write_json(Path(folder) / DESCRIPTION, description | {"weights_sha256": digest})


def read_description(folder: Path) -> dict[str, Any]:
    """Read `model.json`.

    Raises:
        UserError: missing, not JSON, or not written by `save_model`.
    """
    path = Path(folder) / DESCRIPTION
    expected = f"a folder with {WEIGHTS} and {DESCRIPTION}, as `remodal train` writes it"
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError("cannot be read", where=str(path), expected=expected) from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise UserError("describes no model", where=str(path), expected=expected)
    order = description.get("class_order", [])
    for part in (description, description["data"]):
        if sorted(order) == sorted(part["classes"]):
            part["classes"] = {name: part["classes"][name] for name in order}
    return description


def require_class_order(folder: Path, description: Mapping[str, Any]) -> None:
    """Check that a model says how its classes are numbered, so that they can be called by name.

    Raises:
        UserError: it has several classes and was written before models said so.
    """
    classes = description["classes"]
    if len(classes) > 1 and list(classes) != description.get("class_order"):
        raise UserError(
            f"does not say how its classes are numbered ({', '.join(sorted(classes))})",
            where=str(Path(folder) / DESCRIPTION),
            expected="`class_order`, their names in the order of the study's data.classes",
            remedy="train the model again, or write that list into the file",
        )


def load_model(folder: Path, device: str | torch.device = "cpu") -> TrainedModel:
    """Build the method again and load its weights, ready to predict on `device`.

    Raises:
        UserError: missing or damaged files, or weights that do not fit their description.
    """
    description = read_description(folder)
    path = Path(folder) / WEIGHTS
    try:
        if sha256(path) != description["weights_sha256"]:
            raise UserError(
                "does not hold the weights that its description names",
                where=str(path),
                remedy="copy the folder again, or train the model again",
            )
        method = build_method(
            description["type"],
            description["modalities"],
            len(description["classes"]),
            NetworkSettings.model_validate(description["network"]),
            description["options"],
        )
        method.network.load_state_dict(load_file(path, device="cpu"))
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"cannot be loaded ({error})",
            where=str(path),
            expected=f"weights written together with {DESCRIPTION} by this version of remodal",
        ) from error
    method.network.to(device).eval()
    return TrainedModel(method, description)
