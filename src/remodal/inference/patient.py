"""Prediction for a new patient, outside any study."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Volume
from remodal.inference.model import Segmenter
from remodal.intake.acquisition import acquisition, compare
from remodal.intake.convert import convert_image
from remodal.intake.nifti import read_volume, write_volume
from remodal.intake.source_files import is_there
from remodal.models.model_files import read_description
from remodal.preprocessing import prepare, restore_probabilities
from remodal.process.progress import progress
from remodal.settings import (
    ComputeSettings,
    InferenceSettings,
    PreprocessingSettings,
    RegistrationSettings,
)

_FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")


def predict_patient(model: Path, images: Mapping[str, Path], output: Path) -> None:
    """Segment one patient with a trained model, and nothing else of its study.

    The images are converted, brought onto one grid when there are several, prepared with the
    statistics that the model was trained with, segmented, and the result is brought back to the
    original geometry of the fixed modality or, without that one, of the first image of the model's
    order.

    Args:
        model: folder of the trained model.
        images: modality to DICOM folder or image file; some of the model's may be missing.
        output: segmentation to write (NIfTI, NRRD or MHA), uint8 class indices.

    Raises:
        UserError: no model, no image, an unknown modality or output format, modalities that the
            method cannot predict from, an image of another DICOM modality than the model's.
        BadCase: an image that cannot be used.
    """
    if not output.name.lower().endswith(_FORMATS):
        raise UserError(
            "unknown image format", where=str(output), expected=f"a name in {', '.join(_FORMATS)}"
        )
    description = read_description(model)
    order = _wanted(images, description)
    settings = _section(InferenceSettings, description, "inference")
    segmenter = Segmenter(model, order, settings, ComputeSettings())
    volumes = _on_one_grid(
        {modality: _read(images[modality], modality, description) for modality in order},
        _section(RegistrationSettings, description, "registration"),
    )
    preprocessing = _section(PreprocessingSettings, description, "preprocessing")
    prepared = prepare(volumes, description["fingerprint"], preprocessing)
    probabilities = segmenter.probabilities(
        prepared.array, partial(progress, description="Segmenting")
    )
    write_volume(output, restore_probabilities(probabilities, prepared.properties))


def _wanted(images: Mapping[str, Path], description: Mapping[str, Any]) -> list[str]:
    """The modalities that are given, in the model's order.

    Raises:
        UserError: none is given, or one that the model does not know.
    """
    known = description["modalities"]
    expected = "one or more of " + ", ".join(f"--{modality}" for modality in known)
    if not images:
        raise UserError("no image is given", expected=expected)
    for modality, path in images.items():
        if modality not in known:
            raise UserError(
                f"the model knows no modality `{modality}`", where="predict", expected=expected
            )
        if not is_there(Path(path)):
            raise UserError(
                "does not exist", where=f"--{modality} {path}", expected="a folder or image file"
            )
    return [modality for modality in known if modality in images]


def _section(kind: type, description: Mapping[str, Any], name: str) -> Any:
    return kind.model_validate(description[name])


def _read(source: Path, modality: str, description: Mapping[str, Any]) -> Volume:
    """An image as the intake stage converts it; what it finds odd is told on standard error.

    Raises:
        UserError: the image is of another DICOM modality than the model's training images.
        BadCase: it cannot be used.
    """
    trained = description["fingerprint"].get("acquired", {}).get(modality)
    with TemporaryDirectory() as folder:
        converted, record = Path(folder) / "image.nii", Path(folder) / "image.json"
        found = convert_image(source, converted, record, case="patient", modality=modality)
        doubts = compare(acquisition(found.details), trained, f"--{modality}")
        for warning in [*found.warnings, *doubts]:
            print(f"remodal: {modality}: {warning}", file=sys.stderr)
        return read_volume(converted)


def _on_one_grid(
    volumes: Mapping[str, Volume], registration: RegistrationSettings
) -> dict[str, Volume]:
    """All images on the grid of the fixed modality, or of the first one if that is missing.

    Without registration the images must be on one grid already, which `prepare` checks.
    """
    if len(volumes) == 1 or registration.method == "none":
        return dict(volumes)
    reference = registration.fixed if registration.fixed in volumes else next(iter(volumes))
    fixed = volumes[reference]
    return {
        modality: volume
        if modality == reference
        else _registered(fixed, volume, modality, registration)
        for modality, volume in volumes.items()
    }


def _registered(
    fixed: Volume, moving: Volume, modality: str, settings: RegistrationSettings
) -> Volume:
    from remodal.registration import align  # a single image needs no registration

    try:
        return align(fixed, moving, settings).warped
    except BadCase as error:
        raise BadCase(
            error.what, where=f"--{modality}", expected=error.expected, remedy=error.remedy
        ) from error
