"""A trained model as a MONAI bundle: TorchScript, configuration, and remodal's own code.

The bundle needs no installed remodal. Its network is TorchScript; preparation and windows are
remodal's, carried along as code, because MONAI's own place windows and resample otherwise.
"""

import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import remodal
from remodal.errors import UserError
from remodal.exchange.bundle_config import DESCRIPTION, NETWORK, inference, metadata
from remodal.methods.base import Method
from remodal.models.model_files import load_model, require_class_order
from remodal.prediction.reading import chosen_target
from remodal.registration.ways import masked_images
from remodal.results.files import removed_if_unfinished, write_json, write_text
from remodal.settings import InferenceSettings, RegistrationSettings
from remodal.settings.sampling import PatchSettings

#: What the traced network may differ by from the method: sums in another order.
_TOLERANCE = 1e-4


class _Network(nn.Module):
    """A method's prediction as one network of channels: (B, M, z, y, x) to (B, C, z, y, x)."""

    def __init__(self, method: Method, modalities: Sequence[str], target: str) -> None:
        super().__init__()
        self.network = method.network
        self._method, self._modalities, self._target = method, list(modalities), target

    def forward(self, images: Tensor) -> Tensor:
        named = dict(zip(self._modalities, images.split(1, dim=1)))
        return self._method.probabilities_of(named, self._target).float()


class _OneByOne(nn.Module):
    """A network that was traced with one image, for any number of them.

    Networks of ours choose faster kernels by the number of images, which a trace makes constant.
    """

    def __init__(self, traced: nn.Module) -> None:
        super().__init__()
        self.network = traced

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.network(images[i : i + 1]) for i in range(images.shape[0])])


def export_bundle(
    model: Path, output: Path, *, modalities: Sequence[str] = (), target: str = ""
) -> list[str]:
    """Write a trained model as a bundle that predicts from one set of images.

    Args:
        model: folder of the trained model.
        output: folder to write, which must not be there or be empty.
        modalities: the images that it predicts from; empty: all of the model's.
        target: the image to segment, for a model whose images each have a truth of their own.

    Returns:
        Lines on what was written and how to run it.

    Raises:
        UserError: no such model, modalities that it cannot predict from, a model that needs a mask
            or whole images, or a network that cannot be traced.
    """
    if output.exists() and any(output.iterdir()):
        raise UserError("is not empty", where=str(output), expected="a new folder")
    trained = load_model(model)
    method, description = trained.method, trained.description
    require_class_order(model, description)
    order = [name for name in method.modalities if not modalities or name in modalities]
    if unknown := set(modalities) - set(order):
        known = ", ".join(method.modalities)
        raise UserError(f"no modality `{min(unknown)}`", where="--modalities", expected=known)
    method.require_support(order)
    answer = chosen_target(target, order, description)
    method.require_target(answer, order)
    settings = InferenceSettings.model_validate(description["inference"])
    _require_windows(settings, description, order)
    patch = PatchSettings.model_validate(description["recipe"]["patch"]).most
    seen = [side + 2 * more for side, more in zip(patch, method.context)]
    network = _traced(_Network(method, order, answer).eval(), len(order), seen)
    configured = inference(settings, order, answer, patch, method.context)
    command = _command(order)
    with removed_if_unfinished(output):
        (output / NETWORK).parent.mkdir(parents=True, exist_ok=True)
        torch.jit.save(network, str(output / NETWORK))
        write_json(output / DESCRIPTION, description)
        write_json(output / "configs/metadata.json", metadata(description, order, seen))
        write_json(output / "configs/inference.json", configured)
        write_text(output / "docs/README.md", _readme(description, order, command))
        _copy_code(output)
    return [
        f"{output}: {description['label']}, from {' and '.join(order)}",
        "run it there:",
        command,
    ]


def _require_windows(
    settings: InferenceSettings, description: Mapping[str, Any], order: Sequence[str]
) -> None:
    """Check that a bundle can do what the model needs."""
    if settings.window == "whole":
        raise UserError(
            "the model predicts whole images at once, of any size",
            expected="a model that predicts windows (`inference.window: patch`)",
        )
    registration = RegistrationSettings.model_validate(description["registration"])
    by_mask = description["preprocessing"]["crop"]["by"] == "mask"
    if by_mask or (len(order) > 1 and masked_images(registration, order)):
        raise UserError(
            "the model needs a mask of each patient, which a bundle has no input for",
            expected="a model whose images are neither cropped nor registered by a mask",
            remedy="use `remodal predict --mask`",
        )


def _traced(network: _Network, channels: int, shape: Sequence[int]) -> torch.jit.ScriptModule:
    """The network as TorchScript, tried on other images and another number of them.

    Raises:
        UserError: it cannot be traced, or its trace gives something else.
    """
    generator = torch.Generator().manual_seed(0)
    first = torch.randn((1, channels, *shape), generator=generator)
    several = torch.randn((3, channels, *shape), generator=generator)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            expected = [network(images) for images in (first, several)]
            traced = torch.jit.script(_OneByOne(torch.jit.trace(network, first, check_trace=False)))
            answers = zip((first, several), expected)
            found = max(float((traced(images) - answer).abs().max()) for images, answer in answers)
    except (RuntimeError, TypeError, ValueError) as error:
        what = f"the network cannot be traced ({str(error).splitlines()[0][:120]})"
        raise UserError(what, remedy="use `remodal predict`") from error
    if not found <= _TOLERANCE:
        what = f"the traced network gives other probabilities (by {found:.1g})"
        raise UserError(what, remedy="use `remodal predict`")
    return traced


def _copy_code(output: Path) -> None:
    """Remodal's own code, as a served model of MLflow carries it too."""
    package = Path(remodal.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, output / package.name, ignore=ignored)


def _command(order: Sequence[str]) -> str:
    images = " ".join(f'--images#{name} "/path/of/{name}.nii.gz"' for name in order)
    return (
        "python -m monai.bundle run --config_file configs/inference.json "
        f'{images} --output "/path/of/segmentation.nii.gz"'
    )


def _readme(description: Mapping[str, Any], order: Sequence[str], command: str) -> str:
    classes = ", ".join(f"{i} {name}" for i, name in enumerate(description["classes"], 1))
    several = "Several images are registered first, which needs itk-elastix. " if order[1:] else ""
    return f"""# {description["label"]}, study {description["study"]}

Segments {classes}.
An image is a DICOM folder or a NIfTI, NRRD or MHA file. {several}In this folder:

    {command}

The packages are in configs/metadata.json; `python -m monai.bundle` also needs `fire`. The network
is TorchScript (models/model.ts). Preparation and windows are remodal's, whose code is beside this
file's folder, so that the segmentation is that of `remodal predict`.

Research software; not a medical device.
"""
