"""Prediction for a new patient, outside any study."""

import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Volume
from remodal.inference.model import Segmenter
from remodal.intake.acquisition import acquisition, compare
from remodal.intake.convert import convert_image
from remodal.intake.nifti import read_volume, write_volume
from remodal.intake.source_files import is_there
from remodal.models.model_files import read_description
from remodal.preprocessing import restore_probabilities
from remodal.process.progress import progress
from remodal.registration.ways import mask_of, masked_images
from remodal.settings import (
    ComputeSettings,
    GridSettings,
    InferenceSettings,
    MaskSettings,
    PreprocessingSettings,
    RegistrationSettings,
)

if TYPE_CHECKING:
    from remodal.registration.alignment import Images

_FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")


def predict_patient(
    model: Path,
    images: Mapping[str, Path],
    output: Path,
    masks: Mapping[str, Path] | None = None,
    target: str = "",
) -> None:
    """Segment one patient with a trained model, without anything else from its study.

    The images are converted, brought onto one grid if there are several, prepared with the
    statistics that the model was trained with, and segmented. The result is brought back to the
    original geometry of the fixed modality or, if that is missing, of the first image in the
    model's order. From which images, by which part of the model, and on which image's grid, is said
    on standard error.

    Args:
        model: folder of the trained model.
        images: modality to DICOM folder or image file; some of the model's may be missing.
        output: segmentation to write (NIfTI, NRRD or MHA), uint8 class indices.
        masks: modality to a file whose nonzero voxels are the structure by which the model's images
            were registered or cropped; needed only for such a model.
        target: the image to segment, for a model whose images each have a ground truth of their
            own; may be empty if only one image is given.

    Raises:
        UserError: no model, no image, an unknown modality or output format, modalities that the
            method cannot predict from, an image of another DICOM modality than the model's, no
            mask where the model needs one, or no target where it needs one.
        BadCase: an image cannot be used.
    """
    if not output.name.lower().endswith(_FORMATS):
        raise UserError(
            "unknown image format", where=str(output), expected=f"a name in {', '.join(_FORMATS)}"
        )
    description = read_description(model)
    order = _wanted(images, description)
    settings = _section(InferenceSettings, description, "inference")
    target = _target(target, order, description)
    segmenter = Segmenter(model, order, settings, ComputeSettings(), target)
    structures = _read_masks(masks or {}, order)
    registration = _section(RegistrationSettings, description, "registration")
    volumes = _on_one_grid(
        {modality: _read(images[modality], modality, description) for modality in order},
        registration,
        structures,
    )
    preprocessing = _section(PreprocessingSettings, description, "preprocessing")
    reference = registration.reference(volumes)
    _require_masks(preprocessing.crop.mask, [reference], structures, "it is cropped by")
    prepared = segmenter.prepared(volumes, structures.get(reference))
    probabilities = segmenter.probabilities(
        prepared.array, partial(progress, description="Segmenting")
    )
    write_volume(output, restore_probabilities(probabilities, prepared.properties))
    by = f" by {segmenter.answered_by}" if segmenter.answered_by else ""
    grid = f"on the grid of the {reference} image"
    if len(order) > 1 and registration.grid != GridSettings():
        grid += ", extended or resampled as registration.grid says"
    print(f"remodal: segmented from {' + '.join(order)}{by}, {grid}", file=sys.stderr)


def _wanted(images: Mapping[str, Path], description: Mapping[str, Any]) -> list[str]:
    """The given modalities, in the model's order.

    Raises:
        UserError: none is given, the model does not know one, or its file does not exist.
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


def _target(target: str, given: list[str], description: Mapping[str, Any]) -> str:
    """The image to segment; empty for a model whose images share one ground truth.

    Raises:
        UserError: the model needs a target and has no valid one, or one is given and not needed.
    """
    if description["data"]["truth"] != "image":
        if target:
            raise UserError(
                "the images of this model's cases share one truth, so there is nothing to choose",
                where=f"--target {target}",
                remedy="leave it out",
            )
        return ""
    chosen = target or (given[0] if len(given) == 1 else "")
    if chosen not in given:
        raise UserError(
            f"`{chosen}` is not among the images" if chosen else "which image is to be segmented?",
            where="predict",
            expected="one of " + ", ".join(f"--target {name}" for name in given),
        )
    return chosen


def _section(kind: type, description: Mapping[str, Any], name: str) -> Any:
    return kind.model_validate(description[name])


def _read(source: Path, modality: str, description: Mapping[str, Any]) -> Volume:
    """An image as the intake stage converts it; its warnings are printed to standard error.

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
    volumes: Mapping[str, Volume],
    registration: RegistrationSettings,
    masks: Mapping[str, Volume],
) -> dict[str, Volume]:
    """All images on the grid of the fixed modality, or of the first one if that is missing.

    Raises:
        UserError: the model's registration needs masks that are not given.
        BadCase: the images cannot be registered.
    """
    if len(volumes) == 1:
        return dict(volumes)
    from remodal.registration.alignment import Images  # a single image needs no registration
    from remodal.registration.common_grid import common_grid, on_grid

    needed = masked_images(registration, volumes)
    _require_masks(mask_of(registration), needed, masks, "its images are laid on each other by")
    reference = registration.reference(volumes)
    geometries = [volumes[name].geometry for name in volumes if name != reference]
    grid = common_grid(volumes[reference].geometry, geometries, registration.grid)
    fixed = on_grid(volumes[reference], grid, registration.outside)
    return {
        modality: fixed
        if modality == reference
        else _registered(
            Images(fixed, volume, masks.get(reference), masks.get(modality)),
            modality,
            registration.of(modality),
        )
        for modality, volume in volumes.items()
    }


def _registered(images: "Images", modality: str, settings: RegistrationSettings) -> Volume:
    from remodal.registration import alignment

    try:
        return alignment.align(images, settings).warped
    except BadCase as error:
        raise BadCase(
            error.what, where=f"--{modality}", expected=error.expected, remedy=error.remedy
        ) from error


def _require_masks(
    wanted: MaskSettings | None,
    modalities: Iterable[str],
    given: Mapping[str, Volume],
    used: str,
) -> None:
    """Check that the masks which the model needs for a patient are given.

    Raises:
        UserError: one is missing.
    """
    for modality in modalities if wanted else ():
        if modality not in given:
            made_by = f"study {wanted.of(modality).study}" if wanted.study else "the labels"
            raise UserError(
                f"the model needs a mask of the {modality} image: {used} masks of {made_by}",
                where="predict",
                expected=f"--mask {modality}=FILE",
            )


def _read_masks(masks: Mapping[str, Path], known: Iterable[str]) -> dict[str, Volume]:
    """Masks of a patient's images: all nonzero voxels.

    Raises:
        UserError: a mask is of an image that is not given.
        BadCase: a file cannot be read.
    """
    for modality in masks:
        if modality not in known:
            raise UserError(
                f"there is no {modality} image to this mask",
                where=f"--mask {modality}={masks[modality]}",
                expected=f"one of {', '.join(known)}",
            )
    volumes = {modality: read_volume(Path(path)) for modality, path in masks.items()}
    return {name: volume.with_array(volume.array != 0) for name, volume in volumes.items()}
